"""Real data, from a CSV file to an answer: trained, picked up by a running service, asked by feature name."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from softmaxd.cli.main import main
from softmaxd_training.examples import TARGETS
from softmaxd_training.rows import Rows
from softmaxd_training.splitting import split
from softmaxd_training.tablefile import Table, read_table
from tests.support.paths import MODELS
from tests.support.server import Server
from tests.support.waiting import until

SEED = 0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("models")
    shutil.copytree(MODELS / "blobs", folder / "blobs")
    return folder


@pytest.fixture(scope="module")
def client(models: Path) -> Iterator[httpx.Client]:
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(models), "SOFTMAXD_RELOAD_INTERVAL": "0.1"})
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client
    assert server.stop() == 0
    assert not [line for line in server.messages() if line["level"] in {"ERROR", "CRITICAL"}]


def named(table: Table, rows: Rows) -> list[dict[str, float]]:
    return [dict(zip(table.names, row, strict=True)) for row in rows.features.tolist()]


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_table_becomes_a_classifier_that_answers_as_its_card_says(
    name: str, models: Path, client: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client.get(f"/models/{name}").status_code == 404
    file = tmp_path / f"{name}.csv"
    assert main(["train", "example", name]) == 0
    file.write_text(capsys.readouterr().out)

    command = ["train", "table", str(file), "--target", TARGETS[name], "--seed", str(SEED), "--epochs", "60"]
    assert main([*command, "--models-dir", str(models)]) == 0
    until(lambda: client.get(f"/models/{name}").is_success)

    table = read_table(file, TARGETS[name])
    test = split(table, SEED).test
    body = {"instances": named(table, test), "include": ["prediction_sets", "typicality"], "coverage": 0.9}
    answer: dict[str, Any] = client.post(f"/models/{name}/predict", json=body).json()
    true = [table.labels[index] for index in test.classes]
    manifest = client.get(f"/models/{name}").json()
    right = sum(given == label for given, label in zip(answer["labels"], true, strict=True))
    assert right / len(true) == manifest["metrics"]["test_accuracy"] > 0.9
    assert figure_of_the_card(models / name / "1" / "card.md", "accuracy") == f"{right / len(true):.2%}"
    held = sum(label in labels for label, labels in zip(true, answer["prediction_sets"], strict=True))
    (covered,) = [each for each in manifest["evaluation"]["prediction_sets"] if each["coverage"] == 0.9]
    assert held / len(true) == covered["measured"]
    tenths = np.histogram(answer["typicality"], np.linspace(0, 1, 11) + 1e-9)[0]
    assert tenths.tolist() == manifest["evaluation"]["typicality"]


def figure_of_the_card(card: Path, name: str) -> str:
    """Return this model's figure, beside its interval, in a line of the card's table of figures."""
    found = re.search(rf"^\| {name} \| [\d.]+% \| ([\d.]+%) \|", card.read_text(), re.MULTILINE)
    assert found, f"{card} has no line for {name}"
    return found[1]


def test_the_committed_iris_classifier_is_of_the_example_and_as_good_as_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "example", "iris"]) == 0
    (tmp_path / "iris.csv").write_text(capsys.readouterr().out)
    table = read_table(tmp_path / "iris.csv", "species")
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(MODELS)})
    try:
        committed = httpx.get(server.url + "/models/iris").json()
        test = split(table, committed["provenance"]["seed"]).test
        body = {"instances": named(table, test)}
        labels = httpx.post(server.url + "/models/iris/predict", json=body).json()["labels"]
    finally:
        server.stop()

    assert committed["provenance"]["data_sha256"] == table.sha256
    right = np.mean([given == table.labels[index] for given, index in zip(labels, test.classes, strict=True)])
    assert right == committed["metrics"]["test_accuracy"]
