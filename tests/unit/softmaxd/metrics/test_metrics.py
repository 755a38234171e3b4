import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from softmaxd.errors import ServiceError
from softmaxd.metrics import metrics as metrics_module
from softmaxd.metrics.counts import Gauges, RunCounts
from softmaxd.metrics.exposition import VersionState
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.batching import Entry
from softmaxd.models.calibration import Calibration
from softmaxd.models.loading import load
from softmaxd.models.model import Model
from softmaxd.models.shadow import Comparison
from softmaxd.models.together import EngineRun
from softmaxd.settings import Settings
from tests.support.manifests import manifest
from tests.support.onnx_models import linear, publish

GONE = 2**22 + 1  # above the highest process id that Linux gives


@pytest.fixture(scope="module")
def linear_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = publish(tmp_path_factory.mktemp("models"), 1, linear().SerializeToString())
    return load(folder, Settings())


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
        parts=[Entry(np.zeros((0, 1)), print, 0.0)] * requests,
        requests=requests,
        rows=rows,
        first_waited=first_waited,
        waited=1.0,
        seconds=2.0,
        outputs={} if failed else outputs,
    )


def test_unknown_texts_are_counted_by_feature() -> None:
    job = {"name": "job", "input": "job", "datatype": "BYTES", "categories": ["clerk"]}
    city = {"name": "city", "input": "city", "datatype": "BYTES", "categories": ["Rome"]}
    described = manifest(features=[job, city])
    rows = np.empty(3, described.dtype)
    rows["job"], rows["city"] = np.array([["clerk"], ["cook"], ["nurse"]], dtype=object), "Rome"
    metrics = Metrics()

    metrics.runs_of(described)(replace(ran(), parts=[Entry(rows, print, 0.0), Entry(rows[:2], print, 0.0)]))

    found = {key: value for key, value in samples(metrics).items() if key[0] == "softmaxd_unknown_texts_total"}
    assert found == {("softmaxd_unknown_texts_total", "feature=job", "model=any", "version=1"): 3}


def test_texts_of_a_run_that_failed_are_not_counted() -> None:
    job = {"name": "job", "input": "job", "datatype": "BYTES", "categories": ["clerk"]}
    described = manifest(features=[job])
    rows = np.full(1, "cook", dtype=[("job", object, (1,))])
    metrics = Metrics()

    metrics.runs_of(described)(replace(ran(failed=True), parts=[Entry(rows, print, 0.0)]))

    assert not [key for key in samples(metrics) if key[0] == "softmaxd_unknown_texts_total"]


def test_requests_are_counted_by_operation_status_and_lane() -> None:
    metrics = Metrics()
    for status, seconds in ((200, 0.001), (200, 0.003), (422, 0.02)):
        metrics.count_request("/predict", status, "express", seconds)
    metrics.count_request("/predict", 200, "asgi", 0.1)

    found = samples(metrics)
    labels = ("lane=express", "model=", "operation=/predict")
    assert found["softmaxd_requests_total", *labels, "status=200", "version="] == 2
    assert found["softmaxd_requests_total", *labels, "status=422", "version="] == 1
    assert found["softmaxd_requests_total", "lane=asgi", "model=", "operation=/predict", "status=200", "version="] == 1
    assert found["softmaxd_request_seconds_count", *labels, "version="] == 3
    assert found["softmaxd_request_seconds_sum", *labels, "version="] == pytest.approx(0.024)
    assert (
        found["softmaxd_request_seconds_bucket", "lane=express", "le=0.005", "model=", "operation=/predict", "version="]
        == 2
    )


def test_rejections_are_counted_by_reason() -> None:
    metrics = Metrics()
    metrics.count_rejection("queue_full")
    metrics.count_rejection("queue_full")

    assert samples(metrics)["softmaxd_rejections_total", "model=", "reason=queue_full", "version="] == 2


def test_batches_queues_and_states_are_told_by_version() -> None:
    metrics = Metrics()
    metrics.runs_of(manifest(name="blobs", version=1))(ran(rows=32, first_waited=0.001))
    metrics.runs_of(manifest(name="blobs", version=2))(ran(rows=1, first_waited=0.002))
    metrics.watch_queues(lambda: {("blobs", 1): 7})
    metrics.watch_versions(lambda: [VersionState(("blobs", 1), "ready", "CPUExecutionProvider", 0.5)])

    found = samples(metrics)
    assert [found["softmaxd_batch_rows_sum", "model=blobs", f"version={version}"] for version in (1, 2)] == [32, 1]
    assert found["softmaxd_queue_seconds_sum", "model=blobs", "version=2"] == pytest.approx(0.002)
    assert found["softmaxd_engine_seconds_count", "model=blobs", "version=1"] == 1
    assert found["softmaxd_queued_rows", "model=blobs", "version=1"] == 7
    info = ("model=blobs", "provider=CPUExecutionProvider", "state=ready", "version=1")
    assert found["softmaxd_model_info", *info] == 1


