"""Priorities of threads: a model with several threads must not have several times the processor time of another one."""

import math
import os
import sys
from collections.abc import Callable
from contextlib import suppress

RATIO = 1.25  # of the processor times of two threads whose nice values differ by 1 (sched(7))
PRIO_PROCESS = 0  # of setpriority(2); on Linux its id may be that of a thread


def steps_for(threads: int) -> int:
    """Return the growth of the nice value by which so many threads together weigh little more than one without it.

    A step more would make it as much; but the threads of a run wait for the last of them, and use less than their part.
    """
    return max(0, round(math.log(threads, RATIO)) - 1)


def _lower_priority(thread: int, steps: int) -> None:
    with suppress(OSError):  # a sandbox may refuse it
        os.setpriority(PRIO_PROCESS, thread, os.getpriority(PRIO_PROCESS, thread) + steps)


# A thread may lower its priority, but not raise it again. Elsewhere, a priority is of a whole process.
lower_priority: Callable[[int, int], None] = (
    _lower_priority if sys.platform == "linux" else lambda _thread, _steps: None
)
