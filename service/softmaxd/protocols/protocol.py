"""Facts and rules of more than one protocol: strictness, the errors of an operation, the headers of its body."""

from collections.abc import Mapping

import orjson
from pydantic import ConfigDict

from softmaxd.errors import (
    AnswerTooLarge,
    CannotRun,
    Forbidden,
    HeadersTooLarge,
    InvalidBody,
    ModelNotFound,
    ModelNotLoaded,
    NotReady,
    OutputNotFinite,
    Overloaded,
    QueueFull,
    QueueTimeout,
    RequestTimeout,
    RunTimeout,
    ServiceError,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from softmaxd.http.operation import Headers, Reply
from softmaxd.models.datatypes import invalid

FORBID_UNKNOWN_FIELDS = ConfigDict(strict=True, extra="forbid")
IGNORE_UNKNOWN_FIELDS = ConfigDict(strict=True, extra="ignore")

PLAIN_ONLY = b"identity"  # the encodings that a protocol accepts, if it takes no compressed bodies
KEY_ERRORS = (Unauthorized, Forbidden)
BODY_ERRORS = (
    *(InvalidBody, RequestTimeout, TooLarge, UnsupportedMediaType, HeadersTooLarge, Overloaded, NotReady),
    *KEY_ERRORS,
)
SOFTMAX_ERRORS = (*BODY_ERRORS, AnswerTooLarge)
MODEL_ERRORS = (*SOFTMAX_ERRORS, OutputNotFinite, CannotRun, ModelNotFound, QueueFull, QueueTimeout, RunTimeout)
ADMIN_ERRORS = (*BODY_ERRORS, ModelNotFound)
LOAD_ERRORS = (*ADMIN_ERRORS, ModelNotLoaded)


def headers_of(error: ServiceError, accepted_encodings: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of the reply to an error; a 415 names the encodings that bodies may have (RFC 9110)."""
    headers = tuple((name.lower().encode(), value.encode()) for name, value in error.headers.items())
    if isinstance(error, UnsupportedMediaType):
        return (*headers, (b"accept-encoding", accepted_encodings))
    return headers


def content_headers(headers: Headers) -> dict[bytes, bytes]:
    """Return the headers that describe the body; of several with one name the first."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name.startswith(b"content-"):
            found.setdefault(name, value)
    return found


def refuse_compressed(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body that is declared as compressed."""
    if headers.get(b"content-encoding", b"identity").strip().lower() not in {b"identity", b""}:
        raise UnsupportedMediaType("The body should not be compressed: send no Content-Encoding")


def refuse_in_one_sentence(error: ServiceError, accepted_encodings: bytes) -> Reply:
    """Return an error as `{"error": …}`: the form of other servers."""
    status = status_of_others(type(error), error.status)
    return Reply(orjson.dumps({"error": error.detail}), status, headers=headers_of(error, accepted_encodings))


def status_of_others(kind: type[ServiceError], status: int) -> int:
    """Return the status of an error on other servers: 400 for a wrong body."""
    return 400 if issubclass(kind, InvalidBody | OutputNotFinite | CannotRun) else status


def refuse_nan(body: bytes) -> None:
    """Refuse `NaN` and `Infinity` in fields that a schema ignores: pydantic reads them as JSON."""
    if b"NaN" in body or b"Infinity" in body:
        try:
            orjson.loads(body)  # they may be in a string
        except orjson.JSONDecodeError as error:
            raise invalid("json_invalid", [], "Invalid JSON: NaN and Infinity are not numbers") from error
