"""A thread for the runs of an engine."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

from softmaxd.models.priorities import lower_priority, steps_for
from softmaxd.models.together import Outcome

LATER = 7  # by which the nice value grows: two such threads and one of another model share a core as 3 : 7

Job = tuple[asyncio.AbstractEventLoop, Callable[[], Outcome], Callable[[Outcome], None]]


class EngineThread(threading.Thread):
    """Runs one job after the other, each with so many threads of ONNX Runtime, of which it is one.

    The end of the process does not wait for it: a run may be stuck in a kernel.
    """

    def __init__(self, threads: int = 1) -> None:
        super().__init__(name="engine", daemon=True)
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.is_busy = False
        self.is_late = False
        self.start()
        self._lower_priority(steps_for(threads))

    def submit(self, job: Callable[[], Outcome], done: Callable[[Outcome], None]) -> None:
        """Run a job; `done` is called in the event loop of the caller."""
        self.is_busy = True
        self._jobs.put((asyncio.get_running_loop(), job, done))

    def run_late(self) -> None:
        """Let other threads run first from now on."""
        self.is_late = True
        self._lower_priority(LATER)

    def end(self) -> None:
        """End the thread after its jobs."""
        self._jobs.put(None)

    def run(self) -> None:
        """Run jobs until `end`."""
        while self._run_next():
            pass

    def _lower_priority(self, steps: int) -> None:
        assert self.native_id is not None  # it has started
        lower_priority(self.native_id, steps)

    def _run_next(self) -> bool:
        found = self._jobs.get()
        if found is None:
            return False
        loop, job, done = found
        outcome = job()
        self.is_busy = False
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(done, outcome)
        return True


def is_any_busy() -> bool:
    """Return True if an engine runs in a thread of this process."""
    return any(isinstance(thread, EngineThread) and thread.is_busy for thread in threading.enumerate())