def test_requests_and_refusals_are_told_by_the_version_that_was_asked(linear_model: Model) -> None:
    metrics = Metrics()
    metrics.count_request("/predict", 429, "express", 0.001, linear_model)
    metrics.count_rejection("queue_full", linear_model)

    found = samples(metrics)
    version = ("model=linear", "operation=/predict", "status=429", "version=1")
    assert found["softmaxd_requests_total", "lane=express", *version] == 1
    assert found["softmaxd_rejections_total", "model=linear", "reason=queue_full", "version=1"] == 1


def test_every_reason_is_there_from_the_start_those_of_a_model_once_it_is_served() -> None:
    metrics = Metrics()
    metrics.watch_versions(
        lambda: [VersionState(("blobs", 1), "ready", "CPU", 0.5), VersionState(("b", 2), "rejected")]
    )

    found = {key[1:]: value for key, value in samples(metrics).items() if key[0] == "softmaxd_rejections_total"}
    direct = {error.reason for error in ServiceError.__subclasses__()}
    assert {"unauthorized", "forbidden", "invalid_body"} < direct
    assert {("model=", f"reason={reason}", "version=") for reason in direct} <= found.keys()
    assert ("model=blobs", "reason=queue_full", "version=1") in found
    assert not any("model=b" in key for key in found)
    assert set(found.values()) == {0}


def test_gauges_are_those_of_the_living_and_the_time_is_that_of_all(tmp_path: Path) -> None:
    gone, here = Metrics(tmp_path), Metrics(tmp_path)
    gone.watch_gauges(lambda: Gauges(in_flight=100, connections=100, held_bytes=100, budget_bytes=100))
    gone.save()
    (tmp_path / str(os.getpid())).rename(tmp_path / str(GONE))
    here.watch_gauges(lambda: Gauges(in_flight=1, connections=2, held_bytes=3, budget_bytes=4))

    found = samples(here)

    assert found["softmaxd_workers",] == 1
    names = ("requests_in_flight", "connections", "inflight_bytes", "inflight_bytes_limit")
    assert [found[f"softmaxd_{name}",] for name in names] == [1, 2, 3, 4]
    assert found["process_cpu_seconds_total",] > time.process_time() * 1.5  # of both
    assert found["process_resident_memory_bytes",] > 2**20
    assert found["process_start_time_seconds",] < time.time()


def test_the_gauges_of_a_worker_that_lives_count(tmp_path: Path) -> None:
    there, here = Metrics(tmp_path), Metrics(tmp_path)
    there.watch_gauges(lambda: Gauges(connections=100))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    there._counts.process.ticks = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
    there.save()
    (tmp_path / str(os.getpid())).rename(tmp_path / str(child.pid))
    here.watch_gauges(lambda: Gauges(connections=2))

    found = samples(here)
    child.communicate()

    assert (found["softmaxd_workers",], found["softmaxd_connections",]) == (2, 102)


def test_the_comparisons_of_a_shadow_go_on_and_are_there_with_0_from_the_start() -> None:
    metrics = Metrics()
    metrics.watch_versions(lambda: [VersionState(("linear", version), "ready") for version in (1, 2)])
    count = metrics.shadow_of(("linear", 1), ("linear", 2))
    rows = ("softmaxd_shadow_rows_total", "model=linear", "shadow=2", "version=1")
    before = samples(metrics)[rows]

    count(Comparison(1, np.array([0.5, 0.25])))
    metrics.shadow_of(("linear", 1), ("linear", 2))("failed")

    found = samples(metrics)
    dropped = {key[2]: value for key, value in found.items() if key[0] == "softmaxd_shadow_dropped_requests_total"}
    assert (before, found[rows]) == (0, 2)
    assert dropped == {"reason=busy": 0, "reason=large": 0, "reason=failed": 1}


def test_the_series_of_a_version_that_is_gone_stay_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linear_model: Model
) -> None:
    dead, metrics = Metrics(tmp_path), Metrics(tmp_path)
    for each in (dead, metrics):
        each.runs_of(linear_model.manifest)(ran())
        each.count_request("/predict", 200, "express", 0.001, linear_model)
    dead.save()
    (tmp_path / str(os.getpid())).rename(tmp_path / str(GONE))
    rows = ("softmaxd_rows_total", "model=linear", "version=1")
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    found = [samples(metrics)]
    clock[0] += metrics_module.RETIRED_SECONDS
    found.append(samples(metrics))
    metrics.watch_versions(lambda: [VersionState(("linear", 1), "ready")])
    found.append(samples(metrics))  # it is back, and gone again
    metrics.watch_versions(list)
    found.append(samples(metrics))
    clock[0] += metrics_module.RETIRED_SECONDS + 1
    found.append(samples(metrics))

    assert [each.get(rows) for each in found] == [2, 2, 2, 2, None]
    assert not any("model=linear" in key for key in found[-1])
    metrics.runs_of(linear_model.manifest)
    assert samples(metrics)[rows] == 1  # that of the dead worker: the version was loaded again


