"""Counts in the text formats of Prometheus and OpenMetrics.

They are written here rather than by prometheus_client, which takes five times as long, in the event loop. The formats:
https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from softmaxd.metrics.counts import NO_MODEL, SECONDS, Counts
from softmaxd.metrics.histogram import Histogram
from softmaxd.metrics.processes import ProcessUse
from softmaxd.models.manifest import Key
from softmaxd.models.shadow import Dropped

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

FAILURES = (429, 500, 503, 504)  # statuses of failures, which alerts watch

VERSION = ("model", "version")  # the labels of a version

Labels = Sequence[str]


class VersionState(NamedTuple):
    """A version folder, as `GET /models` has it. `is_current` is True if it answers for the name of its model.

    `share` is its share of the requests that name no version, 0 to 1.
    """

    key: Key
    state: str
    provider: str = ""
    load_seconds: float | None = None
    is_current: bool = False
    share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The numbers of all workers at one moment. `use` is None where the system does not tell it."""

    counts: Counts
    reasons: Sequence[str] = ()  # of all refusals
    model_reasons: Sequence[str] = ()  # of those that a request to a model may get
    versions: Sequence[VersionState] = ()
    workers: int = 1
    use: ProcessUse | None = None
    evidence: Mapping[Key, float] = field(default_factory=dict)  # of drift, by version
    build: Mapping[str, str] = field(default_factory=dict)
    is_complete: bool = True


class Family:
    """A metric with its samples."""

    def __init__(self, name: str, kind: Literal["counter", "gauge", "histogram"], text: str, *labels: str) -> None:
        self.name = name
        self.kind = kind
        self.text = text
        self._labels = labels
        self._sample = f"{name}_total" if kind == "counter" else name
        self.lines: list[str] = []

    def add(self, values: Labels, value: float) -> None:
        """Add a sample, given the values of its labels."""
        labels = self._text_of(values)
        self.lines.append(f"{self._sample}{{{labels}}} {value}\n" if labels else f"{self._sample} {value}\n")

    def add_histogram(self, values: Labels, histogram: Histogram) -> None:
        labels, name = self._text_of(values), self.name
        buckets = histogram.buckets()
        self.lines += [f'{name}_bucket{{{labels},le="{bound}"}} {count}\n' for bound, count in buckets]
        self.lines.append(f"{name}_count{{{labels}}} {buckets[-1][1]}\n")
        self.lines.append(f"{name}_sum{{{labels}}} {histogram.total}\n")

    def _text_of(self, values: Labels) -> str:
        return ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(self._labels, values, strict=True))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def media_type_for(accept: str) -> str:
    """Return the format that a client prefers by its `Accept`: Prometheus' own unless it asks for OpenMetrics."""
    weights = {"text/plain": 0.0, "application/openmetrics-text": 0.0}
    for item in accept.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name in weights:
            weights[name] = _weight(parameters)
    plain, openmetrics = weights.values()
    return OPENMETRICS if openmetrics > 0 and openmetrics >= plain else PROMETHEUS


