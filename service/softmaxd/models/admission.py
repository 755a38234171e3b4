"""Decides how many rows may wait for a slow model: as many as it runs soon, so that overload makes no long queue.

With more load than a model can bear, the queue is as full as it may be, and each accepted request waits for all of it.
Refusing more of them serves as many, and each one soon.
"""

import sys

LEAST_REQUESTS = 12  # may always wait: at 80 % of what a model can bear, hardly ever do so many
NO_LIMIT = sys.maxsize
TELLING = 4  # a run that takes this part of the limit or more tells how long others will take


class Pace:
    """Learns from each run of a model how many rows it runs within `limit` seconds: `soon_rows`.

    A short run does not tell, unless its batch was full, because several rows often take hardly longer than one. The
    faster one of the last two runs counts, as a busy machine can make any one run slow.
    """

    __slots__ = ("_last", "limit", "soon_rows")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.soon_rows = NO_LIMIT
        self._last = 0.0  # rows a second

    def learn(self, rows: int, seconds: float, *, is_full: bool) -> None:
        """Take a run of so many rows in so many seconds."""
        speed = rows / max(seconds, 1e-9)
        tells = is_full or seconds * TELLING >= self.limit
        self.soon_rows = int(min(max(speed, self._last) * self.limit, NO_LIMIT)) if tells else NO_LIMIT
        self._last = speed
