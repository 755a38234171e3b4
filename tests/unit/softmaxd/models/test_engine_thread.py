import asyncio
import os
import threading

import pytest

from softmaxd.models.engine_thread import LATER, EngineThread, is_any_busy
from softmaxd.models.priorities import steps_for
from softmaxd.models.together import Outcome

OUTCOME: Outcome = (1, 0.5, [])


def test_jobs_run_in_it_and_their_outcomes_come_back_to_the_event_loop() -> None:
    threads: list[int | None] = []

    def job() -> Outcome:
        threads.append(threading.get_ident())
        return OUTCOME

    async def main() -> None:
        thread = EngineThread()
        for _ in range(2):
            told: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            thread.submit(job, told.set_result)
            assert await told == OUTCOME
        thread.end()
        thread.join(10)
        assert threads == [thread.ident] * 2

    asyncio.run(main())


def test_a_busy_one_is_known_and_does_not_mind_a_loop_that_is_closed() -> None:
    opened = threading.Event()

    def job() -> Outcome:
        opened.wait(10)
        return OUTCOME

    async def main() -> EngineThread:
        thread = EngineThread()
        thread.submit(job, lambda _outcome: None)
        return thread

    thread = asyncio.run(main())
    was_busy = is_any_busy()
    opened.set()
    thread.end()
    thread.join(10)

    assert (was_busy, is_any_busy(), thread.is_alive(), thread.daemon) == (True, False, False, True)


def priority(thread: EngineThread) -> int:
    assert thread.native_id is not None
    return os.getpriority(os.PRIO_PROCESS, thread.native_id)


def test_one_that_runs_late_lets_others_run_first() -> None:
    late, other = EngineThread(), EngineThread()
    before = priority(other)

    late.run_late()

    assert (priority(late), priority(other)) == (min(before + LATER, 19), before)
    assert (late.is_late, other.is_late) == (True, False)
    for thread in (late, other):
        thread.end()


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_one_of_several_threads_weighs_less(threads: int) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)

    thread = EngineThread(threads)

    assert priority(thread) == min(before + steps_for(threads), 19)
    thread.end()
