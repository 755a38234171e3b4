"""Runs that take long: with a real loop of ONNX Runtime where it can be stopped, with a gate where it cannot."""

import asyncio
import gc
import threading
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from softmaxd.errors import CannotRun, RunTimeout
from softmaxd.models import runner as runners
from softmaxd.models.engine import Engine
from softmaxd.models.engine_thread import EngineThread, is_any_busy
from softmaxd.models.outputs import Array
from softmaxd.models.runner import MAX_ASIDE, MAX_STUCK, Limits, Runner
from softmaxd.models.together import Outcome, RunStopped
from softmaxd.models.watchdog import Watchdog
from tests.support.onnx_models import looping
from tests.support.waiting import until

SHORT, ENDLESS = (np.array([[turns, 1]], np.float32) for turns in (2, 3e9))


class Told:
    """The outcome of a run, and whether the next one may start."""

    def __init__(self) -> None:
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.is_free = asyncio.Event()

    @property
    def is_done(self) -> bool:
        return self._outcome.done()

    async def outcome(self) -> str:
        """Return the name of the error, or `answer`."""
        _, _, outcome = await asyncio.wait_for(self._outcome, 30)
        return type(outcome).__name__ if isinstance(outcome, Exception) else "answer"

    def start(self, runner: Runner, *parts: Array) -> "Told":
        runner.start(list(parts), self._outcome.set_result, self.is_free.set)
        return self


def on_engine(*, inline: bool = False, run_timeout: float = 1.0) -> Runner:
    engine = Engine(looping().SerializeToString(), device="cpu")
    return Runner(engine.run, inline=inline, limits=Limits(run_timeout, 0.0, engine.stop), name="loops version 1")


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main, debug=True)


def echo(features: Array) -> dict[str, Array]:
    return {"echo": features}


@pytest.mark.parametrize("inline", [True, False])
def test_a_batch_is_run_and_its_outcome_told_in_the_event_loop(inline: bool) -> None:
    async def main() -> None:
        told = Told().start(Runner(echo, inline=inline), SHORT, SHORT)

        assert told.is_done == told.is_free.is_set() == inline
        assert await told.outcome() == "answer"
        await told.is_free.wait()

    run(main())


def test_rows_that_the_model_cannot_run_are_logged_by_its_name_and_rarely(caplog: pytest.LogCaptureFixture) -> None:
    runner = Runner(echo, inline=True, name="shop version 1")

    for error in (CannotRun("idx=5"), CannotRun("idx=6"), ZeroDivisionError("a bug, which the lane logs")):
        runner.log(error)

    assert caplog.messages == ["shop version 1: The model cannot run these rows: idx=5"]


@pytest.mark.parametrize("inline", [True, False])
def test_no_request_is_to_blame_if_the_model_cannot_run_known_rows_either(
    inline: bool, caplog: pytest.LogCaptureFixture
) -> None:
    works = True

    def lose_its_device(features: Array) -> dict[str, Array]:
        if not works or features is not SHORT:
            raise ValueError("CUDA failure 46: the device is busy")
        return echo(features)

    async def main() -> None:
        nonlocal works
        runner = Runner(lose_its_device, inline=inline, known=SHORT, name="blobs version 1")
        assert await Told().start(runner, ENDLESS).outcome() == "CannotRun"
        works = False
        for _ in range(2):
            assert await Told().start(runner, ENDLESS).outcome() == "InternalError"

    run(main())

    failures = [line.getMessage() for line in caplog.records if line.levelname == "ERROR"]
    assert failures == ["blobs version 1 cannot run any rows: CUDA failure 46: the device is busy"]


@pytest.mark.parametrize("parts", [1, 2])
def test_a_model_whose_run_takes_long_in_the_event_loop_leaves_it(parts: int, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        engine = Engine(looping().SerializeToString(), device="cpu")
        watchdog = Watchdog(1000)
        watchdog.start()
        limits = Limits(1.0, 0.0, engine.stop)
        runner = Runner(engine.run, inline=True, limits=limits, watchdog=watchdog, name="loops version 1")
        assert await Told().start(runner, SHORT).outcome() == "answer"

        told = Told().start(runner, ENDLESS, *[SHORT] * (parts - 1))

        assert not runner.inline
        assert await told.outcome() == ("RunTimeout" if parts == 1 else "RunStopped")
        assert await Told().start(runner, SHORT).outcome() == "answer"
        watchdog.close()

    run(main())

    warnings = [line.getMessage() for line in caplog.records if line.name != "asyncio"]
    assert warnings == ["loops version 1: a run took more than 0.025 s, so it runs in threads from now on"]


def test_rows_that_run_now_and_take_long_make_their_model_leave_the_event_loop() -> None:
    engine = Engine(looping().SerializeToString(), device="cpu")
    watchdog = Watchdog(1000)
    watchdog.start()
    runner = Runner(engine.run, inline=True, limits=Limits(1.0, 0.0, engine.stop), watchdog=watchdog)

    first, (_, _, second) = runner.run_now(SHORT), runner.run_now(np.concatenate([SHORT, ENDLESS]))
    watchdog.close()

    assert (first[0], isinstance(first[2], list)) == (1, True)
    assert isinstance(second, RunStopped)
    assert not runner.inline


def test_a_batch_of_many_rows_may_take_longer_in_the_event_loop() -> None:
    watchdog = Watchdog(10)
    ends: list[float] = []

    def run_and_look(features: Array) -> dict[str, Array]:
        assert watchdog.running is not None
        ends.append(watchdog.running[0] - time.monotonic())
        return echo(features)

    async def main() -> None:
        runner = Runner(run_and_look, inline=True, limits=Limits(10, 1e-3), watchdog=watchdog)
        for rows in (1, 1000, 1_000_000):
            assert await Told().start(runner, np.zeros((rows, 2), np.float32)).outcome() == "answer"

    run(main())

    assert [round(end * 8) / 8 for end in ends] == [0.25, 2.25, 10]
    assert watchdog.running is None


def test_a_request_that_takes_long_steps_aside_until_its_timeout() -> None:
    async def main() -> None:
        runner = on_engine()
        endless = Told().start(runner, ENDLESS)
        await endless.is_free.wait()

        assert await Told().start(runner, SHORT).outcome() == "answer"
        assert not endless.is_done
        assert await endless.outcome() == "RunTimeout"

    run(main())


def test_a_run_that_steps_aside_comes_after_the_others() -> None:
    """Or a model could have three times the processor time of another one."""

    def late_threads() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if isinstance(each, EngineThread) and each.is_late}

    async def main() -> None:
        runner, before = on_engine(), late_threads()
        endless = Told().start(runner, ENDLESS)
        await endless.is_free.wait()
        (late,) = late_threads() - before
        assert await Told().start(runner, SHORT).outcome() == "answer"
        assert late_threads() - before == {late}

        assert await endless.outcome() == "RunTimeout"

        late.join(10)
        assert not late.is_alive()  # the next run has a thread of full priority

    run(main())


