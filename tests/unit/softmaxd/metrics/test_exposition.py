from collections import Counter

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from softmaxd.metrics.counts import NO_MODEL, SECONDS, Counts, Gauges, RunCounts, ShadowCounts, VersionCounts
from softmaxd.metrics.drift import AnswerCounts
from softmaxd.metrics.exposition import OPENMETRICS, PROMETHEUS, Snapshot, VersionState, media_type_for, render
from softmaxd.metrics.histogram import Histogram
from softmaxd.metrics.processes import ProcessCounts, ProcessUse
from softmaxd.models.shadow import Comparison

BLOBS = ("blobs", 1)


def counted() -> Snapshot:
    """Return a snapshot with a sample of every metric."""
    seconds, answers = Histogram(SECONDS), AnswerCounts()
    seconds.add(0.003)
    answers.labels['b "\\ß'] = 3
    answers.unknown["job"] = 4
    answers.typicality.add(0.5)
    compared = ShadowCounts()
    compared.add(Comparison(1, np.array([0.001, 0.3, 0.0])))
    compared.add("busy")
    counts = Counts(
        requests={("/predict", 200, "express", BLOBS): seconds},
        rejections=Counter({("queue_full", BLOBS): 2}),
        versions={BLOBS: VersionCounts(runs=RunCounts(rows=9), answers=answers)},
        shadows={(BLOBS, ("blobs", 2)): compared},
        process=ProcessCounts(1, 1.5, 2.5),
        gauges=Gauges(1, 2, 3, 4, {BLOBS: 7}, 5),
    )
    return Snapshot(
        counts=counts,
        reasons=["queue_full", "too_large"],
        model_reasons=["queue_full", "run_timeout"],
        versions=[VersionState(BLOBS, "ready", "CPU", 0.25, True, 0.9), VersionState(("blobs", 2), "rejected")],
        workers=2,
        use=ProcessUse(5, 6, 7, 8),
        evidence={BLOBS: 0.75},
        build={"version": "1.2"},
        is_complete=False,
    )


def test_every_family_is_named_with_its_type_even_before_there_is_a_value() -> None:
    lines = render(Snapshot(counts=Counts())).decode().splitlines()

    assert [line for line in lines if not line.startswith("# HELP ")] == [
        "# TYPE softmaxd_requests_total counter",
        "# TYPE softmaxd_request_seconds histogram",
        "# TYPE softmaxd_rejections_total counter",
        "# TYPE softmaxd_rows_total counter",
        "# TYPE softmaxd_batch_rows histogram",
        "# TYPE softmaxd_queue_seconds histogram",
        "# TYPE softmaxd_engine_seconds histogram",
        "# TYPE softmaxd_queued_rows gauge",
        "# TYPE softmaxd_predicted_labels_total counter",
        "# TYPE softmaxd_max_probability histogram",
        "# TYPE softmaxd_typicality histogram",
        "# TYPE softmaxd_unknown_texts_total counter",
        "# TYPE softmaxd_drift_evidence gauge",
        "# TYPE softmaxd_shadow_rows_total counter",
        "# TYPE softmaxd_shadow_disagreements_total counter",
        "# TYPE softmaxd_shadow_difference histogram",
        "# TYPE softmaxd_shadow_dropped_requests_total counter",
        "# TYPE softmaxd_model_info gauge",
        "# TYPE softmaxd_model_current gauge",
        "# TYPE softmaxd_model_share gauge",
        "# TYPE softmaxd_model_load_seconds gauge",
        "# TYPE softmaxd_build_info gauge",
        "softmaxd_build_info 1",
        "# TYPE softmaxd_workers gauge",
        "softmaxd_workers 1",
        "# TYPE softmaxd_requests_in_flight gauge",
        "softmaxd_requests_in_flight 0",
        "# TYPE softmaxd_connections gauge",
        "softmaxd_connections 0",
        "# TYPE softmaxd_inflight_bytes gauge",
        "softmaxd_inflight_bytes 0",
        "# TYPE softmaxd_inflight_bytes_limit gauge",
        "softmaxd_inflight_bytes_limit 0",
        "# TYPE softmaxd_stale_keys gauge",
        "softmaxd_stale_keys 0",
        "# TYPE softmaxd_metrics_complete gauge",
        "softmaxd_metrics_complete 1",
        "# TYPE process_cpu_seconds_total counter",
        "process_cpu_seconds_total 0.0",
        "# TYPE process_start_time_seconds gauge",
        "process_start_time_seconds inf",
    ]


