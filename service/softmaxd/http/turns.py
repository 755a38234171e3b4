"""Gives large bodies their turns on the event loop, so that small requests beside them do not starve."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

LARGE_BYTES = 64 * 1024  # a larger body keeps the event loop long enough to delay others
REST = 1.5  # rests for each second of decoding and encoding, because reading, running and writing come on top


class Turns:
    """Lets large bodies use at most half of the event loop's time while small requests want it.

    One large body is worked on at a time; then the next one rests for as long as the last one took, if a small request
    was answered meanwhile. Otherwise one client that posts large bodies back to back would take nearly all the time.
    """

    def __init__(self) -> None:
        self.small_answered = 0
        self._small_before = 0  # of them, when a large body was last worked on
        self._rest_until = 0.0
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_scheduled = False

    def wait(self, work: Callable[[], None]) -> None:
        """Do this work on a large body when its turn comes."""
        self._waiting.append(work)
        if not self._is_scheduled:
            self._schedule()

    def spend(self, seconds: float) -> None:
        """Account for time of the event loop that a large body took."""
        now = time.monotonic()
        self._rest_until = max(self._rest_until, now) + REST * seconds
        self._small_before = self.small_answered

    def _schedule(self) -> None:
        self._is_scheduled = True
        rest = self._rest_until - time.monotonic() if self.small_answered != self._small_before else 0.0
        asyncio.get_running_loop().call_later(max(rest, 0.0), self._take_turn)

    def _take_turn(self) -> None:
        start = time.monotonic()
        self._waiting.popleft()()
        self.spend(time.monotonic() - start)
        self._is_scheduled = False
        if self._waiting:
            self._schedule()
