import asyncio

import numpy as np
import pytest

from softmaxd.errors import CannotRun
from softmaxd.models.outputs import Array
from softmaxd.models.runner import Runner
from softmaxd.models.together import Outcome

ROW = np.array([[1]], np.float32)


def echo(features: Array) -> dict[str, Array]:
    return {"echo": features}


@pytest.mark.parametrize("inline", [True, False])
def test_a_batch_is_run_and_its_outcome_told_in_the_event_loop(inline: bool) -> None:
    async def main() -> Outcome:
        told: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        Runner(echo, inline=inline).start([ROW, ROW], told.set_result)
        assert told.done() == inline
        return await told

    rows, _, outcome = asyncio.run(main())

    assert rows == 2
    assert isinstance(outcome, list)


def test_rows_that_the_model_cannot_run_are_logged_by_its_name_and_rarely(caplog: pytest.LogCaptureFixture) -> None:
    runner = Runner(echo, inline=True, name="shop version 1")

    for error in (CannotRun("idx=5"), CannotRun("idx=6"), ZeroDivisionError("a bug, which the lane logs")):
        runner.log(error)

    assert caplog.messages == ["shop version 1: The model cannot run these rows: idx=5"]
