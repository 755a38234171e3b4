"""Counts requests, batches and answers, over all workers of this service.

A request adds to plain numbers. Once a second, and before it answers a scrape, a worker writes its counts to a file
beside those of the others; the worker that is scraped adds up all files. So a worker that is killed loses at most its
last second, and no counter ever goes back.
"""

import os
import pickle
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from softmaxd.metrics.counts import SECONDS, BatchCounts, Counts, VersionCounts
from softmaxd.metrics.drift import AnswerCounter, AnswerCounts
from softmaxd.metrics.exposition import render
from softmaxd.metrics.histogram import Histogram
from softmaxd.models.batching import EngineRun
from softmaxd.models.manifest import Manifest


class Metrics:
    """The metrics of one worker; `folder` is shared with the other workers, if there are any."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._counts = Counts()
        self._queued_rows: Callable[[], Mapping[str, int]] = dict
        self._uncounted: set[AnswerCounter] = set()
        self._versions: Callable[[], Sequence[Sequence[str]]] = list

    def count_request(self, operation: str, status: int, lane: str, seconds: float) -> None:
        """Count an answered request."""
        key = (operation, status, lane)
        histogram = self._counts.requests.get(key)
        if histogram is None:
            histogram = self._counts.requests[key] = Histogram(SECONDS)
        histogram.add(seconds)

    def count_rejection(self, reason: str) -> None:
        """Count a request that was refused."""
        self._counts.rejections[reason] += 1

    def runs_of(self, manifest: Manifest) -> Callable[[EngineRun], None]:
        """Return the function that counts each run of this version's engine."""
        counts, model = self._counts, manifest.name
        key = (model, manifest.version)
        batches, runs = counts.batches.get(model, BatchCounts()), counts.versions.get(key, VersionCounts())
        answers = counts.answers.get(model, AnswerCounts())
        # new dicts, because models are loaded in a thread while the event loop goes through these
        counts.batches = {**counts.batches, model: batches}
        counts.versions = {**counts.versions, key: runs}
        counts.answers = {**counts.answers, model: answers}
        counter, uncounted = AnswerCounter(manifest, answers), self._uncounted

        def count(ran: EngineRun) -> None:
            batches.add(ran)
            runs.add(ran)
            if not ran.failed:
                counter.add(ran.outputs)
                uncounted.add(counter)

        return count

    def by_version(self) -> Mapping[tuple[str, int], VersionCounts]:
        """Return the runs of each version of a model in all workers; those of the others may be a second old."""
        self.save()
        return self._sum().versions

    def watch_queues(self, queued_rows: Callable[[], Mapping[str, int]]) -> None:
        """Ask for the queued rows of every model at every scrape."""
        self._queued_rows = queued_rows

    def watch_versions(self, versions: Callable[[], Sequence[Sequence[str]]]) -> None:
        """Ask for model, version, state and provider of every version at every scrape."""
        self._versions = versions

    def save(self) -> None:
        """Write this worker's counts for the others to add up; raises `OSError`."""
        while self._uncounted:
            self._uncounted.pop().count()
        if self._folder is None:
            return
        self._look_at_queues()
        unfinished = self._folder / f".{os.getpid()}"
        unfinished.write_bytes(pickle.dumps(self._counts))
        unfinished.rename(self._folder / str(os.getpid()))

    def render(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        self.save()
        return render(self._sum(), self._versions())

    def _look_at_queues(self) -> None:
        self._counts.queued_rows = dict(self._queued_rows())

    def _sum(self) -> Counts:
        self._look_at_queues()
        if self._folder is None:
            return self._counts
        total = Counts()
        for file in self._folder.iterdir():
            if file.name.isdecimal():
                worker: Counts = pickle.loads(file.read_bytes())  # noqa: S301 - our own workers wrote it
                total.merge(worker)
                if _is_alive(int(file.name)):
                    total.queued_rows = dict(Counter(total.queued_rows) + Counter(worker.queued_rows))
        return total


def _is_alive(worker: int) -> bool:
    """Return whether a worker with this process id is running."""
    try:
        os.kill(worker, 0)
    except OSError:  # no process has the id any more, or it belongs to another user's
        return False
    return True
