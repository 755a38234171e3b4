"""Runs the batches of one model, in the event loop or in a thread."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from softmaxd.errors import CannotRun
from softmaxd.logs import RareLines
from softmaxd.models.outputs import Features
from softmaxd.models.together import Outcome, Run, try_together

Done = Callable[[Outcome], None]

logger = logging.getLogger(__name__)


class Runner:
    """Runs batches one after the other, and logs the rows that the model cannot run."""

    def __init__(self, run: Run, *, inline: bool, name: str = "the model") -> None:
        self._run = run
        self._name = name
        self._executor = None if inline else ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._lines = RareLines(logger)

    @property
    def inline(self) -> bool:
        """True if the model runs in the event loop."""
        return self._executor is None

    def start(self, parts: list[Features], done: Done) -> None:
        """Run the parts as one batch; `done` is called in the event loop, at once if the model runs in it."""
        if self._executor is None:
            done(try_together(self._run, parts))
        else:
            running = asyncio.get_running_loop().run_in_executor(self._executor, try_together, self._run, parts)
            running.add_done_callback(lambda future: done(future.result()))

    def log(self, error: Exception) -> None:
        """Log that the model cannot run the rows of a request, unless there was such a line a short while ago."""
        if isinstance(error, CannotRun):
            self._lines.warning("%s: %s", self._name, error)
