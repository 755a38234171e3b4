"""An operation: two pure functions around a model call. Both lanes run the same object.

It knows neither ASGI nor sockets, so it is tested without a server.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from softmaxd.errors import InternalError, ServiceError
from softmaxd.http.ids import Ids, describe
from softmaxd.http.openapi import Docs
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.model import Find, Model
from softmaxd.models.outputs import Features, Outputs

Headers = Sequence[tuple[bytes, bytes]]  # of a request, names in lower case

JSON = b"application/json"

logger = logging.getLogger(__name__)


@dataclass(slots=True)  # not frozen: assigning the fields of a frozen one takes longer
class Reply:
    """The answer to a request."""

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    reason: str = ""  # for which the request was refused, as in the metrics

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """All header fields, in the order of both lanes."""
        return [(b"content-length", b"%d" % len(self.body)), (b"content-type", self.media_type), *self.headers]


@dataclass(slots=True)
class Job:
    """A decoded body; `features` [rows, features] are for the model, None if no model is asked."""

    features: Features | None


def no_model(_name: str | None, _version: str | None, _request_id: bytes = b"", /) -> None:
    """Find no model: for an operation that asks none."""


class Operation(ABC):
    """A path that takes a POST. Its methods raise `ServiceError`."""

    def __init__(self, path: str, docs: Docs, find: Find = no_model) -> None:
        self.path = path  # as a FastAPI route: {name} and {version} stand for one segment
        self.docs = docs
        self.find = find

    @abstractmethod
    def check(self, headers: Headers) -> None:
        """Refuse a body by its headers."""

    @abstractmethod
    def decode(self, body: bytes, headers: Headers, model: Model | None) -> Job:
        """Return the checked job of a body."""

    @abstractmethod
    def encode(self, outputs: Outputs, job: Any) -> Reply:  # Any: the kind of job that `decode` returns
        """Return the answer."""

    @abstractmethod
    def refuse(self, error: ServiceError) -> Reply:
        """Return an error in the form of the protocol."""


def reply_to_error(operation: Operation, error: Exception, metrics: Metrics, model: Model | None, ids: Ids) -> Reply:
    """Return the reply to a request that failed, and count it. A bug is logged and becomes a bare 500."""
    if not isinstance(error, ServiceError):
        logger.error("%s failed", operation.path, exc_info=error, extra=describe(ids))
        error = InternalError()
    metrics.count_rejection(error.reason, model)
    reply = operation.refuse(error)
    reply.reason = error.reason
    return reply
