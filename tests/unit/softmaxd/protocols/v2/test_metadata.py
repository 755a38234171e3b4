"""The descriptions of a model that clients of Triton read."""

from pathlib import Path

from softmaxd.metrics.counts import RunCounts, VersionCounts
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.loading import load
from softmaxd.protocols.v2.metadata import configure, describe, statistics_of
from softmaxd.settings import Settings
from tests.support.paths import MODELS

BLOBS = load(MODELS / "blobs" / "1", Settings())


def test_a_description_names_all_versions_and_the_tensors_of_one() -> None:
    described = describe(BLOBS.manifest, [BLOBS, BLOBS])

    assert described["name"] == "blobs"
    assert described["versions"] == ["1", "1"]
    assert described["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 2]}]
    assert [(each["name"], each["shape"]) for each in described["outputs"]] == [
        ("logits", [-1, 4]),
        ("probabilities", [-1, 4]),
    ]


def test_a_configuration_says_the_most_rows_of_a_request() -> None:
    configuration = configure(BLOBS.manifest, max_rows=123)

    assert configuration["max_batch_size"] == 123
    assert configuration["input"] == [{"name": "features", "data_type": "TYPE_FP32", "dims": [2]}]


def test_statistics_are_in_nanoseconds_and_milliseconds() -> None:
    counts = RunCounts()
    counts.requests, counts.rows, counts.runs = 3, 20, 2
    counts.waited, counts.engine, counts.last_run = 0.25, 0.5, 1.5

    metrics = Metrics()
    metrics._counts.versions = {("blobs", 1): VersionCounts(runs=counts)}

    whole = statistics_of([BLOBS], metrics)

    assert "problem" not in whole
    (statistics,) = whole["model_stats"]
    assert (statistics["inference_count"], statistics["execution_count"]) == (20, 2)
    assert statistics["last_inference"] == 1500
    assert statistics["inference_stats"]["success"] == {"count": 3, "ns": 750_000_000}
    assert statistics["inference_stats"]["queue"] == {"count": 3, "ns": 250_000_000}
    assert statistics["inference_stats"]["compute_infer"] == {"count": 3, "ns": 500_000_000}
    assert statistics["inference_stats"]["cache_hit"] == {"count": 0, "ns": 0}


def test_statistics_say_when_those_of_other_workers_may_be_missing(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "nowhere")
    metrics.runs_of(BLOBS.manifest)

    found = statistics_of([BLOBS], metrics)

    assert found["problem"] == "Runs in other workers may be missing: No such file or directory"
    assert [each["name"] for each in found["model_stats"]] == ["blobs"]