def _weight(parameters: Sequence[str]) -> float:
    try:
        return next((float(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
    except ValueError:
        return 0.0  # an unreadable weight asks for nothing


def render(snapshot: Snapshot, media_type: str = PROMETHEUS) -> bytes:
    """Return the text in this format."""
    is_open = media_type == OPENMETRICS
    text: list[str] = []
    for family in _families(snapshot):
        name = f"{family.name}_total" if family.kind == "counter" and not is_open else family.name
        text.append(f"# HELP {name} {family.text}\n# TYPE {name} {family.kind}\n")
        text += family.lines
    return "".join([*text, "# EOF\n"] if is_open else text).encode()


def _families(snapshot: Snapshot) -> Iterator[Family]:
    yield from _requests(snapshot)
    yield from _batches(snapshot)
    yield from _answers(snapshot)
    yield from _shadows(snapshot)
    yield from _versions(snapshot)
    yield from _service(snapshot)
    yield from _processes(snapshot)


def _of_version(version: Key) -> tuple[str, str]:
    return ("", "") if version == NO_MODEL else (version[0], str(version[1]))


def _requests(snapshot: Snapshot) -> Iterator[Family]:
    count = Family("softmaxd_requests", "counter", "Requests answered.", "operation", "status", "lane", *VERSION)
    text = "From the end of a request's head to its answer."
    family = Family("softmaxd_request_seconds", "histogram", text, "operation", "lane", *VERSION)
    summed: dict[tuple[str, str, Key], Histogram] = {}
    numbers: dict[tuple[str, int, str, Key], int] = {}
    for (operation, status, lane, version), seconds in sorted(snapshot.counts.requests.items()):
        for failure in FAILURES:  # the first failure is an increase, if the operation was asked before
            numbers.setdefault((operation, failure, lane, version), 0)
        numbers[operation, status, lane, version] = sum(seconds.counts)
        summed.setdefault((operation, lane, version), Histogram(SECONDS)).merge(seconds)
    for (operation, status, lane, version), number in sorted(numbers.items()):
        count.add([operation, str(status), lane, *_of_version(version)], number)
    for (operation, lane, version), seconds in summed.items():
        family.add_histogram([operation, lane, *_of_version(version)], seconds)
    yield from (count, family, _rejections(snapshot))


def _rejections(snapshot: Snapshot) -> Family:
    """Return the refusals; each that may come is there from the start, so that the first of them is an increase."""
    family = Family("softmaxd_rejections", "counter", "Requests refused, by reason.", "reason", *VERSION)
    numbers = dict.fromkeys([(reason, NO_MODEL) for reason in snapshot.reasons], 0)
    for served in snapshot.versions:
        if served.load_seconds is not None:
            numbers.update(dict.fromkeys([(reason, served.key) for reason in snapshot.model_reasons], 0))
    for (reason, version), number in sorted({**numbers, **snapshot.counts.rejections}.items()):
        family.add([reason, *_of_version(version)], number)
    return family


def _batches(snapshot: Snapshot) -> Iterator[Family]:
    answered = Family("softmaxd_rows", "counter", "Rows that a model has run.", *VERSION)
    rows = Family("softmaxd_batch_rows", "histogram", "Rows that ran together.", *VERSION)
    waiting = Family("softmaxd_queue_seconds", "histogram", "Wait of the first rows of a batch.", *VERSION)
    engine = Family("softmaxd_engine_seconds", "histogram", "Run of the engine for a batch.", *VERSION)
    queued = Family("softmaxd_queued_rows", "gauge", "Rows that wait for the engine now.", *VERSION)
    for version, counts in sorted(snapshot.counts.versions.items()):
        labels, batches = _of_version(version), counts.batches
        answered.add(labels, counts.runs.rows)
        for family, values in ((rows, batches.rows), (waiting, batches.waiting), (engine, batches.engine)):
            family.add_histogram(labels, values)
        queued.add(labels, snapshot.counts.gauges.queued_rows.get(version, 0))
    yield from (answered, rows, waiting, engine, queued)


def _answers(snapshot: Snapshot) -> Iterator[Family]:
    labels = Family("softmaxd_predicted_labels", "counter", "Rows by most probable label.", *VERSION, "label")
    probability = Family("softmaxd_max_probability", "histogram", "Rows by the probability of that label.", *VERSION)
    text = "Rows, or a sample of them, by the share of calibration rows at least as atypical."
    typical = Family("softmaxd_typicality", "histogram", text, *VERSION)
    text = "Rows by the feature whose text the model does not know."
    unknown = Family("softmaxd_unknown_texts", "counter", text, *VERSION, "feature")
    for version, counts in sorted(snapshot.counts.versions.items()):
        names, answers = _of_version(version), counts.answers
        for label, rows in sorted(answers.labels.items()):
            labels.add([*names, label], rows)
        for feature, rows in sorted(answers.unknown.items()):
            unknown.add([*names, feature], rows)
        probability.add_histogram(names, answers.probability)
        if any(answers.typicality.counts):
            typical.add_histogram(names, answers.typicality)
    text = "Evidence of drift: with rows like the calibration rows it ever reaches 100 with a probability of 1 %."
    evidence = Family("softmaxd_drift_evidence", "gauge", text, *VERSION)
    for version, value in sorted(snapshot.evidence.items()):
        evidence.add(_of_version(version), value)
    yield from (labels, probability, typical, unknown, evidence)


def _shadows(snapshot: Snapshot) -> Iterator[Family]:
    names = (*VERSION, "shadow")
    rows = Family("softmaxd_shadow_rows", "counter", "Rows that a shadow ran, too.", *names)
    text = "Rows of these for which the shadow has another label."
    disagreements = Family("softmaxd_shadow_disagreements", "counter", text, *names)
    text = "Rows of these by the largest difference of a probability."
    differences = Family("softmaxd_shadow_difference", "histogram", text, *names)
    text = "Requests that were not compared."
    dropped = Family("softmaxd_shadow_dropped_requests", "counter", text, *names, "reason")
    for (answering, shadow), compared in sorted(snapshot.counts.shadows.items()):
        labels = [*_of_version(answering), str(shadow[1])]
        rows.add(labels, sum(compared.differences.counts))
        disagreements.add(labels, compared.disagreements)
        differences.add_histogram(labels, compared.differences)
        for reason in get_args(Dropped):
            dropped.add([*labels, reason], compared.dropped[reason])
    yield from (rows, disagreements, differences, dropped)


def _versions(snapshot: Snapshot) -> Iterator[Family]:
    text = "Versions of models, by state."
    info = Family("softmaxd_model_info", "gauge", text, *VERSION, "state", "provider")
    text = "1 if this version answers for the name of its model."
    current = Family("softmaxd_model_current", "gauge", text, *VERSION)
    text = "Its share of the requests to its model that name no version."
    share = Family("softmaxd_model_share", "gauge", text, *VERSION)
    load = Family("softmaxd_model_load_seconds", "gauge", "Duration of loading and warming a version.", *VERSION)
    for version in snapshot.versions:
        labels = _of_version(version.key)
        info.add([*labels, version.state, version.provider], 1)
        current.add(labels, int(version.is_current))
        share.add(labels, version.share)
        if version.load_seconds is not None:
            load.add(labels, version.load_seconds)
    yield from (info, current, share, load)


def _service(snapshot: Snapshot) -> Iterator[Family]:
    gauges = snapshot.counts.gauges
    text = "1, with the versions of the service, of Python and of ONNX Runtime."
    build = Family("softmaxd_build_info", "gauge", text, *snapshot.build)
    build.add(list(snapshot.build.values()), 1)
    yield build
    for name, text, value in (
        ("workers", "Workers that serve.", snapshot.workers),
        ("requests_in_flight", "Requests that wait for their answer now, with this one.", gauges.in_flight),
        ("connections", "Open connections.", gauges.connections),
        ("inflight_bytes", "Memory of the bodies, features and answers in flight.", gauges.held_bytes),
        ("inflight_bytes_limit", "The most of it that all workers may hold together.", gauges.budget_bytes),
        ("stale_keys", "Workers that keep old keys, because the file of keys cannot be used.", gauges.stale_keys),
        ("metrics_complete", "1, or 0 while numbers of other workers may be old or missing.", +snapshot.is_complete),
    ):
        yield _gauge(f"softmaxd_{name}", text, value)


def _processes(snapshot: Snapshot) -> Iterator[Family]:
    """Yield the metrics of a process that every client library of Prometheus has: here of all workers together."""
    process, use = snapshot.counts.process, snapshot.use
    seconds = Family("process_cpu_seconds", "counter", "User and system CPU time of all workers, in seconds.")
    seconds.add((), process.cpu_seconds)
    yield seconds
    yield _gauge("process_start_time_seconds", "Start of the first worker, in seconds since 1970.", process.start)
    if use is not None:
        yield _gauge("process_virtual_memory_bytes", "Virtual memory of all workers.", use.virtual_bytes)
        yield _gauge("process_resident_memory_bytes", "Resident memory of all workers.", use.resident_bytes)
        yield _gauge("process_open_fds", "Open files of all workers.", use.open_files)
        yield _gauge("process_max_fds", "The most files that all workers may open.", use.max_files)


def _gauge(name: str, text: str, value: float) -> Family:
    family = Family(name, "gauge", text)
    family.add((), value)
    return family
