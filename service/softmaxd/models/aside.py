"""Runs work that may never end, such as reading from a network mount, in a thread aside."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from softmaxd.models.files import NotNow

POLL_SECONDS = 0.1  # until a stop is noticed

T = TypeVar("T")


class Aside:
    """Runs one piece of work at a time, with a deadline.

    A thread that blocks in the system cannot be ended. It is left behind, and no other one starts before it ends.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._late: Future[Any] | None = None

    def run(self, work: Callable[[], T], *, seconds: float, setting: str) -> T:
        """Return the result of the work. Raises its exception, or `NotNow` after so many seconds or when stopped."""
        deadline = time.monotonic() + seconds
        late = NotNow(f"it took more than {seconds:g} s ({setting})")
        if self._late is not None and not self._ends(self._late, deadline):
            raise late
        future = start(work)
        if not self._ends(future, deadline):
            self._late = future
            raise late
        return future.result()

    def _ends(self, future: Future[Any], deadline: float) -> bool:
        """Wait for the end of the work, and return False if it does not come before the deadline or a stop."""
        while not future.done() and not self._stop.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            wait([future], min(left, POLL_SECONDS))
        return future.done()


def start(work: Callable[[], T]) -> Future[T]:
    """Start the work in a thread that does not keep the process alive. Raises `NotNow` if there can be no more."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # whatever it is, it belongs to the thread that waits
            future.set_exception(error)
        else:
            future.set_result(result)

    try:
        threading.Thread(target=run, name="aside", daemon=True).start()
    except RuntimeError as error:
        raise NotNow("no thread can be started") from error
    return future
