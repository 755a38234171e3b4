"""A watch over the parts of a request: it adds the time of each, and its calls, in a file that others may read.

The watch takes time itself, which it measures by a function that does nothing, and leaves out.
"""

import mmap
import time
from array import array
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# The parts, by the places of their numbers: plain integers, as an enum is slow. Outside of all, a process may wait.
OUTSIDE, HEAD, BODY, BATCHING, RUN, TEXT, WRITING, METRICS = PARTS = range(8)
LONGEST = 1_000_000  # nanoseconds, more than any part takes: meanwhile, another process had the core
TRIES, TRIED_CALLS = 50, 1_000


def read(file: Path) -> tuple[list[int], list[int]]:
    """Return the nanoseconds of each part, and the calls of each, up to now."""
    numbers = array("q", file.read_bytes()).tolist()
    return numbers[: len(PARTS)], numbers[len(PARTS) :]


class Watch:
    """Knows the part that runs now. One thread has the watch."""

    def __init__(self, file: Path, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        file.write_bytes(bytes(array("q", [0] * 2 * len(PARTS))))
        with file.open("r+b") as opened:
            numbers = memoryview(mmap.mmap(opened.fileno(), 0)).cast("q")
        self._nanoseconds, self._calls = numbers[: len(PARTS)], numbers[len(PARTS) :]
        self._clock = clock
        self._part = OUTSIDE
        self._last = clock()
        self._own = self._own_outside = 0  # nanoseconds of a call that does nothing, in its part and in its caller's

    def over(
        self, function: Callable[P, R], part: int, *, begins: bool = False, after: int | None = None
    ) -> Callable[P, R]:
        """Return the function with its time counted for a part, without that of other parts in it.

        Its caller goes on with its own part, or with `after`. Only a function that `begins` is counted outside of all
        parts.
        """
        nanoseconds, calls, clock = self._nanoseconds, self._calls, self._clock

        @wraps(function)
        def counted(*args: P.args, **kwargs: P.kwargs) -> R:
            before = self._part
            if before == OUTSIDE and not begins:
                return function(*args, **kwargs)
            calls[part] += 1
            self._part = part
            now = clock()
            if now - self._last < LONGEST:
                nanoseconds[before] += now - self._last - self._own_outside
            self._last = now
            try:
                return function(*args, **kwargs)
            finally:
                now = clock()
                if now - self._last < LONGEST:
                    nanoseconds[self._part] += now - self._last - self._own
                self._last = now
                self._part = before if after is None else after

        return counted

    def calibrate(self) -> None:
        """Measure the time of the watch itself; all numbers begin at zero again."""

        def nothing() -> None:
            pass

        def calls_of(function: Callable[[], None]) -> Callable[[], None]:
            def calls() -> None:
                for _ in range(TRIED_CALLS):
                    function()

            return calls

        self._own = self._own_outside = 0
        watched = self.over(calls_of(self.over(nothing, BODY)), HEAD, begins=True)
        plain = self.over(calls_of(nothing), HEAD, begins=True)
        inside, around = self._least(watched, BODY), self._least(watched, HEAD)
        bare = self._least(plain, HEAD)
        self._own, self._own_outside = inside // TRIED_CALLS, (around - bare) // TRIED_CALLS

    def _least(self, function: Callable[[], None], part: int) -> int:
        """Return the least nanoseconds of a part in many calls."""
        found = []
        for _ in range(TRIES):
            function()
            found.append(self._nanoseconds[part])
            for each in PARTS:
                self._nanoseconds[each] = self._calls[each] = 0
        return min(found)