def test_counts_stand_behind_their_labels() -> None:
    lines = render(counted()).decode().splitlines()

    assert {
        'softmaxd_requests_total{operation="/predict",status="200",lane="express",model="blobs",version="1"} 1',
        'softmaxd_request_seconds_bucket{operation="/predict",lane="express",model="blobs",version="1",le="0.002"} 0',
        'softmaxd_request_seconds_bucket{operation="/predict",lane="express",model="blobs",version="1",le="0.005"} 1',
        'softmaxd_request_seconds_sum{operation="/predict",lane="express",model="blobs",version="1"} 0.003',
        'softmaxd_rejections_total{reason="queue_full",model="blobs",version="1"} 2',
        'softmaxd_rows_total{model="blobs",version="1"} 9',
        'softmaxd_batch_rows_count{model="blobs",version="1"} 0',
        'softmaxd_queued_rows{model="blobs",version="1"} 7',
        'softmaxd_predicted_labels_total{model="blobs",version="1",label="b \\"\\\\ß"} 3',
        'softmaxd_typicality_sum{model="blobs",version="1"} 0.5',
        'softmaxd_unknown_texts_total{model="blobs",version="1",feature="job"} 4',
        'softmaxd_drift_evidence{model="blobs",version="1"} 0.75',
        'softmaxd_model_info{model="blobs",version="1",state="ready",provider="CPU"} 1',
        'softmaxd_model_info{model="blobs",version="2",state="rejected",provider=""} 1',
        'softmaxd_model_current{model="blobs",version="1"} 1',
        'softmaxd_model_current{model="blobs",version="2"} 0',
        'softmaxd_model_share{model="blobs",version="1"} 0.9',
        'softmaxd_model_share{model="blobs",version="2"} 0.0',
        'softmaxd_shadow_rows_total{model="blobs",version="1",shadow="2"} 3',
        'softmaxd_shadow_disagreements_total{model="blobs",version="1",shadow="2"} 1',
        'softmaxd_shadow_difference_bucket{model="blobs",version="1",shadow="2",le="0.01"} 2',
        'softmaxd_shadow_dropped_requests_total{model="blobs",version="1",shadow="2",reason="busy"} 1',
        'softmaxd_shadow_dropped_requests_total{model="blobs",version="1",shadow="2",reason="failed"} 0',
        'softmaxd_model_load_seconds{model="blobs",version="1"} 0.25',
        'softmaxd_build_info{version="1.2"} 1',
        "softmaxd_workers 2",
        "softmaxd_connections 2",
        "softmaxd_inflight_bytes 3",
        "softmaxd_stale_keys 5",
        "softmaxd_metrics_complete 0",
        "process_cpu_seconds_total 2.5",
        "process_start_time_seconds 1.5",
        "process_resident_memory_bytes 6",
        "process_open_fds 7",
    } <= set(lines)


def test_refusals_are_there_with_0_before_the_first_of_them() -> None:
    lines = render(counted()).decode().splitlines()

    assert [line for line in lines if line.startswith("softmaxd_rejections_total{")] == [
        'softmaxd_rejections_total{reason="queue_full",model="",version=""} 0',
        'softmaxd_rejections_total{reason="queue_full",model="blobs",version="1"} 2',
        'softmaxd_rejections_total{reason="run_timeout",model="blobs",version="1"} 0',
        'softmaxd_rejections_total{reason="too_large",model="",version=""} 0',
    ]


def test_failures_are_there_with_0_once_an_operation_was_asked() -> None:
    lines = render(counted()).decode().splitlines()

    labels = 'operation="/predict",status="%d",lane="express",model="blobs",version="1"'
    assert [line for line in lines if line.startswith("softmaxd_requests_total{")] == [
        f"softmaxd_requests_total{{{labels % status}}} {number}"
        for status, number in ((200, 1), (429, 0), (500, 0), (503, 0), (504, 0))
    ]


def test_both_formats_are_read_with_the_same_values() -> None:
    snapshot = counted()
    plain, openmetrics = render(snapshot, PROMETHEUS).decode(), render(snapshot, OPENMETRICS).decode()

    by_plain, by_openmetrics = (
        sorted(
            (sample.name, sorted(sample.labels.items()), sample.value)
            for family in families
            for sample in family.samples
        )
        for families in (parse_text(plain), parse_openmetrics(openmetrics))  # type: ignore[no-untyped-call]
    )

    assert by_plain == by_openmetrics
    assert len(by_plain) == sum(not line.startswith("#") for line in plain.splitlines())
    assert openmetrics.endswith("\n# EOF\n")
    assert "# TYPE softmaxd_requests counter" in openmetrics.splitlines()


def test_a_request_that_reached_no_model_has_empty_labels() -> None:
    counts = Counts(requests={("unmatched", 404, "asgi", NO_MODEL): Histogram(SECONDS)})

    line = 'softmaxd_requests_total{operation="unmatched",status="404",lane="asgi",model="",version=""} 0'
    assert line in render(Snapshot(counts=counts)).decode().splitlines()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", PROMETHEUS),
        ("*/*", PROMETHEUS),
        ("text/plain", PROMETHEUS),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", PROMETHEUS),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", OPENMETRICS),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OPENMETRICS,
        ),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.7", PROMETHEUS),
        ("application/openmetrics-text;q=0", PROMETHEUS),
        ("application/openmetrics-text;q=x", PROMETHEUS),
        ("application/openmetrics-text;q=nan", PROMETHEUS),
        (";;,=;q", PROMETHEUS),
    ],
)
def test_openmetrics_is_for_those_who_prefer_it(accept: str, media_type: str) -> None:
    assert media_type_for(accept) == media_type
