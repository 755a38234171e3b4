"""Waits for another process."""

import time
from collections.abc import Callable

SECONDS = 60
PAUSE = 0.02


def until(condition: Callable[[], object], seconds: float = SECONDS, pause: float = PAUSE) -> None:
    """Return once the condition holds; fail if it does not within the time, a minute unless told."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        time.sleep(pause)
