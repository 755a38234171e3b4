"""A table is trained on for real, and the published version is loaded as the service does."""

import math
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.files import sha256
from softmaxd.models.loading import read_manifest
from softmaxd.models.outputs import Array
from softmaxd.models.trials import try_out
from softmaxd.settings import Settings
from softmaxd_training.examples import write_example
from softmaxd_training.networks import logits_of
from softmaxd_training.rows import Parts, Rows
from softmaxd_training.splitting import split
from softmaxd_training.table import Job, build_network, fit, train
from softmaxd_training.tablefile import read_table
from tests.support.paths import MODELS, REPOSITORY

JOB = Job("iris.csv", "species", "iris", seed=1, epochs=60)


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table that is printed as an example."""
    file: Path = tmp_path_factory.mktemp("iris") / "iris.csv"
    with file.open("w") as text:
        write_example("iris", text)
    return file


@pytest.fixture(scope="module")
def published(iris: Path) -> Path:
    table = read_table(iris, "species")
    folder, _ = train(table, split(table, 1), JOB, iris.parent)
    return folder


def parts_of(table: Path, seed: int) -> Parts:
    return split(read_table(table, "species"), seed)


def test_a_version_has_these_files(published: Path) -> None:
    assert sorted(path.name for path in published.iterdir()) == [
        "card.md",
        "history.png",
        "manifest.json",
        "model.onnx",
        "reliability.png",
        "typicality.png",
    ]


def test_the_service_takes_it(published: Path) -> None:
    try_out(published, Settings())


def test_the_manifest_tells_the_truth_of_the_test_rows(published: Path, iris: Path) -> None:
    test = parts_of(iris, seed=1).test
    outputs = Engine(published / "model.onnx", device="cpu").run(test.features)
    manifest = read_manifest(published)
    origin = manifest.provenance
    assert origin is not None
    given = outputs["probabilities"][np.arange(len(test)), test.classes].astype(float)

    assert (manifest.name, manifest.labels) == ("iris", ("setosa", "versicolor", "virginica"))
    assert manifest.metrics["test_loss"] == pytest.approx(-math.fsum(np.log(given)) / len(test), rel=1e-4)
    assert manifest.metrics["test_accuracy"] == (outputs["probabilities"].argmax(axis=1) == test.classes).mean()
    assert manifest.metrics["shares_loss"] == pytest.approx(math.log(3), abs=1e-3)
    assert origin.rows == {"train": 75, "validation": 15, "calibration": 30, "test": 30}
    assert manifest.sample is None
    assert (origin.seed, origin.data_seed, origin.data_sha256) == (1, 1, sha256(iris))
    assert origin.command == "softmaxd train table iris.csv --target species --name iris --seed 1 --epochs 60"


def test_the_calibration_is_that_of_the_calibration_rows(published: Path, iris: Path) -> None:
    rows = parts_of(iris, seed=1).calibration
    outputs = Engine(published / "model.onnx", device="cpu").run(rows.features)
    calibration = read_manifest(published).calibration
    assert calibration is not None
    given = outputs["probabilities"][np.arange(len(rows)), rows.classes].astype(float)

    assert calibration.rows == len(calibration.scores) == 30
    assert np.exp(-np.array(calibration.scores)) == pytest.approx(np.sort(given)[::-1], rel=1e-5)
    assert np.array_equal(calibration.atypicality, np.sort(outputs["atypicality"]))
    assert calibration.by_label is not None
    assert [label.rows for label in calibration.by_label] == np.bincount(rows.classes).tolist()
    assert sorted(score for label in calibration.by_label for score in label.scores) == list(calibration.scores)


def test_nothing_names_a_path_of_the_machine(published: Path) -> None:
    places = [str(folder).encode() for folder in (published.parents[1], REPOSITORY, Path.home(), Path(sys.prefix))]

    for path in published.iterdir():
        assert not [place for place in places if place in path.read_bytes()]


def test_the_card_has_its_figures(published: Path) -> None:
    card, manifest = (published / "card.md").read_text(), read_manifest(published)
    assert manifest.evaluation is not None
    assert manifest.calibration is not None

    for name in ("loss", "brier", "ece"):
        before, after = manifest.metrics[f"test_{name}_before"], manifest.metrics[f"test_{name}"]
        assert f"| {before:.4g} | {after:.4g} |" in card
    temperature = manifest.calibration.temperature
    words = f"the temperature {temperature:.4f}" if temperature != 1 else "The temperature is 1, which changes nothing."
    assert words in " ".join(card.split())
    assert "not guaranteed |\n" in card  # 10 rows of each label are too few for 95 %
    for label, counts in zip(manifest.labels, manifest.evaluation.confusion, strict=True):
        assert f"| {label} | {' | '.join(map(str, counts))} |" in card


def test_training_again_in_another_process_gives_the_same_model(published: Path, iris: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from softmaxd_training.table import Job, train;"
        " from softmaxd_training.splitting import split;"
        " from softmaxd_training.tablefile import read_table;"
        f" table = read_table(Path({str(iris)!r}), 'species');"
        f" train(table, split(table, 1), {JOB!r}, Path({str(tmp_path)!r}))"
    )

    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, check=True)

    first, second = read_manifest(published), read_manifest(tmp_path / "iris" / "1")
    assert (tmp_path / "iris" / "1" / "model.onnx").read_bytes() == (published / "model.onnx").read_bytes()
    assert (second.metrics, second.calibration, second.evaluation) == (
        first.metrics,
        first.calibration,
        first.evaluation,
    )


def test_a_network_that_learns_nothing_is_not_published(tmp_path: Path) -> None:
    chance = random.Random(2)  # noqa: S311 - coins, not keys
    rows = [f"{chance.gauss(0, 1)},{chance.gauss(0, 1)},{'ab'[number % 2]}" for number in range(100)]
    (tmp_path / "coins.csv").write_text("\n".join(["x,y,side", *rows]))

    table = read_table(tmp_path / "coins.csv", "side")
    job = Job("coins.csv", "side", "coins", seed=0, epochs=30)

    with pytest.raises(Refused, match=r"^the network has learnt nothing: its loss on the test rows is \d"):
        train(table, split(table, 0), job, tmp_path)

    assert not (tmp_path / "coins").exists()


def test_the_manifest_of_two_features_has_rows_to_draw(tmp_path: Path) -> None:
    rows = [f"{number % 10 + 20 * (number % 2)},{number % 7},{'ab'[number % 2]}" for number in range(100)]
    (tmp_path / "pairs.csv").write_text("\n".join(["x,y,side", *rows]))
    table = read_table(tmp_path / "pairs.csv", "side")
    parts = split(table, 0)

    folder, manifest = train(table, parts, Job("pairs.csv", "side", "pairs", seed=0, epochs=20), tmp_path)

    assert manifest.sample is not None
    assert manifest.sample.rows == tuple(map(tuple, parts.train.features.tolist()))
    assert manifest.sample.classes == tuple(parts.train.classes.tolist())
    assert read_manifest(folder).sample == manifest.sample

    job = Job("pairs.csv", "side", "pairs", seed=0, epochs=20, is_sampled=False)
    folder, _ = train(table, parts, job, tmp_path)

    private = read_manifest(folder)
    assert private.sample is None
    assert private.provenance is not None
    assert private.provenance.command.endswith("--epochs 20 --no-sample")


def noisy_rows(count: int, *, seed: int, apart: float = 2.0, offset: float = 0.0, scale: float = 1.0) -> Rows:
    chance = np.random.default_rng(seed)
    classes = np.arange(count) % 2
    features = chance.normal(size=(count, 2)) + apart * classes[:, None]
    return Rows((offset + scale * features).astype(np.float32), classes.astype(np.int64))


def test_training_returns_to_the_epoch_with_the_lowest_validation_loss() -> None:
    parts = Parts(*(noisy_rows(count, seed=count, apart=1.0) for count in (30, 20, 19, 21)))  # soon learnt by heart

    run = fit(parts, 2, seed=0, epochs=400, on_epoch=lambda: None)

    losses = run.history["val_loss"]
    assert 1 < run.kept < 200
    assert len(losses) == run.kept + 50
    assert run.validation_loss == pytest.approx(min(losses), rel=1e-5)
    assert losses[run.kept - 1] == min(losses)


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1e-5), (0.0, 1e15), (4096.0, 1.0)])
def test_neither_unit_nor_offset_of_a_feature_matters(offset: float, scale: float) -> None:
    plain, other = noisy_rows(50, seed=0), noisy_rows(50, seed=0, offset=offset, scale=scale)
    networks = []
    for rows in (plain, other):
        keras.utils.set_random_seed(0)
        networks.append((build_network(rows, 2), rows))

    first, second = (logits_of(network, rows.features) for network, rows in networks)
    # 4096 leaves float32 with 11 bits less: 2.4e-4 of each number, and of the mean and the spread that Keras computes
    assert np.abs(first - second).max() < 3e-3


FAR = {"iris": [[50, -30, 90, 40], [0, 0, 0, 0], [5.1, 3.5, 1.4, 25]], "blobs": [[15, 200], [-100, -100], [15, -40]]}


@pytest.mark.parametrize("name", FAR)
def test_the_committed_models_are_sure_far_away_and_their_typicality_is_not(name: str) -> None:
    folder = MODELS / name / "1"
    calibration = read_manifest(folder).calibration
    assert calibration is not None
    far: Array = np.array(FAR[name], dtype=np.float32)

    outputs = Engine(folder / "model.onnx", device="cpu").run(far)

    assert outputs["probabilities"].max(axis=1).tolist() == pytest.approx([1, 1, 1], abs=0.05)
    assert calibration.typicality(outputs["atypicality"]).tolist() == [1 / (calibration.rows + 1)] * 3


def test_the_committed_iris_model_is_made_from_the_example(iris: Path) -> None:
    manifest = read_manifest(MODELS / "iris" / "1")
    origin = manifest.provenance
    assert origin is not None

    assert origin.data_sha256 == sha256(iris)
    assert origin.command.startswith("softmaxd train table iris.csv --target species --name iris ")
    outputs = Engine(MODELS / "iris" / "1" / "model.onnx", device="cpu").run(parts_of(iris, origin.seed).test.features)
    hits = outputs["probabilities"].argmax(axis=1) == parts_of(iris, origin.seed).test.classes
    assert manifest.metrics["test_accuracy"] == hits.mean() >= 0.9
