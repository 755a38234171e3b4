"""Shares the counts of the workers of one service, by a file for each of them in a folder."""

import logging
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

from softmaxd.metrics.counts import Counts

logger = logging.getLogger(__name__)


class SharedCounts:
    """The counts of all workers. `problem` is the reason why those of the others may be old or missing, or empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problem = ""

    def save(self, counts: Counts) -> None:
        """Write this worker's counts for the others; if it fails, they see its last ones."""
        unfinished = self._folder / f".{os.getpid()}"
        try:
            unfinished.write_bytes(pickle.dumps(counts))
            unfinished.rename(self._folder / str(os.getpid()))
        except OSError as error:
            self._tell(error.strerror or str(error))
        else:
            self._tell("")

    def others(self) -> Iterator[tuple[int, Counts]]:
        """Yield the process id and the counts of each other worker."""
        try:
            for name in os.listdir(self._folder):
                if name.isdecimal() and name != str(os.getpid()):
                    content = (self._folder / name).read_bytes()
                    counts: Counts = pickle.loads(content)  # noqa: S301 - our own workers wrote it
                    yield int(name), counts
        except OSError as error:
            self._tell(error.strerror or str(error))

    def _tell(self, problem: str) -> None:
        """Log a problem when it begins, and when it is over."""
        if problem and not self.problem:
            logger.warning("cannot save the metrics: %s; each worker answers with its own", problem)
        if self.problem and not problem:
            logger.info("the metrics of all workers are saved again")
        self.problem = problem
