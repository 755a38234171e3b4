"""The numbers that one worker counts. They are plain, so that workers can write them to files and add them up."""

import time
from collections import Counter
from dataclasses import dataclass, field

from softmaxd.metrics.drift import AnswerCounts
from softmaxd.metrics.histogram import Histogram
from softmaxd.models.together import EngineRun

SECONDS = (50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)


@dataclass(slots=True)
class BatchCounts:
    """The batches of one model: their rows, the wait of the first of them, the run of the engine."""

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
class VersionCounts:
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
        if ran.failed:
            self.failed_requests += ran.requests
            self.failed_seconds += ran.waited + ran.requests * ran.seconds
            return
        self.runs += 1
        self.rows += ran.rows
        self.requests += ran.requests
        self.waited += ran.waited
        self.engine += ran.requests * ran.seconds
        self.last_run = time.time()

    def merge(self, other: "VersionCounts") -> None:
        self.runs += other.runs
        self.rows += other.rows
        self.requests += other.requests
        self.waited += other.waited
        self.engine += other.engine
        self.failed_requests += other.failed_requests
        self.failed_seconds += other.failed_seconds
        self.last_run = max(self.last_run, other.last_run)


@dataclass(slots=True)
class Counts:
    """Everything that one worker has counted since it started."""

    requests: dict[tuple[str, int, str], Histogram] = field(default_factory=dict)  # seconds by operation, status, lane
    rejections: Counter[str] = field(default_factory=Counter)  # by reason
    batches: dict[str, BatchCounts] = field(default_factory=dict)  # by model
    answers: dict[str, AnswerCounts] = field(default_factory=dict)  # by model
    versions: dict[tuple[str, int], VersionCounts] = field(default_factory=dict)  # by model and version
    queued_rows: dict[str, int] = field(default_factory=dict)  # by model, now

    def merge(self, other: "Counts") -> None:
        """Add another worker's counts, but for its queues: it may have died."""
        for key, seconds in other.requests.items():
            self.requests.setdefault(key, Histogram(SECONDS)).merge(seconds)
        self.rejections.update(other.rejections)
        for model, batches in other.batches.items():
            self.batches.setdefault(model, BatchCounts()).merge(batches)
        for model, answers in other.answers.items():
            self.answers.setdefault(model, AnswerCounts()).merge(answers)
        for version, runs in other.versions.items():
            self.versions.setdefault(version, VersionCounts()).merge(runs)
