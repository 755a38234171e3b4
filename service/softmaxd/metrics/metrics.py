"""What Prometheus gets to know: counts and times, over all workers of this service.

A request adds to plain numbers. Once a second, and before it answers a scrape, a worker writes its numbers into a file
beside those of the others; whichever worker is scraped adds up all the files. So a worker that is killed loses at most
its last second, and no counter ever goes back.
"""

import os
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from softmaxd.metrics.drift import Answers, AnswerTally
from softmaxd.metrics.histogram import Tally
from softmaxd.models.batching import Ran
from softmaxd.models.manifest import Manifest

SECONDS = (50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)

MEDIA_TYPE = CONTENT_TYPE_LATEST


@dataclass(slots=True)
class BatchTally:
    """The batches of one model: their rows, how long the first of them waited, how long the engine took."""

    rows: Tally = field(default_factory=lambda: Tally(ROWS))
    waiting: Tally = field(default_factory=lambda: Tally(SECONDS))
    engine: Tally = field(default_factory=lambda: Tally(SECONDS))

    def add(self, ran: Ran) -> None:
        self.rows.add(ran.rows)
        self.waiting.add(ran.first_waited)
        self.engine.add(ran.seconds)

    def merge(self, other: "BatchTally") -> None:
        self.rows.merge(other.rows)
        self.waiting.merge(other.waiting)
        self.engine.merge(other.engine)


@dataclass(slots=True)
class VersionTally:
    """What one version of a model has run; seconds are summed over requests, each with all of its batch's time."""

    runs: int = 0
    rows: int = 0
    requests: int = 0
    waited: float = 0.0
    engine: float = 0.0
    failed_requests: int = 0
    failed_seconds: float = 0.0
    last_run: float = 0.0  # as of time.time()

    def add(self, ran: Ran) -> None:
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

    def merge(self, other: "VersionTally") -> None:
        self.runs += other.runs
        self.rows += other.rows
        self.requests += other.requests
        self.waited += other.waited
        self.engine += other.engine
        self.failed_requests += other.failed_requests
        self.failed_seconds += other.failed_seconds
        self.last_run = max(self.last_run, other.last_run)


@dataclass(slots=True)
class Numbers:
    """What one worker has counted since it began."""

    requests: dict[tuple[str, int, str], Tally] = field(default_factory=dict)  # seconds by operation, status, lane
    rejections: Counter[str] = field(default_factory=Counter)  # by reason
    batches: dict[str, BatchTally] = field(default_factory=dict)  # by model
    answers: dict[str, AnswerTally] = field(default_factory=dict)  # by model
    versions: dict[tuple[str, int], VersionTally] = field(default_factory=dict)  # by model and version
    queued_rows: dict[str, int] = field(default_factory=dict)  # by model, now

    def merge(self, other: "Numbers") -> None:
        for key, tally in other.requests.items():
            self.requests.setdefault(key, Tally(SECONDS)).merge(tally)
        self.rejections.update(other.rejections)
        for model, batches in other.batches.items():
            self.batches.setdefault(model, BatchTally()).merge(batches)
        for model, answers in other.answers.items():
            self.answers.setdefault(model, AnswerTally()).merge(answers)
        for version, runs in other.versions.items():
            self.versions.setdefault(version, VersionTally()).merge(runs)


