"""The numbers that one worker counts. They are plain, so that workers can write them to files and add them up."""

import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from softmaxd.metrics.drift import AnswerCounts
from softmaxd.metrics.histogram import Histogram
from softmaxd.metrics.processes import ProcessCounts
from softmaxd.models.manifest import Key
from softmaxd.models.shadow import Comparison, Dropped
from softmaxd.models.together import EngineRun

SECONDS = (50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
DIFFERENCES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of probabilities
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
NO_MODEL: Key = ("", 0)  # in the place of model and version, for a request that reached no model


@dataclass(slots=True)
class BatchCounts:
    """The batches of one version of a model: their rows, the wait of the first of them, the run of the engine."""

    rows: Histogram = field(default_factory=lambda: Histogram(ROWS))
    waiting: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    engine: Histogram = field(default_factory=lambda: Histogram(SECONDS))

    def add(self, ran: EngineRun) -> None:
        self.rows.add(ran.rows)
        self.waiting.add(ran.first_waited)
        self.engine.add(ran.seconds)

    def merge(self, other: "BatchCounts") -> None:
        self.rows.merge(other.rows)
        self.waiting.merge(other.waiting)
        self.engine.merge(other.engine)


@dataclass(slots=True)
class RunCounts:
    """The runs of one version of a model.

    Seconds are summed over requests: each request counts the whole time of its batch.
    """

    runs: int = 0
    rows: int = 0
    requests: int = 0
    waited: float = 0.0
    engine: float = 0.0
    failed_requests: int = 0
    failed_seconds: float = 0.0
    last_run: float = 0.0  # as time.time() gives it

    def add(self, ran: EngineRun) -> None:
        requests = ran.requests
        if ran.failed:
            self.failed_requests += requests
            self.failed_seconds += ran.waited + requests * ran.seconds
            return
        self.runs += 1
        self.rows += ran.rows
        self.requests += requests
        self.waited += ran.waited
        self.engine += requests * ran.seconds
        self.last_run = time.time()

    def merge(self, other: "RunCounts") -> None:
        self.runs += other.runs
        self.rows += other.rows
        self.requests += other.requests
        self.waited += other.waited
        self.engine += other.engine
        self.failed_requests += other.failed_requests
        self.failed_seconds += other.failed_seconds
        self.last_run = max(self.last_run, other.last_run)


@dataclass(slots=True)
class VersionCounts:
    """One version of a model: its runs, their batches and their answers."""

    runs: RunCounts = field(default_factory=RunCounts)
    batches: BatchCounts = field(default_factory=BatchCounts)
    answers: AnswerCounts = field(default_factory=AnswerCounts)

    def merge(self, other: "VersionCounts") -> None:
        self.runs.merge(other.runs)
        self.batches.merge(other.batches)
        self.answers.merge(other.answers)


@dataclass(slots=True)
class ShadowCounts:
    """The rows that a shadow ran, too, compared with the answers, and the requests that were not compared."""

    disagreements: int = 0  # rows with another label
    differences: Histogram = field(default_factory=lambda: Histogram(DIFFERENCES))  # of rows
    dropped: Counter[str] = field(default_factory=Counter)  # requests, by reason

    def add(self, outcome: Comparison | Dropped) -> None:
        if isinstance(outcome, str):
            self.dropped[outcome] += 1
            return
        self.disagreements += outcome.disagreements
        values = np.sort(outcome.differences)
        at_most = np.searchsorted(values, DIFFERENCES, side="right").tolist()
        self.differences.add_many(at_most, len(values), float(values.sum()))

    def merge(self, other: "ShadowCounts") -> None:
        self.disagreements += other.disagreements
        self.differences.merge(other.differences)
        self.dropped.update(other.dropped)


@dataclass(slots=True)
class Gauges:
    """The state of one worker now."""

    in_flight: int = 0  # requests
    connections: int = 0
    held_bytes: int = 0  # of the budget of memory
    budget_bytes: int = 0
    queued_rows: dict[Key, int] = field(default_factory=dict)
    stale_keys: int = 0  # 1 while the file of keys cannot be used

    def merge(self, other: "Gauges") -> None:
        self.in_flight += other.in_flight
        self.connections += other.connections
        self.held_bytes += other.held_bytes
        self.budget_bytes += other.budget_bytes
        self.stale_keys += other.stale_keys
        self.queued_rows = dict(Counter(self.queued_rows) + Counter(other.queued_rows))


@dataclass(slots=True)
class Counts:
    """Everything that one worker has counted since it started."""

    # seconds by operation, status, lane, and the version of a model
    requests: dict[tuple[str, int, str, Key], Histogram] = field(default_factory=dict)
    rejections: Counter[tuple[str, Key]] = field(default_factory=Counter)  # by reason, and the version of a model
    versions: dict[Key, VersionCounts] = field(default_factory=dict)
    shadows: dict[tuple[Key, Key], ShadowCounts] = field(default_factory=dict)  # by version, and its shadow
    process: ProcessCounts = field(default_factory=ProcessCounts)
    gauges: Gauges = field(default_factory=Gauges)

    def merge(self, other: "Counts") -> None:
        """Add another worker's counts, but for its gauges: it may have died."""
        for key, seconds in other.requests.items():
            self.requests.setdefault(key, Histogram(SECONDS)).merge(seconds)
        self.rejections.update(other.rejections)
        for version, counts in other.versions.items():
            self.versions.setdefault(version, VersionCounts()).merge(counts)
        for versions, compared in other.shadows.items():
            self.shadows.setdefault(versions, ShadowCounts()).merge(compared)
        self.process.merge(other.process)

    def forget(self, version: Key) -> None:
        """Drop the counts of a version that is gone."""
        self.versions.pop(version, None)
        self.requests = {key: seconds for key, seconds in self.requests.items() if key[3] != version}
        self.rejections = Counter({key: number for key, number in self.rejections.items() if key[1] != version})
        self.shadows = {versions: compared for versions, compared in self.shadows.items() if version not in versions}
