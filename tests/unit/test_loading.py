import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, helper

from service import loading
from service.errors import StartupError
from service.metrics import Metrics
from service.model import Feature, Outputs
from service.settings import Settings
from tests.onnx_models import classifier, linear, publish


def test_a_good_version_passes_its_trial(tmp_path: Path) -> None:
    loading.try_out(publish(tmp_path, 1, linear().SerializeToString()))


def test_a_trial_says_why_a_version_fails(tmp_path: Path) -> None:
    folder = publish(tmp_path, 1, linear().SerializeToString(), digest="0" * 64)

    with pytest.raises(StartupError, match=r"^model\.onnx does not match its manifest"):
        loading.try_out(folder)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ends the process by signal 11"),
        ("raise SystemExit(1)", "failed without a word"),
        ("while True: pass", "takes more than 1 s"),
    ],
)
def test_a_trial_that_ends_badly_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}'\n")
    python.chmod(0o755)
    monkeypatch.setattr(loading, "TRIAL_SECONDS", 1)
    monkeypatch.setattr(sys, "executable", str(python))

    with pytest.raises(StartupError, match=reason):
        loading.try_out(tmp_path)


SUMS = helper.make_node("Gemm", ["features", "weights", "bias"], ["sums"])
CONSTANTS = {
    "weights": np.zeros((2, 3), dtype=np.float32),
    "bias": np.zeros(3, dtype=np.float32),
    "five columns": np.array([-1, 5]),
    "0": np.array([0]),
    "1": np.array([1]),
    "3": np.array([3]),
    "many": np.array([2**40]),
}


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (
            [
                helper.make_node("Reshape", ["sums", "five columns"], ["reshaped"]),
                helper.make_node("Slice", ["reshaped", "0", "3", "1"], ["logits"]),
            ],
            "ONNX Runtime cannot run 1 rows",
        ),
        ([helper.make_node("Slice", ["sums", "1", "many", "0"], ["logits"])], "it gives 0 rows of logits for 1 rows"),
    ],
)
def test_a_model_that_loads_but_does_not_run_right_is_refused(
    tmp_path: Path, nodes: list[NodeProto], reason: str
) -> None:
    folder = publish(tmp_path, 1, classifier([SUMS, *nodes], CONSTANTS).SerializeToString())

    with pytest.raises(StartupError, match=reason):
        loading.load(folder, Settings(), Metrics())


def test_requests_to_a_model_whose_rows_depend_on_each_other_run_alone(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMax", ["features"], ["largest"], keepdims=0),
        helper.make_node("Sub", ["features", "largest"], ["shifted"]),
        helper.make_node("MatMul", ["shifted", "weights"], ["logits"]),
    ]
    weights = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
    folder = publish(tmp_path, 1, classifier(nodes, {"weights": weights}).SerializeToString())
    model = loading.load(folder, Settings(), Metrics())
    rows = [np.array([[value, 1]], dtype=np.float32) for value in (0, 1, 2)]

    async def main() -> list[Outputs]:
        return await asyncio.gather(*(model.predict(row) for row in rows))

    for row, outputs in zip(rows, asyncio.run(main()), strict=True):
        assert np.array_equal(outputs["logits"], (row - row.max()) @ weights)


@pytest.mark.parametrize(("low", "high"), [(None, None), (0, 0), (5, 1), (-1e300, 1e300)])
def test_a_model_with_any_ranges_is_tried(tmp_path: Path, low: float | None, high: float | None) -> None:
    features = [Feature(name="x1", min=low, max=high), Feature(name="x2")]

    loading.load(publish(tmp_path, 1, linear().SerializeToString(), features=features), Settings(), Metrics())
