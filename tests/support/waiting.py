"""Waits for another process."""

import time
from collections.abc import Callable

SECONDS = 60


def until(condition: Callable[[], object]) -> None:
    """Return once the condition holds; fail if it does not within a minute."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {SECONDS} s"
        time.sleep(0.02)
