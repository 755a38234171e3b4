"""A network's ONNX file answers as the network does, or is not published."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.publishing import Refused
from tests.conftest import REPOSITORY
from training.blobs import build_network
from training.publish import check_drift, export

FEATURES = np.array([[15, 0], [15, 15], [0, 15], [30, 15]], dtype=np.float32)


def test_the_same_weights_export_to_the_same_bytes(tmp_path: Path) -> None:
    network = build_network()
    export(network, tmp_path / "first.onnx")
    export(network, tmp_path / "second.onnx")

    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()


def test_an_exported_network_agrees_with_itself(tmp_path: Path) -> None:
    network = build_network()
    export(network, tmp_path / "model.onnx")

    assert check_drift(network, tmp_path / "model.onnx", FEATURES) <= 1e-6


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    network = build_network()
    export(network, tmp_path / "model.onnx")
    network.set_weights([weights + np.float32(1e-3) for weights in network.get_weights()])

    with pytest.raises(Refused, match="Keras and ONNX Runtime differ"):
        check_drift(network, tmp_path / "model.onnx", FEATURES)


def test_a_network_of_not_a_number_is_refused(tmp_path: Path) -> None:
    network = build_network()
    network.set_weights([weights * np.float32(np.nan) for weights in network.get_weights()])
    export(network, tmp_path / "model.onnx")

    with pytest.raises(Refused, match="differ by nan"):
        check_drift(network, tmp_path / "model.onnx", FEATURES)


def test_ctrl_c_stops_in_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # The child would ignore it if the tests were started in the background; a handler of ours ends with its start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        training = subprocess.Popen(
            [sys.executable, "-m", "training", "--epochs", "2", "--seeds", "1000", "--models", str(tmp_path)],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with training:
        assert training.stderr is not None
        first = training.stderr.readline()
        training.send_signal(signal.SIGINT)
        rest = [line for line in training.stderr.read().splitlines() if not line.startswith("seed ")]

    assert first.startswith("seed 0: validation loss ")
    assert (training.returncode, rest) == (130, ["interrupted; no half-written version is left"])
    assert list(tmp_path.iterdir()) == []
