import pytest

from softmaxd.errors import InvalidBody, UnsupportedMediaType
from softmaxd.http.operation import Headers, Job
from softmaxd.http.stages import STATE, Stages, TimedOperation, timed
from softmaxd.models.model import Model
from softmaxd.models.outputs import NOT_ASKED, Batch, Outputs
from tests.support.operations import Echo


class Strict(Echo):
    """Refuses every head and every body."""

    def check(self, headers: Headers) -> None:
        raise UnsupportedMediaType("no")

    def decode(self, body: bytes, headers: Headers, model: Model | None) -> Job:
        raise InvalidBody


def test_only_a_request_that_is_traced_is_timed() -> None:
    operation, stages = Echo(), Stages()

    assert timed(operation, {}) is timed(operation, {"state": {STATE: None}}) is operation
    assert isinstance(timed(operation, {"state": {STATE: stages}}), TimedOperation)


def test_a_timed_operation_answers_as_the_other_and_notes_its_times() -> None:
    stages = Stages()
    operation = TimedOperation(Echo(), stages)
    operation.check([])
    job = operation.decode(b"", [], None)

    assert operation.path == "/echo"
    assert operation.encode(NOT_ASKED, job).body == b"{}"
    assert operation.refuse(UnsupportedMediaType("no")).body == b"no"
    assert stages.decode is not None
    assert stages.encode is not None
    assert stages.decode[0] <= stages.decode[1] <= stages.encode[0] <= stages.encode[1]
    assert stages.engine is None


def test_a_body_that_is_refused_has_its_times_too() -> None:
    stages = Stages()
    operation = TimedOperation(Strict(), stages)

    with pytest.raises(UnsupportedMediaType):
        operation.check([])
    assert stages.decode is None
    with pytest.raises(InvalidBody):
        operation.decode(b"", [], None)
    assert stages.decode is not None


def test_the_engine_has_the_times_of_the_run() -> None:
    stages, batch = Stages(), Batch({})
    batch.ran = (10.0, 2.0)

    TimedOperation(Echo(), stages).encode(Outputs(batch, 0, 1), Job(None))

    assert stages.engine == (10.0, 12.0)
