"""The blobs are trained for real, for a few epochs, and the published version is loaded as the service does."""

import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import make_blobs

from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.files import sha256
from softmaxd.models.loading import read_manifest
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training import blobs, gaussians
from softmaxd_training.fresh import measure
from softmaxd_training.networks import logits_of
from softmaxd_training.rows import Classes, Parts, sample
from softmaxd_training.seeds import Run
from tests.support.paths import MODELS, REPOSITORY

SEEDS, EPOCHS = 2, 8  # enough for the least accuracy that is published
ARTICLE_LOSS = 0.002027
COUNTS = {"train": 600, "validation": 100_000, "calibration": 1000, "test": 250, "temperature": 100_000}
MAX_PNG_BYTES = 150_000


@pytest.fixture(scope="module")
def data() -> Parts:
    return blobs.make_data()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version folder that training has written."""
    folder, _ = blobs.train(tmp_path_factory.mktemp("models"), seeds=SEEDS, epochs=EPOCHS)
    return folder


def fit(data: Parts, seed: int, epochs: int) -> Run:
    return blobs.fit(data, seed=seed, epochs=epochs, on_epoch=lambda: None)


def mean_loss(logits: Floats | Array, classes: Classes) -> float:
    """The definition, row by row: log of the sum of exponents, minus the logit of the true class."""
    rows = zip(logits.astype(float).tolist(), classes.tolist(), strict=True)
    return math.fsum(math.log(math.fsum(map(math.exp, row))) - row[label] for row, label in rows) / len(classes)


def test_the_data_is_the_articles(data: Parts) -> None:
    features, classes = make_blobs(
        n_samples=1000, centers=[(15, 0), (15, 15), (0, 15), (30, 15)], cluster_std=1.5, random_state=7
    )

    parts = (data.test, data.train)
    assert data.counts() == COUNTS
    assert np.array_equal(np.concatenate([rows.features for rows in parts]), features[:850].astype(np.float32))
    assert np.array_equal(np.concatenate([rows.classes for rows in parts]), classes[:850])


@pytest.mark.parametrize(
    ("part", "rows", "seed"), [("calibration", 1000, 8), ("validation", 100_000, 9), ("temperature", 100_000, 10)]
)
def test_the_other_rows_are_drawn_anew_from_the_same_clouds(data: Parts, part: str, rows: int, seed: int) -> None:
    features, classes = make_blobs(
        n_samples=rows, centers=[(15, 0), (15, 15), (0, 15), (30, 15)], cluster_std=1.5, random_state=seed
    )

    assert np.array_equal(getattr(data, part).features, features.astype(np.float32))
    assert np.array_equal(getattr(data, part).classes, classes)


def test_training_is_the_articles(data: Parts) -> None:
    rows = gaussians.draw(1000, seed=7).part(250, 1000)
    tf.config.experimental.enable_op_determinism()  # as in training/; other kernels round in another way
    keras.utils.set_random_seed(3)
    article = keras.Sequential(
        [
            keras.layers.Dense(12, activation="relu", kernel_initializer="he_uniform"),
            keras.layers.Dense(8, activation="relu", kernel_initializer="he_uniform"),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    article.build((None, 2))
    adam = keras.optimizers.Adam(learning_rate=0.001)
    article.compile(optimizer=adam, loss="categorical_crossentropy", metrics=["accuracy"])
    one_hot = keras.utils.to_categorical(rows.classes)
    history = article.fit(rows.features, one_hot, epochs=2, batch_size=5, validation_split=0.2, verbose=0).history

    run = fit(replace(data, validation=rows.part(600, 750)), seed=3, epochs=2)

    for ours, theirs in zip(run.network.get_weights(), article.get_weights(), strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=1e-6)
    assert run.history["val_loss"] == pytest.approx(history["val_loss"], rel=1e-5)
    assert run.validation_loss == pytest.approx(history["val_loss"][-1], rel=1e-5)


def test_a_version_has_these_files(published: Path) -> None:
    pictures = ["data.png", "history.png", "regions.png", "reliability.png", "typicality.png"]

    assert sorted(path.name for path in published.parent.iterdir()) == ["1"]
    assert sorted(path.name for path in published.iterdir()) == [
        "card.md",
        *pictures[:2],
        "manifest.json",
        "model.onnx",
        *pictures[2:],
    ]
    for name in pictures:
        content = (published / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < MAX_PNG_BYTES


def test_the_graph_has_the_inputs_and_outputs_that_the_service_needs(published: Path) -> None:
    engine = Engine(published / "model.onnx", device="cpu")

    assert engine.inputs == {"features": ("tensor(float)", ["n", 2])}
    assert engine.outputs == {
        "logits": ("tensor(float)", ["n", 4]),
        "probabilities": ("tensor(float)", ["n", 4]),
        "atypicality": ("tensor(float)", ["n"]),
    }


def test_the_published_model_is_the_best_of_its_seeds_by_validation_loss(published: Path, data: Parts) -> None:
    origin, calibration = read_manifest(published).provenance, read_manifest(published).calibration
    assert origin is not None
    assert calibration is not None
    best = fit(data, min(origin.seeds, key=lambda result: result.validation_loss).seed, EPOCHS)
    outputs = Engine(published / "model.onnx", device="cpu").run(data.test.features)
    logits = logits_of(best.network, data.test.features) / calibration.temperature

    assert np.abs(outputs["logits"] - logits).max() < 1e-5 * np.abs(logits).max()
    exponents = np.exp(outputs["logits"].astype(np.float64))
    assert np.abs(outputs["probabilities"] - exponents / exponents.sum(axis=1, keepdims=True)).max() < 1e-6


def test_the_manifest_tells_the_truth(published: Path, data: Parts) -> None:
    outputs = Engine(published / "model.onnx", device="cpu").run(data.test.features)
    manifest = read_manifest(published)
    origin, calibration = manifest.provenance, manifest.calibration
    assert origin is not None
    assert calibration is not None
    chosen = next(run for run in origin.seeds if run.seed == origin.seed)

    assert (manifest.name, manifest.version, manifest.sha256) == ("blobs", 1, sha256(published / "model.onnx"))
    assert manifest.labels == ("blob-0", "blob-1", "blob-2", "blob-3")
    assert [feature.name for feature in manifest.features] == ["x1", "x2"]
    assert [feature.min for feature in manifest.features] == data.train.features.min(axis=0).tolist()
    assert [feature.max for feature in manifest.features] == data.train.features.max(axis=0).tolist()
    metrics = manifest.metrics
    hits = outputs["probabilities"].argmax(axis=1) == data.test.classes
    assert metrics["test_accuracy"] == chosen.test_accuracy == hits.mean()
    assert metrics["test_loss"] == pytest.approx(mean_loss(outputs["logits"], data.test.classes), rel=1e-9)
    unscaled = outputs["logits"].astype(np.float64) * calibration.temperature
    assert metrics["test_loss_before"] == pytest.approx(mean_loss(unscaled, data.test.classes), rel=1e-9)
    assert chosen.test_loss == pytest.approx(metrics["test_loss_before"], rel=1e-5)
    assert metrics["validation_loss"] == min(run.validation_loss for run in origin.seeds)
    assert metrics["bayes_loss"] == gaussians.bayes_loss(data.test)
    assert metrics["test_rows"] == 250
    assert origin.rows == COUNTS
    fresh = {name: value for name, value in metrics.items() if name.startswith("fresh_")}
    run = Engine(published / "model.onnx", device="cpu").run
    assert fresh == pytest.approx(measure(run, calibration, known_loss=ARTICLE_LOSS), rel=1e-12)
    assert calibration.by_label is not None
    assert [label.rows for label in calibration.by_label] == np.bincount(data.calibration.classes).tolist()
    assert [run.seed for run in origin.seeds] == [0, 1]
    assert origin.command == "softmaxd train blobs --seeds 2 --epochs 8"
    assert manifest.sample == sample(data.train)


def test_nothing_names_a_path_of_the_machine(published: Path) -> None:
    places = [str(folder).encode() for folder in (published.parents[1], REPOSITORY, Path.home(), Path(sys.prefix))]

    for path in published.iterdir():
        assert not [place for place in places if place in path.read_bytes()]


def test_the_card_tells_of_every_seed_and_of_the_expected_loss(published: Path) -> None:
    card = (published / "card.md").read_text()
    manifest = read_manifest(published)
    assert manifest.provenance is not None

    for run in manifest.provenance.seeds:
        assert f"| {run.seed} | {run.validation_loss:.6f} | {run.test_loss:.6f} | {run.test_accuracy:.1%} (" in card
    assert f"{manifest.metrics['fresh_loss']:.6f} (" in card
    assert f"| 90% | {manifest.metrics['fresh_coverage_90']:.2%} (" in card
    assert "The article reports" in card
    assert "Of 30, 60, 120 and 240 epochs" not in card  # of these 8 it would not be true


def test_training_again_gives_the_same_model_as_the_next_version(published: Path, tmp_path: Path) -> None:
    shutil.copytree(published.parent, tmp_path / "blobs")
    before = {path.name: path.read_bytes() for path in published.iterdir()}
    code = f"from softmaxd_training import blobs; blobs.train(Path({str(tmp_path)!r}), seeds={SEEDS}, epochs={EPOCHS})"
    command = [sys.executable, "-c", f"from pathlib import Path; {code}"]

    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)

    first, second = read_manifest(published), read_manifest(tmp_path / "blobs" / "2")
    assert (tmp_path / "blobs" / "2" / "model.onnx").read_bytes() == before["model.onnx"]
    assert second.metrics == first.metrics
    assert second.provenance is not None
    assert first.provenance is not None
    assert second.provenance.seeds == first.provenance.seeds
    assert second.version == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "blobs" / "1").iterdir()} == before
    told = [line.partition(" loss ")[0] for line in result.stderr.splitlines() if line.startswith("seed ")]
    assert told == ["seed 0: validation", "seed 1: validation"]


def test_a_network_below_the_floor_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^the accuracy on the test rows, \S+, is below 97%$"):
        blobs.train(tmp_path, seeds=1, epochs=1)

    assert list(tmp_path.iterdir()) == []


def test_the_committed_model_has_the_figures_of_its_manifest(data: Parts) -> None:
    folder = MODELS / "blobs" / "2"
    run = Engine(folder / "model.onnx", device="cpu").run
    manifest = read_manifest(folder)
    metrics, calibration = manifest.metrics, manifest.calibration
    assert manifest.provenance is not None
    assert calibration is not None
    found = measure(run, calibration, known_loss=ARTICLE_LOSS)

    # Sums of float32 in another order move a logit of 100 by some 1e-5, and so a mean loss by less than its share.
    assert found == pytest.approx({name: metrics[name] for name in found}, rel=1e-3, abs=1e-6)
    assert found["fresh_loss_low"] < found["fresh_loss"] < found["fresh_loss_high"]
    assert manifest.sha256 == sha256(folder / "model.onnx")
    assert manifest.provenance.data_sha256 == data.sha256()
    assert manifest.sample == sample(data.train)
    assert len(manifest.provenance.seeds) == 8
    chosen = min(manifest.provenance.seeds, key=lambda result: result.validation_loss)
    assert chosen.seed == manifest.provenance.seed
    assert manifest.provenance.command == "softmaxd train blobs --seeds 8 --epochs 120"
