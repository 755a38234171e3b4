"""Counts requests, batches and answers, over all workers of this service.

A request adds to plain numbers. Once a second, and before it answers a scrape, a worker writes its counts to a file
beside those of the others; the worker that is scraped adds them to its own. So a worker that is killed loses at most
its last second, and no counter ever goes back. While files cannot be written or read, a worker answers with what it
knows, and says so.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from softmaxd.errors import (
    AnswerTooLarge,
    CannotRun,
    InternalError,
    InvalidBody,
    OutputNotFinite,
    Overloaded,
    QueueFull,
    QueueTimeout,
    RunTimeout,
    ServiceError,
    TooLarge,
    UnsupportedMediaType,
)
from softmaxd.metrics.counts import NO_MODEL, SECONDS, Counts, Gauges, RunCounts, ShadowCounts, VersionCounts
from softmaxd.metrics.drift import AnswerCounter
from softmaxd.metrics.evidence import Evidence
from softmaxd.metrics.exposition import PROMETHEUS, Snapshot, VersionState, render
from softmaxd.metrics.histogram import Histogram
from softmaxd.metrics.processes import ProcessUse, is_alive, new_process_counts, use_of
from softmaxd.metrics.sharing import SharedCounts
from softmaxd.models.manifest import Key, Manifest
from softmaxd.models.model import Model
from softmaxd.models.shadow import Count
from softmaxd.models.together import EngineRun
from softmaxd.models.vocabularies import unknown_counts

RETIRED_SECONDS = 3600.0  # for which the series of a version outlive it, so that the last of its requests are scraped
MODEL_ERRORS = (
    *(AnswerTooLarge, CannotRun, InternalError, InvalidBody, OutputNotFinite, Overloaded),
    *(QueueFull, QueueTimeout, RunTimeout, TooLarge, UnsupportedMediaType),
)


class Metrics:
    """The metrics of one worker; `folder` is shared with the other workers, if there are any.

    `build` has the labels of `softmaxd_build_info`. `drift_folder` keeps the evidence of drift, `folder` if it is None.
    """

    def __init__(
        self, folder: Path | None = None, build: Mapping[str, str] | None = None, drift_folder: Path | None = None
    ) -> None:
        self._drift_folder = drift_folder or folder
        self._shared = None if folder is None else SharedCounts(folder)
        self._build = build or {}
        self._counts = Counts(process=new_process_counts())
        self._queued_rows: Callable[[], dict[Key, int]] = dict
        self._gauges: Callable[[], Gauges] = Gauges
        self._uncounted: set[AnswerCounter] = set()
        self._evidence: dict[Key, Evidence] = {}
        self._versions: Callable[[], Sequence[VersionState]] = list
        self._gone: dict[Key, float] = {}  # when a version was found to be gone

    def count_request(self, operation: str, status: int, lane: str, seconds: float, model: Model | None = None) -> None:
        """Count an answered request; `model` is the version that was asked, if there was one."""
        key = (operation, status, lane, NO_MODEL if model is None else model.key)
        try:
            histogram = self._counts.requests[key]
        except KeyError:
            histogram = self._counts.requests[key] = Histogram(SECONDS)
        histogram.add(seconds)

    def count_requests(
        self, operation: str, status: int, lane: str, seconds: Sequence[float], model: Model | None = None
    ) -> None:
        """Count answered requests that differ only in their seconds."""
        key = (operation, status, lane, NO_MODEL if model is None else model.key)
        self._counts.requests.setdefault(key, Histogram(SECONDS)).add_each(seconds)

    def count_rejection(self, reason: str, model: Model | None = None) -> None:
        """Count a request that was refused."""
        self._counts.rejections[reason, NO_MODEL if model is None else model.key] += 1

    def runs_of(self, manifest: Manifest) -> Callable[[EngineRun], None]:
        """Return the function that counts each run of this version's engine."""
        counts, key = self._counts, (manifest.name, manifest.version)
        self._gone.pop(key, None)
        version = counts.versions.get(key, VersionCounts())
        # a new dict, because models are loaded in a thread while the event loop goes through this one
        counts.versions = {**counts.versions, key: version}
        counter, uncounted = AnswerCounter(manifest, version.answers, self._evidence_of(manifest)), self._uncounted
        batches, runs = version.batches, version.runs
        vocabularies, unknown = manifest.vocabularies, version.answers.unknown

        def count(ran: EngineRun) -> None:
            batches.add(ran)
            runs.add(ran)
            if not ran.failed:
                counter.add(ran.outputs)
                uncounted.add(counter)
                for part in ran.parts if vocabularies else ():
                    unknown.update(unknown_counts(part.features, vocabularies))

        return count

    def shadow_of(self, answering: Key, shadow: Key) -> Count:
        """Return the function that counts the comparisons of a version with its shadow."""
        counts, versions = self._counts, (answering, shadow)
        compared = counts.shadows.get(versions, ShadowCounts())
        counts.shadows = {**counts.shadows, versions: compared}  # a new dict, as above
        return compared.add

    def _evidence_of(self, manifest: Manifest) -> Evidence | None:
        """Return the evidence of drift of a version; it goes on if this version was loaded before."""
        if manifest.calibration is None:
            return None
        key, evidence = (manifest.name, manifest.version), Evidence(manifest, self._drift_folder)
        known = self._evidence.get(key)
        if known is not None and known.name == evidence.name:
            return known
        self._evidence = {**self._evidence, key: evidence}
        return evidence

    def by_version(self) -> Mapping[Key, RunCounts]:
        """Return the runs of each version of a model in all workers; those of the others may be a second old."""
        self.save()
        return {version: counts.runs for version, counts in self._sum()[0].versions.items()}

    @property
    def problem(self) -> str:
        """The reason why the last numbers may lack some of other workers, or empty."""
        return "" if self._shared is None else self._shared.problem

    def watch_queues(self, queued_rows: Callable[[], dict[Key, int]]) -> None:
        """Ask for the queued rows of every version at every scrape."""
        self._queued_rows = queued_rows

    def watch_gauges(self, gauges: Callable[[], Gauges]) -> None:
        """Ask for the other gauges of this worker at every scrape."""
        self._gauges = gauges

    def watch_versions(self, versions: Callable[[], Sequence[VersionState]]) -> None:
        """Ask for every version folder at every scrape."""
        self._versions = versions

    def save(self) -> None:
        """Write this worker's counts for the others to add up."""
        while self._uncounted:
            self._uncounted.pop().count()
        for evidence in self._evidence.values():
            evidence.save()
        self._counts.process.cpu_seconds = time.process_time()
        self._counts.gauges = self._gauges()
        self._counts.gauges.queued_rows = self._queued_rows()
        for version in self._long_gone(self._counts.versions):
            self._counts.forget(version)
            self._evidence.pop(version, None)
        if self._shared is not None:
            self._shared.save(self._counts)

    def render(self, media_type: str = PROMETHEUS) -> bytes:
        """Return everything as text in this format."""
        self.save()
        counts, workers = self._sum()
        for version in self._long_gone(counts.versions):  # in the files of workers that died
            counts.forget(version)
        snapshot = Snapshot(
            counts=counts,
            reasons=[error.reason for error in _errors(ServiceError)],
            model_reasons=[error.reason for error in MODEL_ERRORS],
            versions=self._versions(),
            workers=len(workers),
            use=_use_of(workers),
            build=self._build,
            evidence={key: evidence.value for key, evidence in self._evidence.items()},
            is_complete=not self.problem,
        )
        return render(snapshot, media_type)

    def _long_gone(self, versions: Iterable[Key]) -> list[Key]:
        """Return those of these versions that have not been there for a while: their number must not grow forever."""
        there, now = {version.key for version in self._versions()}, time.monotonic()
        for version in there & self._gone.keys():
            del self._gone[version]
        gone = [version for version in versions if version not in there]
        return [version for version in gone if now - self._gone.setdefault(version, now) > RETIRED_SECONDS]

    def _sum(self) -> tuple[Counts, list[int]]:
        """Return the counts of all workers, the dead included, and the process ids of the living."""
        total, living = Counts(), [os.getpid()]
        total.merge(self._counts)
        total.gauges.merge(self._counts.gauges)
        for process, counts in () if self._shared is None else self._shared.others():
            total.merge(counts)
            if is_alive(process, counts.process.ticks):
                total.gauges.merge(counts.gauges)
                living.append(process)
        return total, living


def _errors(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    """Yield every class of refusals."""
    for error in kind.__subclasses__():
        yield error
        yield from _errors(error)


def _use_of(processes: Iterable[int]) -> ProcessUse | None:
    uses = [use for use in map(use_of, processes) if use is not None]
    total = ProcessUse()
    for use in uses:
        total.merge(use)
    return total if uses else None
