"""An operation: a pair of pure functions around a model call. Both lanes run the same object.

It knows neither ASGI nor sockets, so it is tested without a server.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from softmaxd.errors import InternalError, ServiceError, UnsupportedMediaType
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.model import Model
from softmaxd.models.outputs import Features, Outputs

Headers = Sequence[tuple[bytes, bytes]]  # of a request, names in lower case

JSON = b"application/json"
MAX_KNOWN_TARGETS = 1024

logger = logging.getLogger(__name__)


@dataclass(slots=True)  # not frozen, as a Job: that would take 0.5 µs more to make one
class Reply:
    """What goes back to the client."""

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """All header fields, in the order in which both lanes send them."""
        return [(b"content-length", b"%d" % len(self.body)), (b"content-type", self.media_type), *self.headers]


@dataclass(slots=True)
class Job:
    """What a body asks for; `features` [rows, features] for the model to run, if a model is asked at all."""

    features: Features | None


@dataclass(frozen=True, slots=True)
class Operation:
    """What a path does with a POST.

    `find` raises `ModelNotFound`; `check` sees the header, `decode` the body, and both raise what the client did wrong.
    """

    path: str  # as a FastAPI route: {name} and {version} stand for one segment
    find: Callable[[str | None, str | None], Model | None]
    check: Callable[[Headers], None]
    decode: Callable[[bytes, Headers, Model | None], Job]
    encode: Callable[[Outputs, Any], Reply]  # Any: the job that this operation's own decode returned
    refuse: Callable[[ServiceError], Reply]


def reply_to_error(operation: Operation, error: Exception, metrics: Metrics) -> Reply:
    """Return the reply to a request that failed, and count it; a bug of ours is logged and becomes a bare 500."""
    if not isinstance(error, ServiceError):
        logger.error("%s failed", operation.path, exc_info=error)
        error = InternalError()
    metrics.count_rejection(error.reason)
    return operation.refuse(error)


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


Target = tuple[Operation, str | None, str | None]  # with the model's name and version


class Targets:
    """Finds the operation of a request target; only for paths in their plainest form."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._patterns = [(re.compile(_pattern(operation.path)), operation) for operation in operations]
        self._known: dict[bytes, Target] = {}

    def find(self, target: bytes) -> Target | None:
        """Return the operation of this raw request target and what stands in its path, or None."""
        known = self._known.get(target)
        if known is None:
            for pattern, operation in self._patterns:
                if found := pattern.fullmatch(target):
                    known = (operation, *_names(found))
                    if len(self._known) < MAX_KNOWN_TARGETS:
                        self._known[target] = known
                    break
        return known


def _pattern(path: str) -> bytes:
    """Return a pattern of a path whose segments need no unquoting."""
    return re.sub(r"\\{(\w+)\\}", r"(?P<\1>[\\w.~-]+)", re.escape(path)).encode()


def _names(found: re.Match[bytes]) -> tuple[str | None, str | None]:
    names = {key: value.decode("ascii") for key, value in found.groupdict().items()}
    return names.get("name"), names.get("version")
