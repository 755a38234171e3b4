"""All of a version is published, or nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from training.blobs import build_network
from training.publish import Refused, check_drift, export, next_version

FEATURES = np.array([[15, 0], [15, 15], [0, 15], [30, 15]], dtype=np.float32)


def test_versions_count_up_from_the_highest(tmp_path: Path) -> None:
    for name in ("2", "10", ".unfinished-99-1", "notes"):
        (tmp_path / name).mkdir()

    with next_version(tmp_path) as (folder, number):
        (folder / "card.md").write_text("eleventh")

    assert number == 11
    assert (tmp_path / "11" / "card.md").read_text() == "eleventh"


def test_a_version_has_no_version_name_until_it_is_complete(tmp_path: Path) -> None:
    with next_version(tmp_path) as (folder, _):
        assert folder.parent == tmp_path
        assert folder.name.startswith(".")
        assert [path for path in tmp_path.iterdir() if path.name.isdecimal()] == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, Refused, OSError])
def test_an_exception_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    def publish() -> None:
        with next_version(tmp_path) as (folder, _):
            (folder / "model.onnx").write_bytes(b"half")
            raise error

    with pytest.raises(error):
        publish()

    assert list(tmp_path.iterdir()) == []


def test_a_version_that_came_into_being_in_the_meantime_is_not_overwritten(tmp_path: Path) -> None:
    def publish() -> None:
        with next_version(tmp_path) as (folder, _):
            (folder / "card.md").write_text("second")
            (tmp_path / "1").mkdir()
            (tmp_path / "1" / "card.md").write_text("first")

    with pytest.raises(Refused, match="version 1 has been published"):
        publish()

    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "card.md").read_text() == "first"


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
