"""Counts in the text format of Prometheus."""

from collections.abc import Iterator, Sequence

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from softmaxd.metrics.counts import SECONDS, Counts
from softmaxd.metrics.histogram import Histogram

MEDIA_TYPE = CONTENT_TYPE_LATEST


def render(counts: Counts, versions: Sequence[Sequence[str]], *, is_complete: bool) -> bytes:
    """Return the text; a version is its model, number, state and provider."""
    return generate_latest(_Families(counts, versions, is_complete))


class _Families(Collector):
    def __init__(self, counts: Counts, versions: Sequence[Sequence[str]], is_complete: bool) -> None:
        self._counts = counts
        self._versions = versions
        self._is_complete = is_complete

    def collect(self) -> Iterator[Metric]:
        yield from _request_families(self._counts)
        yield from _batch_families(self._counts)
        yield from _answer_families(self._counts)
        yield _version_family(self._versions)
        documentation = "1, or 0 while numbers of other workers may be old or missing."
        yield GaugeMetricFamily("softmaxd_metrics_complete", documentation, value=self._is_complete)


def _request_families(counts: Counts) -> Iterator[Metric]:
    labels = ["operation", "status", "lane"]
    count = CounterMetricFamily("softmaxd_requests", "Requests answered.", labels=labels)
    by_operation: dict[tuple[str, str], Histogram] = {}
    for (operation, status, lane), seconds in sorted(counts.requests.items()):
        count.add_metric([operation, str(status), lane], sum(seconds.counts))
        by_operation.setdefault((operation, lane), Histogram(SECONDS)).merge(seconds)
    yield count
    family = HistogramMetricFamily(
        "softmaxd_request_seconds", "From the end of a request's head to its answer.", labels=["operation", "lane"]
    )
    for names, seconds in by_operation.items():
        family.add_metric(list(names), seconds.buckets(), seconds.total)
    yield family
    rejections = CounterMetricFamily("softmaxd_rejections", "Requests refused, by reason.", labels=["reason"])
    for reason, number in sorted(counts.rejections.items()):
        rejections.add_metric([reason], number)
    yield rejections


def _batch_families(counts: Counts) -> Iterator[Metric]:
    labels = ["model"]
    rows = HistogramMetricFamily("softmaxd_batch_rows", "Rows that ran together.", labels=labels)
    waiting = HistogramMetricFamily("softmaxd_queue_seconds", "Wait of the first rows of a batch.", labels=labels)
    engine = HistogramMetricFamily("softmaxd_engine_seconds", "Run of the engine for a batch.", labels=labels)
    queued = GaugeMetricFamily("softmaxd_queued_rows", "Rows that wait for the engine now.", labels=labels)
    for model, batches in sorted(counts.batches.items()):
        for family, values in ((rows, batches.rows), (waiting, batches.waiting), (engine, batches.engine)):
            family.add_metric([model], values.buckets(), values.total)
        queued.add_metric([model], counts.queued_rows.get(model, 0))
    yield from (rows, waiting, engine, queued)


def _answer_families(counts: Counts) -> Iterator[Metric]:
    labels = CounterMetricFamily("softmaxd_predicted_labels", "Rows by most probable label.", labels=["model", "label"])
    probability = HistogramMetricFamily(
        "softmaxd_max_probability", "Rows by the probability of that label.", labels=["model"]
    )
    typical = HistogramMetricFamily(
        "softmaxd_typicality", "Rows by the share of calibration rows at least as atypical.", labels=["model"]
    )
    for model, answers in sorted(counts.answers.items()):
        for label, rows in sorted(answers.labels.items()):
            labels.add_metric([model, label], rows)
        probability.add_metric([model], answers.probability.buckets(), answers.probability.total)
        if any(answers.typicality.counts):
            typical.add_metric([model], answers.typicality.buckets(), answers.typicality.total)
    yield from (labels, probability, typical)


def _version_family(versions: Sequence[Sequence[str]]) -> Metric:
    labels = ["model", "version", "state", "provider"]
    family = GaugeMetricFamily("softmaxd_model_info", "Versions of models, by state.", labels=labels)
    for version in versions:
        family.add_metric(version, 1)
    return family
