"""Every picture is a PNG of 1,200 pixels' width and of moderate size, whatever its figures."""

import struct
from pathlib import Path

import numpy as np
import pytest

from softmaxd.models.calibration import Evaluation, ReliabilityBin
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Array
from softmaxd_training import gaussians, pictures
from tests.support.paths import MODELS

LABELS = ["a", "b", "c", "d"]
MAX_BYTES = 150_000


def width_of(path: Path) -> int:
    """Return the width of a PNG in pixels."""
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < MAX_BYTES
    width, _ = struct.unpack(">II", content[16:24])
    return int(width)


def evaluation_of(name: str) -> Evaluation:
    evaluation = Manifest.model_validate_json((MODELS / name / "1" / "manifest.json").read_bytes()).evaluation
    assert evaluation is not None
    return evaluation


def test_the_training_rows_are_drawn(tmp_path: Path) -> None:
    rows = gaussians.draw(40, seed=0)

    pictures.draw_data(tmp_path / "data.png", rows.features, rows.classes, LABELS)

    assert width_of(tmp_path / "data.png") == 1200


@pytest.mark.parametrize(("kept", "floor"), [(None, 0.0), (2, 0.9)])
def test_histories_are_drawn(kept: int | None, floor: float, tmp_path: Path) -> None:
    history = {name: [0.9, 0.5, 0.2] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}

    pictures.draw_history(tmp_path / "history.png", {0: history, 1: history}, chosen=1, kept=kept, floor=floor)

    assert width_of(tmp_path / "history.png") == 1200


def test_decision_regions_are_drawn(tmp_path: Path) -> None:
    rows = gaussians.draw(40, seed=0)

    def predict(features: Array) -> Array:
        return np.tile(np.array([0.7, 0.1, 0.1, 0.1], np.float32), (len(features), 1))

    pictures.draw_regions(tmp_path / "regions.png", rows.features, rows.classes, LABELS, predict=predict)

    assert width_of(tmp_path / "regions.png") == 1200


@pytest.mark.parametrize("name", ["blobs", "iris"])
def test_reliability_and_typicality_are_drawn_from_an_evaluation(name: str, tmp_path: Path) -> None:
    pictures.draw_trust(tmp_path, evaluation_of(name))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["reliability.png", "typicality.png"]
    assert {width_of(path) for path in tmp_path.iterdir()} == {1200}


@pytest.mark.parametrize("accuracy", [0.0, 0.6, 1.0])
def test_reliability_is_drawn_for_any_accuracy(accuracy: float, tmp_path: Path) -> None:
    bins = (ReliabilityBin(rows=5, confidence=0.8, accuracy=accuracy),)

    pictures.draw_reliability(tmp_path / "reliability.png", bins, bins)

    assert width_of(tmp_path / "reliability.png") == 1200
