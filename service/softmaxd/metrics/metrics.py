"""Counts requests, batches and answers, over all workers of this service.

A request adds to plain numbers. Once a second, and before it answers a scrape, a worker writes its counts to a file
beside those of the others; the worker that is scraped adds them to its own. So a worker that is killed loses at most
its last second, and no counter ever goes back. While files cannot be written or read, a worker answers with what it
knows, and says so.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from softmaxd.metrics.counts import SECONDS, BatchCounts, Counts, VersionCounts
from softmaxd.metrics.drift import AnswerCounter, AnswerCounts
from softmaxd.metrics.exposition import render
from softmaxd.metrics.histogram import Histogram
from softmaxd.metrics.sharing import SharedCounts
from softmaxd.models.manifest import Manifest
from softmaxd.models.together import EngineRun


class Metrics:
    """The metrics of one worker; `folder` is shared with the other workers, if there are any."""

    def __init__(self, folder: Path | None = None) -> None:
        self._shared = None if folder is None else SharedCounts(folder)
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

    @property
    def problem(self) -> str:
        """The reason why the last numbers may lack some of other workers, or empty."""
        return "" if self._shared is None else self._shared.problem

    def watch_queues(self, queued_rows: Callable[[], Mapping[str, int]]) -> None:
        """Ask for the queued rows of every model at every scrape."""
        self._queued_rows = queued_rows

    def watch_versions(self, versions: Callable[[], Sequence[Sequence[str]]]) -> None:
        """Ask for model, version, state and provider of every version at every scrape."""
        self._versions = versions

    def save(self) -> None:
        """Write this worker's counts for the others to add up."""
        while self._uncounted:
            self._uncounted.pop().count()
        if self._shared is not None:
            self._look_at_queues()
            self._shared.save(self._counts)

    def render(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        self.save()
        total = self._sum()
        return render(total, self._versions(), is_complete=not self.problem)

    def _look_at_queues(self) -> None:
        self._counts.queued_rows = dict(self._queued_rows())

    def _sum(self) -> Counts:
        self._look_at_queues()
        if self._shared is None:
            return self._counts
        total = Counts()
        total.merge(self._counts)
        queued_rows = Counter(self._counts.queued_rows)
        for is_alive, worker in self._shared.others():
            total.merge(worker)
            if is_alive:
                queued_rows += Counter(worker.queued_rows)
        total.queued_rows = dict(queued_rows)
        return total
