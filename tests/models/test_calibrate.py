"""A model of scikit-learn has prediction sets and typicality after two commands, without any package of training."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.datasets import load_digits, load_iris
from sklearn.svm import LinearSVC

from softmaxd.models.loading import read_manifest
from tests.support.command import softmaxd
from tests.support.paths import REPOSITORY
from tests.support.processes import run
from tests.support.server import Server

FILE = Path(__file__).parent / "scikit_learn.onnx"
FEATURES = ["sepal length", "sepal width", "petal length", "petal width"]
OF_TRAINING = ("keras", "matplotlib", "pyarrow", "scipy", "sklearn", "tensorflow", "tf2onnx", "tqdm")
IRIS = load_iris()
UNSEEN = IRIS.data[1::2].astype("float32"), IRIS.target[1::2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models/iris/2, which was added and calibrated, and with rows.csv."""
    folder = tmp_path_factory.mktemp("calibrated")
    lines = [",".join([*map(str, row), IRIS.target_names[kind]]) for row, kind in zip(*UNSEEN, strict=True)]
    (folder / "rows.csv").write_text("\n".join([",".join([*FEATURES, "species"]), *lines]) + "\n")
    models = str(folder / "models")
    added = softmaxd("models", "add", str(FILE), "--name", "iris", "--features", ",".join(FEATURES), models_dir=models)
    assert added[0] == 0, added[2]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({OF_TRAINING}));"  # an import of one of them fails
        f" from softmaxd.cli.main import main; sys.exit(main({['models', 'calibrate', 'iris', 'rows.csv']}"
        f" + ['--target', 'species']))"
    )
    ended = run([sys.executable, "-c", code], cwd=folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    (folder / "printed.txt").write_text(ended.stdout)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    server = Server("--models-dir", str(folder / "models"), environment={})
    with httpx.Client(base_url=server.url) as client:
        yield client
    assert server.stop() == 0


def test_it_prints_the_figures_before_and_after(folder: Path) -> None:
    lines = (folder / "printed.txt").read_text().splitlines()

    assert lines[0] == "calibrated from version 1 by softmaxd models calibrate iris rows.csv --target species --seed 0"
    assert lines[1].startswith("rows of rows.csv: SHA-256 ")
    assert lines[2] == "rows: 25 for typicality, 25 for calibration, 25 for testing"
    changes_nothing = "on the calibration rows no other one helps by more than chance may"
    assert lines[3] == f"temperature: 1.0000, which changes nothing: {changes_nothing}"  # all are labelled right
    assert lines[4].split() == ["on", "the", "test", "rows", "before", "after", "95", "%", "confidence"]
    assert [line[:27].strip() for line in lines[5:9]] == [
        "accuracy",
        "loss, nats",
        "Brier score",
        "expected calibration error",
    ]
    assert lines[-1] == "published models/iris/2"


def test_predict_has_prediction_sets_and_typicality(client: httpx.Client) -> None:
    body = {
        "instances": [[5.1, 3.5, 1.4, 0.2], [6.2, 2.8, 4.8, 1.8], [50, 50, 50, 50]],
        "include": ["prediction_sets", "typicality"],
        "coverage": 0.9,
    }

    answer = client.post("/models/iris/predict", json=body).json()

    assert answer["version"] == "2"
    assert answer["prediction_sets"][0] == ["setosa"]
    assert answer["typicality"][2] == pytest.approx(1 / 26)
    assert min(answer["typicality"][:2]) > 0.1


def test_most_rows_that_it_has_not_seen_have_their_label_in_their_set(client: httpx.Client) -> None:
    features, classes = UNSEEN
    body = {"instances": features.tolist(), "include": ["prediction_sets", "typicality"], "coverage": 0.8}

    answer = client.post("/models/iris/predict", json=body).json()

    held = [IRIS.target_names[kind] in found for kind, found in zip(classes, answer["prediction_sets"], strict=True)]
    assert np.mean(held) > 0.6
    assert np.mean(np.array(answer["typicality"]) <= 0.1) < 0.3


def test_the_description_has_the_figures(client: httpx.Client) -> None:
    described = client.get("/models/iris").json()

    assert described["metrics"]["test_rows"] == 25
    assert described["metrics"]["test_accuracy_low"] < described["metrics"]["test_accuracy"]
    assert [feature["name"] for feature in described["features"]] == FEATURES
    assert described["features"][0]["min"] > 4


def test_a_decision_function_becomes_probabilities_by_rows_with_labels(tmp_path: Path) -> None:
    digits = load_digits()
    features, classes = digits.data.astype("float32"), digits.target
    classifier = LinearSVC(C=0.01).fit(features[::2], classes[::2])
    (tmp_path / "svc.onnx").write_bytes(to_onnx(classifier, features[:1]).SerializeToString())
    lines = [",".join(map(str, [*row, kind])) for row, kind in zip(features[1::2], classes[1::2], strict=True)]
    header = ",".join([*(f"p{index}" for index in range(64)), "digit"])
    (tmp_path / "rows.csv").write_text("\n".join([header, *lines]) + "\n")
    command = ["models", "add", str(tmp_path / "svc.onnx"), "--name", "svc", "--logits", "probabilities"]
    table = ["--calibration", str(tmp_path / "rows.csv"), "--target", "digit"]

    refused = softmaxd(*command[:-2], models_dir=str(tmp_path / "models"))
    code, _, error = softmaxd(*command, *table, models_dir=str(tmp_path / "models"))

    assert refused[0] == 1
    assert "--logits probabilities --calibration FILE --target COLUMN" in refused[2]
    assert (code, error) == (0, "")
    metrics = read_manifest(tmp_path / "models" / "svc" / "1").metrics
    assert metrics["test_loss"] < 0.6 * metrics["test_loss_before"]
    assert metrics["test_ece"] < 0.05 < metrics["test_ece_before"]


def test_scores_are_refused_if_the_rows_do_not_show_their_probabilities(tmp_path: Path) -> None:
    digits = load_digits()
    easy = digits.target < 3
    features, classes = digits.data[easy].astype("float32"), digits.target[easy]
    classifier = LinearSVC(C=0.01).fit(features, classes)  # labels all of its own rows right
    (tmp_path / "svc.onnx").write_bytes(to_onnx(classifier, features[:1]).SerializeToString())
    lines = [",".join(map(str, [*row, kind])) for row, kind in zip(features, classes, strict=True)]
    header = ",".join([*(f"p{index}" for index in range(64)), "digit"])
    (tmp_path / "rows.csv").write_text("\n".join([header, *lines]) + "\n")
    command = ["models", "add", str(tmp_path / "svc.onnx"), "--name", "svc", "--logits", "probabilities"]
    table = ["--calibration", str(tmp_path / "rows.csv"), "--target", "digit"]

    code, _, error = softmaxd(*command, *table, models_dir=str(tmp_path / "models"))

    assert code == 1
    assert "they do not show which probabilities its scores mean: give more rows" in error
    assert not (tmp_path / "models").exists()