class Metrics(Collector):
    """The instruments of one worker; `folder` is shared with the other workers, if there are any."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._numbers = Numbers()
        self._queues: dict[str, Callable[[], int]] = {}
        self._uncounted: set[Answers] = set()
        self._versions: Callable[[], Sequence[Sequence[str]]] = list
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def count_request(self, operation: str, status: int, lane: str, seconds: float) -> None:
        """Count an answered request."""
        key = (operation, status, lane)
        tally = self._numbers.requests.get(key)
        if tally is None:
            tally = self._numbers.requests[key] = Tally(SECONDS)
        tally.add(seconds)

    def count_rejection(self, reason: str) -> None:
        """Count a request that was refused."""
        self._numbers.rejections[reason] += 1

    def runs_of(self, manifest: Manifest) -> Callable[[Ran], None]:
        """Return what is to hear of each run of this version's engine."""
        numbers, model = self._numbers, manifest.name
        key = (model, manifest.version)
        batches, runs = numbers.batches.get(model, BatchTally()), numbers.versions.get(key, VersionTally())
        tally = numbers.answers.get(model, AnswerTally())
        # not changed in place: models are loaded in a thread while others are being counted
        numbers.batches = {**numbers.batches, model: batches}
        numbers.versions = {**numbers.versions, key: runs}
        numbers.answers = {**numbers.answers, model: tally}
        answers, uncounted = Answers(manifest, tally), self._uncounted

        def count(ran: Ran) -> None:
            batches.add(ran)
            runs.add(ran)
            if not ran.failed:
                answers.add(ran.outputs)
                uncounted.add(answers)

        return count

    def by_version(self) -> Mapping[tuple[str, int], VersionTally]:
        """Return what each version of a model has run, in all workers: in the others up to their last second."""
        self.save()
        return self._sum().versions

    def watch_queue(self, model: str, queued_rows: Callable[[], int]) -> None:
        """Ask for a model's queue length at every scrape."""
        self._queues = {**self._queues, model: queued_rows}

    def watch_versions(self, versions: Callable[[], Sequence[Sequence[str]]]) -> None:
        """Ask for model, version, state and provider of every version at every scrape."""
        self._versions = versions

    def save(self) -> None:
        """Write this worker's numbers for the others to add up."""
        while self._uncounted:
            self._uncounted.pop().count()
        if self._folder is None:
            return
        self._numbers.queued_rows = {model: queued_rows() for model, queued_rows in self._queues.items()}
        unfinished = self._folder / f".{os.getpid()}"
        unfinished.write_bytes(pickle.dumps(self._numbers))
        unfinished.rename(self._folder / str(os.getpid()))

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        self.save()
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        numbers = self._sum()
        yield from _request_families(numbers)
        yield from _batch_families(numbers)
        yield from _answer_families(numbers)
        labels = ["model", "version", "state", "provider"]
        info = GaugeMetricFamily("softmaxd_model_info", "Versions of models, and what became of them.", labels=labels)
        for version in self._versions():
            info.add_metric(version, 1)
        yield info

    def _sum(self) -> Numbers:
        self._numbers.queued_rows = {model: queued_rows() for model, queued_rows in self._queues.items()}
        if self._folder is None:
            return self._numbers
        total = Numbers()
        for file in self._folder.iterdir():
            if file.name.isdecimal():
                worker: Numbers = pickle.loads(file.read_bytes())  # noqa: S301 - our own workers wrote it
                total.merge(worker)
                if _is_alive(int(file.name)):
                    total.queued_rows = dict(Counter(total.queued_rows) + Counter(worker.queued_rows))
        return total


def _request_families(numbers: Numbers) -> Iterator[Metric]:
    labels = ["operation", "status", "lane"]
    count = CounterMetricFamily("softmaxd_requests", "Requests answered.", labels=labels)
    seconds = HistogramMetricFamily(
        "softmaxd_request_seconds", "From the end of a request's head to its answer.", labels=["operation", "lane"]
    )
    by_operation: dict[tuple[str, str], Tally] = {}
    for (operation, status, lane), tally in sorted(numbers.requests.items()):
        count.add_metric([operation, str(status), lane], sum(tally.counts))
        by_operation.setdefault((operation, lane), Tally(SECONDS)).merge(tally)
    for names, tally in by_operation.items():
        seconds.add_metric(list(names), tally.buckets(), tally.total)
    rejections = CounterMetricFamily("softmaxd_rejections", "Requests refused, by reason.", labels=["reason"])
    for reason, number in sorted(numbers.rejections.items()):
        rejections.add_metric([reason], number)
    yield from (count, seconds, rejections)


def _batch_families(numbers: Numbers) -> Iterator[Metric]:
    labels = ["model"]
    rows = HistogramMetricFamily("softmaxd_batch_rows", "Rows that ran together.", labels=labels)
    waiting = HistogramMetricFamily("softmaxd_queue_seconds", "Wait of the first rows of a batch.", labels=labels)
    engine = HistogramMetricFamily("softmaxd_engine_seconds", "Run of the engine for a batch.", labels=labels)
    queued = GaugeMetricFamily("softmaxd_queued_rows", "Rows that wait for the engine now.", labels=labels)
    for model, batches in sorted(numbers.batches.items()):
        for family, tally in ((rows, batches.rows), (waiting, batches.waiting), (engine, batches.engine)):
            family.add_metric([model], tally.buckets(), tally.total)
        queued.add_metric([model], numbers.queued_rows.get(model, 0))
    yield from (rows, waiting, engine, queued)


def _answer_families(numbers: Numbers) -> Iterator[Metric]:
    labels = CounterMetricFamily("softmaxd_predicted_labels", "Rows by most probable label.", labels=["model", "label"])
    probability = HistogramMetricFamily(
        "softmaxd_max_probability", "Rows by the probability of that label.", labels=["model"]
    )
    typical = HistogramMetricFamily(
        "softmaxd_typicality", "Rows by the share of calibration rows at least as atypical.", labels=["model"]
    )
    for model, answers in sorted(numbers.answers.items()):
        for label, rows in sorted(answers.labels.items()):
            labels.add_metric([model, label], rows)
        probability.add_metric([model], answers.probability.buckets(), answers.probability.total)
        if any(answers.typicality.counts):
            typical.add_metric([model], answers.typicality.buckets(), answers.typicality.total)
    yield from (labels, probability, typical)


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
