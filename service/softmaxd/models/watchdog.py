"""Watches the runs in the event loop, which stop everything else in the process while they last."""

import threading
import time
from collections.abc import Callable

from softmaxd.ending import end_now

SECONDS_BETWEEN_LOOKS = 0.1


class Watchdog:
    """Stops a run in the event loop that takes too long, from a thread.

    A kernel of ONNX Runtime cannot be stopped. If one goes on for `run_timeout` all the same, the process ends: another
    one takes its place, by the supervisor of several workers or by whatever started this one.
    """

    def __init__(self, run_timeout: float, end: Callable[[str], object] = end_now) -> None:
        self.running: tuple[float, Callable[[], None]] | None = None  # the latest end of a run, and how to stop it
        self.end = end
        self._run_timeout = run_timeout
        self._late: object = None
        self._stopped: object = None
        self._closed = threading.Event()

    def start(self) -> None:
        """Watch from now on, until `close`."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(SECONDS_BETWEEN_LOOKS):
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Stop the run, or end the process, if it is time."""
        running = self.running
        if running is None or now < running[0]:
            return
        if running is not self._late:
            self._late = running  # if the process was halted, the run ends before the next look
        elif running is not self._stopped:
            self._stopped = running
            running[1]()
        elif now > running[0] + self._run_timeout:
            self.end(f"a model has held up the process for more than {self._run_timeout:g} s and cannot be stopped")