def test_the_evidence_of_drift_goes_on_when_a_version_is_loaded_again(tmp_path: Path) -> None:
    values = tuple(np.linspace(0, 1, 500).tolist())
    calibrated = [
        manifest(name="far", calibration=Calibration(rows=500, temperature=1.0, scores=values, atypicality=atypicality))
        for atypicality in (values, values[1:])
    ]
    far = np.full(20, 99, dtype=np.float32)
    evidence = ("softmaxd_drift_evidence", "model=far", "version=1")
    for metrics in (Metrics(), Metrics(tmp_path)):
        run = replace(ran(rows=20), outputs={**ran(rows=20).outputs, "atypicality": far})
        metrics.runs_of(calibrated[0])(run)
        found = samples(metrics)[evidence]
        metrics.runs_of(calibrated[0])
        again = samples(metrics)[evidence]
        metrics.runs_of(calibrated[1])  # it is published anew
        anew = samples(metrics)[evidence]

        assert found == again > 100
        assert anew == 1


def test_workers_add_up_those_that_died_included(tmp_path: Path) -> None:
    gone = Metrics(tmp_path)
    gone.count_request("/predict", 200, "express", 0.001)
    gone.count_rejection("too_large")
    gone.runs_of(manifest(name="blobs", version=1))(ran(rows=2))
    gone.watch_queues(lambda: {("blobs", 1): 100})
    gone.save()
    (tmp_path / str(os.getpid())).rename(tmp_path / str(GONE))
    here = Metrics(tmp_path)
    here.count_request("/predict", 200, "express", 0.001)
    here.runs_of(manifest(name="blobs", version=1))(ran(rows=3))
    here.watch_queues(lambda: {("blobs", 1): 5})
    (tmp_path / ".12").write_bytes(b"half written")

    found = samples(here)
    assert (
        found["softmaxd_requests_total", "lane=express", "model=", "operation=/predict", "status=200", "version="] == 2
    )
    assert found["softmaxd_rejections_total", "model=", "reason=too_large", "version="] == 1
    assert found["softmaxd_batch_rows_sum", "model=blobs", "version=1"] == 5
    assert found["softmaxd_queued_rows", "model=blobs", "version=1"] == 5  # the rows of the dead wait no longer


def test_the_answers_of_all_workers_are_told_by_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = Metrics(tmp_path), Metrics(tmp_path)
    there.runs_of(manifest(name="blobs", version=1))(ran(rows=5))
    there.runs_of(manifest(name="blobs", version=1))(ran(failed=True))
    with monkeypatch.context() as other_process:
        other_process.setattr(os, "getpid", lambda: 1)
        there.save()
    here.runs_of(manifest(name="blobs", version=1))(ran(rows=2))
    here.runs_of(manifest(name="blobs", version=2))(ran(rows=1))

    found = samples(here)
    assert found["softmaxd_predicted_labels_total", "label=a", "model=blobs", "version=1"] == 7
    assert found["softmaxd_max_probability_bucket", "le=0.4", "model=blobs", "version=1"] == 0
    assert found["softmaxd_max_probability_bucket", "le=0.5", "model=blobs", "version=1"] == 7
    assert found["softmaxd_max_probability_sum", "model=blobs", "version=2"] == 0.5
    assert ("softmaxd_typicality_count", "model=blobs", "version=1") not in found  # there is no calibration data


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
    assert second == RunCounts()


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


def test_requests_that_are_counted_at_once_count_one_by_one(linear_model: Model) -> None:
    one_by_one, at_once = Metrics(), Metrics()
    for seconds in (0.25, 0.5, 2.0):
        one_by_one.count_request("/predict", 200, "express", seconds, linear_model)

    at_once.count_requests("/predict", 200, "express", [0.25, 0.5], linear_model)
    at_once.count_requests("/predict", 200, "express", [2.0], linear_model)

    def of_requests(metrics: Metrics) -> dict[tuple[str, ...], float]:
        return {key: value for key, value in samples(metrics).items() if key[0].startswith("softmaxd_request")}

    assert of_requests(at_once) == of_requests(one_by_one)
