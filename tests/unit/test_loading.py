import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from service import loading
from service.errors import StartupError
from service.metrics import Metrics
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


def test_a_model_that_loads_but_does_not_run_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["features", "weights", "bias"], ["sums"]),
        helper.make_node("Shape", ["sums"], ["rows"], start=0, end=1),
        helper.make_node("Squeeze", ["rows"], ["count"]),
        helper.make_node("Add", ["count", "one"], ["too_many"]),
        helper.make_node("Range", ["zero", "too_many", "one"], ["indices"]),
        helper.make_node("Gather", ["sums", "indices"], ["logits"]),  # one more than there are
    ]
    constants = {
        "weights": np.zeros((2, 3), dtype=np.float32),
        "bias": np.zeros(3, dtype=np.float32),
        "zero": np.array(0),
        "one": np.array(1),
    }
    folder = publish(tmp_path, 1, classifier(nodes, constants).SerializeToString())

    with pytest.raises(StartupError, match="ONNX Runtime cannot run 1 rows"):
        loading.load(folder, Settings(), Metrics())
