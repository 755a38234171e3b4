"""What protocols share: the errors of an operation, the headers of its body, and examples.

Each fact stands once here, and each protocol gives it its own form.
"""

from collections.abc import Mapping

from softmaxd.errors import (
    Forbidden,
    HeadersTooLarge,
    InvalidBody,
    ModelNotFound,
    NotReady,
    QueueFull,
    QueueTimeout,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from softmaxd.http.operation import Headers

BODY_ERRORS = (RequestTimeout, TooLarge, UnsupportedMediaType, InvalidBody, HeadersTooLarge, NotReady)
MODEL_ERRORS = (ModelNotFound, *BODY_ERRORS, QueueFull, QueueTimeout)
ADMIN_ERRORS = (Unauthorized, Forbidden, ModelNotFound, *BODY_ERRORS)


def header_fields(headers: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    """Return headers in the form in which a reply has them."""
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())


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
