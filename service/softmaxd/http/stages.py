"""The stages of a request whose trace is recorded: when it was decoded and encoded, and the run that answered it."""

import time
from typing import Any

from starlette.types import Scope

from softmaxd.errors import ServiceError
from softmaxd.http.operation import Headers, Job, Operation, Reply
from softmaxd.models.model import Model
from softmaxd.models.outputs import NOT_ASKED, Outputs

STATE = "stages"  # in the state of a request of the ASGI lane

Times = tuple[float, float]  # begin and end, by `time.perf_counter`


class Stages:
    """The times of one request."""

    def __init__(self) -> None:
        self.decode: Times | None = None
        self.encode: Times | None = None
        self.outputs: Outputs | None = None  # of the model, if it was asked and has answered

    @property
    def engine(self) -> Times | None:
        """The times of the run whose batch had the rows."""
        if self.outputs is None:
            return None
        begin, seconds = self.outputs.batch.ran
        return begin, begin + seconds


class TimedOperation(Operation):
    """An operation that notes the stages of one request."""

    def __init__(self, operation: Operation, stages: Stages) -> None:
        super().__init__(operation.path, operation.docs, operation.find)
        self._operation = operation
        self._stages = stages

    def check(self, headers: Headers) -> None:
        self._operation.check(headers)

    def decode(self, body: bytes, headers: Headers, model: Model | None) -> Job:
        begin = time.perf_counter()
        try:
            return self._operation.decode(body, headers, model)
        finally:
            self._stages.decode = begin, time.perf_counter()

    def encode(self, outputs: Outputs, job: Any) -> Reply:
        begin = time.perf_counter()
        self._stages.outputs = None if outputs is NOT_ASKED else outputs
        try:
            return self._operation.encode(outputs, job)
        finally:
            self._stages.encode = begin, time.perf_counter()

    def refuse(self, error: ServiceError) -> Reply:
        return self._operation.refuse(error)


def timed(operation: Operation, scope: Scope) -> Operation:
    """Return the operation, so that it notes the stages of this request of the ASGI lane if that is traced."""
    stages = scope.get("state", {}).get(STATE)
    return operation if stages is None else TimedOperation(operation, stages)
