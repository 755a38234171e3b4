"""Operations for tests that need one without a model."""

from copy import copy
from typing import Any

from pydantic import TypeAdapter

from softmaxd.errors import ServiceError
from softmaxd.http.openapi import Docs
from softmaxd.http.operation import Headers, Job, Operation, Reply
from softmaxd.models.model import Model
from softmaxd.models.outputs import Outputs

DOCS = Docs(operation_id="echo", tag="any", summary="Any", request=TypeAdapter(dict[str, int]), reply=dict, errors={})


class Echo(Operation):
    """Asks no model and answers `{}`; an error is its detail."""

    def __init__(self, path: str = "/echo") -> None:
        super().__init__(path, DOCS)

    def check(self, headers: Headers) -> None:
        """Take any headers."""

    def decode(self, body: bytes, headers: Headers, model: Model | None) -> Job:
        return Job(None)

    def encode(self, outputs: Outputs, job: Any) -> Reply:
        return Reply(b"{}")

    def refuse(self, error: ServiceError) -> Reply:
        return Reply(error.detail.encode(), error.status)


def changed(operation: Operation, **changes: Any) -> Operation:
    """Return a copy of an operation with other methods or attributes."""
    other = copy(operation)
    for name, value in changes.items():
        setattr(other, name, value)
    return other
