"""The exceptions that a client may see, each with its status.

The way of a request, and where it can end:

    bytes ── decode ──▶ features ── submit ──▶ batch ── engine ──▶ outputs ── encode ──▶ bytes
     │          │                      │                  │                      │
    408, 413   413, 415, 422          429, 503, 504      422, 504                  422 (outputs not finite)
    431

Anything that is not a `ServiceError` is a bug of ours: logged with its traceback and answered as a bare 500.
"""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import ClassVar

from typing_extensions import TypedDict

CLOSE: Mapping[str, str] = {"Connection": "close"}
RETRY: Mapping[str, str] = {"Retry-After": "1"}  # seconds


class StartupError(Exception):
    """The service cannot start; the message is the one line that the operator sees."""


class ModelError(Exception):
    """A version of a model that cannot be served; the message is one line with the reason."""


class Refused(Exception):
    """The model must not be published; the message is the one line that says why."""


class Problem(TypedDict):
    """A problem of a body: its kind, its place, and the expected value."""

    type: str
    loc: Sequence[str | int]
    msg: str


class ServiceError(Exception):
    """A request that cannot be answered as asked; `detail` is for the client."""

    status: int
    headers: Mapping[str, str] = {}
    reason: ClassVar[str]  # in the metrics: the class's name, as in queue_full

    def __init_subclass__(cls) -> None:
        cls.reason = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidBody(ServiceError):
    """The body is malformed JSON, or does not match the schema."""

    status = 422

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(_sentence, problems)))
        self.problems = problems


def _sentence(problem: Problem) -> str:
    """Return a problem as one line: `instances[0].x1: Input should be a valid number`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]]
    place = "".join(parts).removeprefix(".")
    return f"{place}: {problem['msg']}" if place else problem["msg"]


class OutputNotFinite(ServiceError):
    """The model's output for these features is not finite; most often they are too large."""

    status = 422

    def __init__(self, row: int) -> None:
        super().__init__(f"Row {row} has numbers for which the model's output is not finite")
        self.row = row


class CannotRun(ServiceError):
    """The model cannot run these rows."""

    status = 422

    def __init__(self, reason: str) -> None:
        super().__init__(f"The model cannot run these rows: {reason}")


class UnsupportedMediaType(ServiceError):
    """The media type or the encoding of the body is not supported."""

    status = 415


class Unauthorized(ServiceError):
    """The key is missing, or it is none of the configured keys."""

    status = 401
    headers: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="softmaxd"'}


class Forbidden(ServiceError):
    """The operation is switched off, or not for this key, or not for pages of other origins."""

    status = 403


class Misdirected(ServiceError):
    """The request is for a host that the service does not answer for."""

    status = 421


class Unroutable(ServiceError):
    """The framework refuses the request: the path is unknown, or does not have the method."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str]) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers


class ModelNotFound(ServiceError):
    """There is no such model, or no such version of it."""

    status = 404


class ModelNotLoaded(ServiceError):
    """The model cannot be served."""

    status = 400


class RequestTimeout(ServiceError):
    """The request did not arrive in time."""

    status = 408
    headers = CLOSE


class TooLarge(ServiceError):
    """The body has more bytes or more rows than the service takes."""

    status = 413
    headers = CLOSE


class AnswerTooLarge(ServiceError):
    """The answer would have more numbers or bytes than the service gives; fewer rows may fit."""

    status = 413


class NotHttp(ServiceError):
    """The bytes are not an HTTP request."""

    status = 400
    headers = CLOSE


class UnknownTransferCoding(ServiceError):
    """The body has a transfer coding that the service does not know."""

    status = 501
    headers = CLOSE


class UnsupportedVersion(ServiceError):
    """The request is not HTTP/1.1 or HTTP/1.0."""

    status = 505
    headers = CLOSE


class HeadersTooLarge(ServiceError):
    """The headers are larger than the limit."""

    status = 431
    headers = CLOSE


class QueueFull(ServiceError):
    """Too many rows are waiting; a retry may help."""

    status = 429
    headers = RETRY


class Overloaded(ServiceError):
    """The bodies and answers in flight take all the memory that they may; a retry may help."""

    status = 429
    headers: Mapping[str, str] = {**RETRY, **CLOSE}


class NotReady(ServiceError):
    """No model is ready, or the service is shutting down; a retry may help."""

    status = 503
    headers = RETRY


class InternalError(ServiceError):
    """A bug of ours; its traceback is in the log."""

    status = 500

    def __init__(self) -> None:
        super().__init__("Internal Server Error")


class RunTimeout(ServiceError):
    """The model took longer for these rows than the setting `run_timeout`."""

    status = 504


class QueueTimeout(ServiceError):
    """The rows waited for longer than the setting `queue_timeout`."""

    status = 504


def pip_install(packages: str) -> str:
    """Return the command that installs packages for this Python, which may be another one than `python` is."""
    return f"{shlex.quote(sys.executable)} -m pip install {packages}"
