import os
import time
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from softmaxd.metrics.counts import VersionCounts
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.together import EngineRun
from tests.support.manifests import manifest

GONE = 2**22 + 1  # above the highest process id that Linux gives


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return each value by name and labels."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def ran(*, requests: int = 1, rows: int = 1, failed: bool = False, first_waited: float = 0.5) -> EngineRun:
    outputs = {"probabilities": np.full((rows, 2), 0.5, dtype=np.float32)}
    return EngineRun(
        requests=requests,
        rows=rows,
        failed=failed,
        first_waited=first_waited,
        waited=1.0,
        seconds=2.0,
        outputs={} if failed else outputs,
    )


def test_requests_are_counted_by_operation_status_and_lane() -> None:
    metrics = Metrics()
    for status, seconds in ((200, 0.001), (200, 0.003), (422, 0.02)):
        metrics.count_request("/predict", status, "express", seconds)
    metrics.count_request("/predict", 200, "asgi", 0.1)

    found = samples(metrics)
    labels = ("lane=express", "operation=/predict")
    assert found["softmaxd_requests_total", *labels, "status=200"] == 2
    assert found["softmaxd_requests_total", *labels, "status=422"] == 1
    assert found["softmaxd_requests_total", "lane=asgi", "operation=/predict", "status=200"] == 1
    assert found["softmaxd_request_seconds_count", *labels] == 3
    assert found["softmaxd_request_seconds_sum", *labels] == pytest.approx(0.024)
    assert found["softmaxd_request_seconds_bucket", "lane=express", "le=0.005", "operation=/predict"] == 2


def test_rejections_are_counted_by_reason() -> None:
    metrics = Metrics()
    metrics.count_rejection("queue_full")
    metrics.count_rejection("queue_full")

    assert samples(metrics)["softmaxd_rejections_total", "reason=queue_full"] == 2


def test_batches_queues_and_versions_are_told_by_model() -> None:
    metrics = Metrics()
    metrics.runs_of(manifest(name="blobs", version=1))(ran(rows=32, first_waited=0.001))
    metrics.runs_of(manifest(name="blobs", version=2))(ran(rows=1, first_waited=0.002))
    metrics.watch_queues(lambda: {"blobs": 7})
    metrics.watch_versions(lambda: [("blobs", "1", "ready", "CPUExecutionProvider")])

    found = samples(metrics)
    assert found["softmaxd_batch_rows_sum", "model=blobs"] == 33
    assert found["softmaxd_queue_seconds_sum", "model=blobs"] == pytest.approx(0.003)
    assert found["softmaxd_engine_seconds_count", "model=blobs"] == 2
    assert found["softmaxd_queued_rows", "model=blobs"] == 7
    info = ("model=blobs", "provider=CPUExecutionProvider", "state=ready", "version=1")
    assert found["softmaxd_model_info", *info] == 1


def test_workers_add_up_those_that_died_included(tmp_path: Path) -> None:
    gone = Metrics(tmp_path)
    gone.count_request("/predict", 200, "express", 0.001)
    gone.count_rejection("too_large")
    gone.runs_of(manifest(name="blobs", version=1))(ran(rows=2))
    gone.watch_queues(lambda: {"blobs": 100})
    gone.save()
    (tmp_path / str(os.getpid())).rename(tmp_path / str(GONE))
    here = Metrics(tmp_path)
    here.count_request("/predict", 200, "express", 0.001)
    here.runs_of(manifest(name="blobs", version=1))(ran(rows=3))
    here.watch_queues(lambda: {"blobs": 5})
    (tmp_path / ".12").write_bytes(b"half written")

    found = samples(here)
    assert found["softmaxd_requests_total", "lane=express", "operation=/predict", "status=200"] == 2
    assert found["softmaxd_rejections_total", "reason=too_large"] == 1
    assert found["softmaxd_batch_rows_sum", "model=blobs"] == 5
    assert found["softmaxd_queued_rows", "model=blobs"] == 5  # the rows of the dead wait no longer


def test_the_answers_of_all_workers_and_versions_are_told_by_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Metrics(tmp_path), Metrics(tmp_path)
    there.runs_of(manifest(name="blobs", version=1))(ran(rows=5))
    there.runs_of(manifest(name="blobs", version=1))(ran(failed=True))
    with monkeypatch.context() as other_process:
        other_process.setattr(os, "getpid", lambda: 1)
        there.save()
    here.runs_of(manifest(name="blobs", version=1))(ran(rows=2))
    here.runs_of(manifest(name="blobs", version=2))(ran(rows=1))

    found = samples(here)
    assert found["softmaxd_predicted_labels_total", "label=a", "model=blobs"] == 8
    assert found["softmaxd_max_probability_bucket", "le=0.4", "model=blobs"] == 0
    assert found["softmaxd_max_probability_bucket", "le=0.5", "model=blobs"] == 8
    assert found["softmaxd_max_probability_sum", "model=blobs"] == 4.0
    assert ("softmaxd_typicality_count", "model=blobs") not in found  # there is no calibration data


def test_one_worker_alone_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    metrics = Metrics()
    metrics.count_rejection("queue_full")
    metrics.save()

    assert list(tmp_path.iterdir()) == []


def test_the_runs_of_a_version_are_summed_over_its_requests() -> None:
    metrics = Metrics()
    count = metrics.runs_of(manifest(name="blobs", version=1))
    metrics.runs_of(manifest(name="blobs", version=2))

    count(ran(requests=2, rows=5))
    count(ran(requests=1, rows=3))
    count(ran(requests=3, rows=9, failed=True))

    first, second = metrics.by_version()["blobs", 1], metrics.by_version()["blobs", 2]
    assert (first.runs, first.rows, first.requests, first.failed_requests) == (2, 8, 3, 3)
    assert (first.waited, first.engine, first.failed_seconds) == (2.0, 6.0, 7.0)
    assert first.last_run > 0
    assert second == VersionCounts()


def test_the_runs_of_all_workers_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = Metrics(tmp_path), Metrics(tmp_path)
    there.runs_of(manifest(name="blobs", version=1))(ran(requests=2, rows=5))
    there.runs_of(manifest(name="blobs", version=1))(ran(failed=True))
    with monkeypatch.context() as other_process:
        other_process.setattr(os, "getpid", lambda: 1)
        there.save()
    before = time.time()
    here.runs_of(manifest(name="blobs", version=1))(ran(requests=1, rows=4))

    total = here.by_version()["blobs", 1]

    assert (total.runs, total.rows, total.requests, total.failed_requests) == (2, 9, 3, 1)
    assert (total.waited, total.engine, total.failed_seconds) == (2.0, 6.0, 3.0)
    assert total.last_run > before
