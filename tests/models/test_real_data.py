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
from softmaxd.models.loading import read_manifest
from softmaxd_training.examples import TARGETS
from softmaxd_training.frames.columns import frame_of
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.frame import Classes, Frame
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.reading import read
from softmaxd_training.splitting import split
from tests.support.iris import parts_of_committed
from tests.support.loans import loans, loans_csv
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


def named(frame: Frame, places: Classes) -> list[dict[str, object]]:
    """Return rows as objects; a missing value is null."""
    names = (*frame.number_names, *frame.text_names)
    rows = zip(frame.numbers[places].tolist(), frame.texts[places].tolist(), strict=True)
    values = [[None if number != number else number for number in numbers] + texts for numbers, texts in rows]  # noqa: PLR0124 - NaN
    return [dict(zip(names, (value or None if value == "" else value for value in row), strict=True)) for row in values]


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_table_becomes_a_classifier_that_answers_as_its_card_says(
    name: str, models: Path, client: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client.get(f"/models/{name}").status_code == 404
    file = tmp_path / f"{name}.csv"
    assert main(["train", "example", name]) == 0
    file.write_text(capsys.readouterr().out)

    command = ["train", "table", str(file), "--target", TARGETS[name], "--seed", str(SEED)]
    assert main([*command, "--models-dir", str(models)]) == 0
    until(lambda: client.get(f"/models/{name}").is_success)

    frame = frame_of(read(file, ReadOptions()), ColumnOptions(TARGETS[name]))
    test = split(frame.classes, SEED).test
    body = {"instances": named(frame, test), "include": ["prediction_sets", "typicality"], "coverage": 0.9}
    answer: dict[str, Any] = client.post(f"/models/{name}/predict", json=body).json()
    true = [frame.labels[index] for index in frame.classes[test]]
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
    frame = frame_of(read(tmp_path / "iris.csv", ReadOptions()), ColumnOptions("species"))
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(MODELS)})
    try:
        committed = httpx.get(server.url + "/models/iris").json()
        test = parts_of_committed(committed["provenance"]["seed"]).test
        body = {"instances": test.features.tolist()}
        labels = httpx.post(server.url + "/models/iris/predict", json=body).json()["labels"]
    finally:
        server.stop()

    assert committed["provenance"]["data_sha256"] == frame.sha256
    right = np.mean([given == frame.labels[index] for given, index in zip(labels, test.classes, strict=True)])
    assert right == committed["metrics"]["test_accuracy"]


def test_a_table_with_texts_and_gaps_becomes_a_classifier_that_is_asked_by_name(
    models: Path, client: httpx.Client, tmp_path: Path
) -> None:
    frame = loans(tmp_path, 400, seed=0)

    command = ["train", "table", str(tmp_path / "loans.csv"), "--target", "end"]
    assert main([*command, "--models-dir", str(models)]) == 0
    until(lambda: client.get("/models/loans").is_success)

    test = split(frame.classes, 0).test
    answer = client.post("/models/loans/predict", json={"instances": named(frame, test)}).json()
    true = [frame.labels[index] for index in frame.classes[test]]
    right = sum(given == label for given, label in zip(answer["labels"], true, strict=True))
    assert right / len(true) == client.get("/models/loans").json()["metrics"]["test_accuracy"] > 0.5
    row = {"income": 3000.5, "age": 40, "job": "pilot", "purpose": "house"}
    others = [row | {"income": None}, row | {"job": None}, row | {"job": "astronaut"}]
    rows = client.post("/models/loans/predict", json={"instances": [row, *others], "include": ["typicality"]}).json()
    assert rows["unknown"] == [[], [], [], ["job"]]
    assert len({tuple(each) for each in rows["probabilities"]}) == 4
    assert rows["typicality"][3] < rows["typicality"][0]
    refused = client.post("/models/loans/predict", json={"instances": [row | {"age": None}]})
    assert refused.status_code == 422
    assert "age" in refused.text


def test_words_for_a_gap_give_the_same_model_as_empty_cells(models: Path, tmp_path: Path) -> None:
    sums: list[bytes] = []
    for gap in ("", "unknown"):
        (tmp_path / "gaps.csv").write_text(loans_csv(60, seed=1, gap=gap))
        command = ["train", "table", str(tmp_path / "gaps.csv"), "--target", "end", "--missing", "unknown"]
        assert main([*command, "--min-rows", "2", "--models-dir", str(tmp_path)]) == 0
        sums.append((tmp_path / "gaps" / str(len(sums) + 1) / "model.onnx").read_bytes())

    assert sums[0] == sums[1]
    assert read_manifest(tmp_path / "gaps" / "2").missing_words == ("unknown",)
    answers = []
    for gap in ("", "unknown"):
        (tmp_path / "rows.csv").write_text(loans_csv(200, seed=2, gap=gap))
        out = tmp_path / f"{gap}answers.csv"
        assert (
            main(["predict", "gaps", str(tmp_path / "rows.csv"), "--out", str(out), "--models-dir", str(tmp_path)]) == 0
        )
        answers.append(out.read_text())
    assert answers[0] == answers[1]
