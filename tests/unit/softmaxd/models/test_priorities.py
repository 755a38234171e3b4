import os
import sys
import threading
from collections.abc import Iterator

import pytest

from softmaxd.models.priorities import RATIO, lower_priority, steps_for

LOWEST = 19


@pytest.fixture
def thread() -> Iterator[int]:
    """Return the id of a thread that waits."""
    ended = threading.Event()
    waiting = threading.Thread(target=ended.wait)
    waiting.start()
    assert waiting.native_id is not None
    yield waiting.native_id
    ended.set()
    waiting.join()


def test_one_thread_keeps_its_priority() -> None:
    assert steps_for(1) == 0


@pytest.mark.parametrize("threads", [2, 3, 4, 8, 16, 64])
def test_several_threads_weigh_a_quarter_more_than_one(threads: int) -> None:
    """The nearest step is at most half a step away: a factor of the square root of the ratio."""
    weight = threads * RATIO ** -steps_for(threads)

    assert 1.25 * RATIO**-0.5 <= weight <= 1.25 * RATIO**0.5


@pytest.mark.skipif(sys.platform != "linux", reason="a priority is of a whole process here")
def test_only_that_thread_has_a_lower_priority(thread: int) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)

    lower_priority(thread, 3)

    assert os.getpriority(os.PRIO_PROCESS, thread) == min(before + 3, LOWEST)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.skipif(sys.platform != "linux", reason="a priority is of a whole process here")
def test_there_is_a_lowest_priority(thread: int) -> None:
    for _ in range(3):
        lower_priority(thread, LOWEST)

    assert os.getpriority(os.PRIO_PROCESS, thread) == LOWEST


def test_a_sandbox_may_refuse_it(monkeypatch: pytest.MonkeyPatch, thread: int) -> None:
    def refuse(_which: int, _who: int, _priority: int) -> None:
        raise PermissionError

    monkeypatch.setattr("os.setpriority", refuse)
    before = os.getpriority(os.PRIO_PROCESS, thread)

    lower_priority(thread, 3)

    assert os.getpriority(os.PRIO_PROCESS, thread) == before
