from collections import Counter

from softmaxd.metrics.counts import SECONDS, BatchCounts, Counts
from softmaxd.metrics.drift import AnswerCounts
from softmaxd.metrics.exposition import render
from softmaxd.metrics.histogram import Histogram


def test_every_family_is_named_with_its_type_even_before_there_is_a_value() -> None:
    lines = render(Counts(), [], is_complete=True).decode().splitlines()

    assert [line for line in lines if not line.startswith("# HELP ")] == [
        "# TYPE softmaxd_requests_total counter",
        "# TYPE softmaxd_request_seconds histogram",
        "# TYPE softmaxd_rejections_total counter",
        "# TYPE softmaxd_batch_rows histogram",
        "# TYPE softmaxd_queue_seconds histogram",
        "# TYPE softmaxd_engine_seconds histogram",
        "# TYPE softmaxd_queued_rows gauge",
        "# TYPE softmaxd_predicted_labels_total counter",
        "# TYPE softmaxd_max_probability histogram",
        "# TYPE softmaxd_typicality histogram",
        "# TYPE softmaxd_model_info gauge",
        "# TYPE softmaxd_metrics_complete gauge",
        "softmaxd_metrics_complete 1.0",
    ]


def test_counts_stand_behind_their_labels() -> None:
    seconds, answers = Histogram(SECONDS), AnswerCounts()
    seconds.add(0.003)
    answers.labels["b"] = 3
    answers.typicality.add(0.5)
    counts = Counts(
        requests={("/predict", 200, "express"): seconds},
        rejections=Counter({"queue_full": 2}),
        batches={"blobs": BatchCounts()},
        answers={"blobs": answers},
        queued_rows={"blobs": 7},
    )

    lines = render(counts, [("blobs", "1", "ready", "CPU")], is_complete=False).decode().splitlines()

    assert {
        'softmaxd_requests_total{lane="express",operation="/predict",status="200"} 1.0',
        'softmaxd_request_seconds_bucket{lane="express",le="0.002",operation="/predict"} 0.0',
        'softmaxd_request_seconds_bucket{lane="express",le="0.005",operation="/predict"} 1.0',
        'softmaxd_request_seconds_sum{lane="express",operation="/predict"} 0.003',
        'softmaxd_rejections_total{reason="queue_full"} 2.0',
        'softmaxd_batch_rows_count{model="blobs"} 0.0',
        'softmaxd_queued_rows{model="blobs"} 7.0',
        'softmaxd_predicted_labels_total{label="b",model="blobs"} 3.0',
        'softmaxd_typicality_sum{model="blobs"} 0.5',
        'softmaxd_model_info{model="blobs",provider="CPU",state="ready",version="1"} 1.0',
        "softmaxd_metrics_complete 0.0",
    } <= set(lines)