def test_a_batch_that_takes_long_is_stopped() -> None:
    async def main() -> None:
        told = Told().start(on_engine(), SHORT, ENDLESS)

        assert await told.outcome() == "RunStopped"
        await told.is_free.wait()

    run(main())


def test_more_than_may_step_aside_wait_for_their_turn() -> None:
    async def main() -> None:
        runner = on_engine()
        told = []
        for _ in range(MAX_ASIDE + 2):
            told.append(Told().start(runner, ENDLESS))
            await told[-1].is_free.wait()

        assert await Told().start(runner, SHORT).outcome() == "answer"
        assert [await each.outcome() for each in told] == ["RunTimeout"] * len(told)
        assert await Told().start(runner, SHORT).outcome() == "answer"

    run(main())


def test_a_request_that_was_stopped_too_early_is_answered_later() -> None:
    async def main() -> None:
        runner = on_engine(run_timeout=8)
        long = np.array([[1e6, 1]], np.float32)
        told = []
        for _ in range(MAX_ASIDE + 1):
            told.append(Told().start(runner, long))
            await told[-1].is_free.wait()

        assert [await each.outcome() for each in told] == ["answer"] * len(told)

    run(main())


class Gate:
    """A run that cannot be stopped."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def run(self, features: Array) -> dict[str, Array]:
        if features is not SHORT:
            self.opened.wait(30)
        return echo(features)


def stuck(gate: Gate, ends: list[str], monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setattr(runners, "STOP_SECONDS", 0.01)
    return Runner(gate.run, inline=False, limits=Limits(0.1), watchdog=Watchdog(10, ends.append))


def test_a_thread_that_does_not_stop_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[str] = []

    async def main() -> None:
        gate = Gate()
        runner = stuck(gate, ends, monkeypatch)

        assert await Told().start(runner, ENDLESS).outcome() == "RunTimeout"
        assert await Told().start(runner, ENDLESS, ENDLESS).outcome() == "RunStopped"
        assert await Told().start(runner, SHORT).outcome() == "answer"
        gate.opened.set()
        for _ in range(MAX_STUCK):  # threads that have come back do not count
            assert await Told().start(runner, ENDLESS).outcome() == "answer"

    run(main())

    assert ends == []


def test_too_many_threads_that_do_not_stop_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[str] = []

    async def main() -> None:
        gate = Gate()
        runner = stuck(gate, ends, monkeypatch)
        for number in range(MAX_STUCK + 1):
            assert ends == [], number
            assert await Told().start(runner, ENDLESS).outcome() == "RunTimeout"
        gate.opened.set()

    run(main())

    assert ends == [f"the model: more than {MAX_STUCK} runs cannot be stopped"]


def engine_threads() -> int:
    return sum(isinstance(thread, EngineThread) for thread in threading.enumerate())


def test_its_threads_end_with_it() -> None:
    gc.collect()
    before = engine_threads()

    async def main() -> None:
        assert await Told().start(Runner(echo, inline=False), SHORT).outcome() == "answer"

    run(main())
    gc.collect()

    until(lambda: engine_threads() <= before)


def test_a_close_stops_what_runs() -> None:
    async def main() -> None:
        runner = on_engine(run_timeout=1000)
        told = Told().start(runner, ENDLESS)
        assert is_any_busy()
        runner.close()
        await asyncio.sleep(0.05)
        assert not told.is_done  # its client has gone

    run(main())

    assert not is_any_busy()


def test_the_message_of_a_timeout_names_the_setting() -> None:
    async def main() -> None:
        heard: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        on_engine(run_timeout=0.1).start([ENDLESS], heard.set_result, lambda: None)

        _, _, error = await heard

        assert isinstance(error, RunTimeout)
        assert str(error) == "the model took more than 0.1 s for these rows (run_timeout)"

    run(main())
