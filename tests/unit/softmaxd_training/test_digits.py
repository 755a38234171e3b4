"""The digits are trained for real, for a few epochs, and the published version is loaded as the service does."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.loading import read_manifest
from softmaxd.models.manifest import Manifest
from softmaxd_training import digits
from softmaxd_training.rows import Parts, Rows
from tests.support.paths import MODELS

COMMITTED = MODELS / "digits" / "1"
LEAST_ACCURACY = 0.985  # of the committed model, on the test rows


@pytest.fixture(scope="module")
def data() -> Parts:
    return digits.make_data()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    return digits.train(tmp_path_factory.mktemp("models"), seeds=1, epochs=8)


def test_every_picture_is_in_one_part(data: Parts) -> None:
    parts = (data.train, data.validation, data.calibration, data.test)
    pictures = load_digits().images.astype(np.float32)

    assert data.counts() == {"train": 897, "validation": 180, "calibration": 360, "test": 360}
    found = np.concatenate([rows.features for rows in parts])
    assert sorted(map(bytes, found)) == sorted(map(bytes, pictures))
    for rows in parts:
        shares = np.bincount(rows.classes) / len(rows)
        assert np.allclose(shares, 0.1, rtol=0, atol=0.01)


def test_pictures_are_moved_by_one_pixel_in_each_direction() -> None:
    picture = np.arange(64, dtype=np.float32).reshape(1, 8, 8)

    moved = digits.shifted(Rows(picture, np.array([4])))

    same, right, left, down, up = moved.features
    assert (same == picture[0]).all()
    assert (right[:, 1:] == picture[0, :, :-1]).all()
    assert (left[:, :-1] == picture[0, :, 1:]).all()
    assert (down[1:] == picture[0, :-1]).all()
    assert (up[:-1] == picture[0, 1:]).all()
    assert right[:, 0].sum() == left[:, -1].sum() == down[0].sum() == up[-1].sum() == 0
    assert moved.classes.tolist() == [4] * 5


def test_the_published_version_is_complete(trained: tuple[Path, Manifest], data: Parts) -> None:
    folder, manifest = trained

    assert read_manifest(folder) == manifest
    assert sorted(path.name for path in folder.iterdir()) == [
        "answers.png",
        "card.md",
        "history.png",
        "manifest.json",
        "model.onnx",
        "reliability.png",
        "typicality.png",
    ]
    engine = Engine(folder / "model.onnx", device="cpu")
    assert engine.inputs == {"features": ("tensor(float)", ["n", 8, 8])}
    right = engine.run(data.test.features)["probabilities"].argmax(axis=1) == data.test.classes
    assert manifest.metrics["test_accuracy"] == pytest.approx(right.mean())


def test_a_page_of_ink_is_not_typical(trained: tuple[Path, Manifest], data: Parts) -> None:
    folder, manifest = trained
    engine = Engine(folder / "model.onnx", device="cpu")
    pictures = np.concatenate([np.full((1, 8, 8), 16, np.float32), data.calibration.features])

    assert manifest.calibration is not None
    typicality = manifest.calibration.typicality(engine.run(pictures)["atypicality"])

    assert typicality[0] == 1 / 361
    assert np.median(typicality[1:]) > 0.4


def test_a_network_that_has_learnt_too_little_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"the accuracy on the test rows, .*, is below 97%"):
        digits.train(tmp_path / "models", seeds=1, epochs=1)

    assert not (tmp_path / "models").exists()


def test_the_committed_model_is_as_accurate_as_its_card_says(data: Parts) -> None:
    manifest = read_manifest(COMMITTED)
    outputs = Engine(COMMITTED / "model.onnx", device="cpu").run(data.test.features)
    accuracy = (outputs["probabilities"].argmax(axis=1) == data.test.classes).mean()

    assert manifest.provenance is not None
    assert manifest.provenance.data_sha256 == data.sha256()
    assert manifest.metrics["test_accuracy"] == pytest.approx(accuracy)
    assert accuracy >= LEAST_ACCURACY
    assert f"accuracy | {accuracy:.2%} | {accuracy:.2%} |" in (COMMITTED / "card.md").read_text()
