"""A `ColumnTransformer` of scikit-learn is calibrated, and files have the answers of `/predict` to the last digit."""

import csv
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from skl2onnx import to_onnx
from skl2onnx.common.data_types import BooleanTensorType, FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from softmaxd.models.loading import read_manifest
from tests.support.command import softmaxd
from tests.support.server import Server

KINDS = {"age": FloatTensorType, "income": FloatTensorType, "job": StringTensorType, "member": BooleanTensorType}
JOBS = ("007", "clerk, or not", 'says "no"\nand more', "Köchin")
INCLUDE = ["logits", "log_probabilities", "prediction_sets", "typicality"]

Record = Mapping[str, Any]


def people() -> list[Record]:
    """Return rows whose job and age decide their kind; some ages are missing."""
    chance = np.random.default_rng(0)
    rows: list[Record] = []
    for index in range(600):
        age, job = float(chance.integers(18, 80)), JOBS[chance.integers(len(JOBS))]
        kind = "old" if age > 50 else "cook" if job == JOBS[3] else "other"
        income, member = round(float(chance.normal(30, 10)), 2), bool(chance.integers(2))
        missing = index % 6 == 0
        rows.append({"age": None if missing else age, "income": income, "job": job, "member": member, "kind": kind})
    return rows


ROWS = people()
UNSEEN = ROWS[300:]
FEATURES = [{name: row[name] for name in KINDS} for row in UNSEEN]


def export(file: Path) -> None:
    """Fit a classifier to the first rows, and export it."""
    seen = np.array([[row[name] for name in KINDS] for row in ROWS[:300]], dtype=object)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    parts = [("numbers", numbers, [0, 1]), ("job", OneHotEncoder(), [2]), ("member", "passthrough", [3])]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=1000))
    seen[:, :2] = seen[:, :2].astype(float)
    model.fit(seen, [row["kind"] for row in ROWS[:300]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what will change in the libraries
        kinds = [(name, kind([None, 1])) for name, kind in KINDS.items()]
        content = to_onnx(model, initial_types=kinds, options={"zipmap": False}).SerializeToString()
    file.write_bytes(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models/people/2, which was added and calibrated, and the rows as CSV and as Parquet."""
    folder = tmp_path_factory.mktemp("people")
    export(folder / "people.onnx")
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, UNSEEN[0])
        writer.writeheader()
        writer.writerows(UNSEEN)
    parquet.write_table(pyarrow.Table.from_pylist(UNSEEN), folder / "rows.parquet")
    models, like = str(folder / "models"), ["--target", "kind"]
    rows = [str(folder / name) for name in ("rows.csv", "rows.parquet")]
    command = ["models", "add", str(folder / "people.onnx"), "--name", "people", "--like", rows[0], *like]
    added = softmaxd(*command, models_dir=models)
    assert added[0] == 0, added[2]
    command[command.index("people") :] = ["people-at-once", "--calibration", rows[0], *like]
    at_once = softmaxd(*command, models_dir=models)
    assert at_once[0] == 0, at_once[2]
    for table in rows:
        calibrated = softmaxd("models", "calibrate", "people", table, *like, models_dir=models)
        assert calibrated[0] == 0, calibrated[2]
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    server = Server("--models-dir", str(folder / "models"), environment={})
    with httpx.Client(base_url=server.url) as client:
        yield client
    assert server.stop() == 0


def test_csv_and_parquet_give_the_same_calibration(folder: Path) -> None:
    first, again = (read_manifest(folder / "models" / "people" / number) for number in ("2", "3"))

    assert first.calibration is not None
    assert again.calibration is not None
    # the second one finds the rows as the first one left them
    assert again.calibration.temperature == pytest.approx(1, abs=1e-3)
    assert again.calibration.atypicality == first.calibration.atypicality
    assert [feature.nullable for feature in first.features] == [True, True, False, False]
    assert [feature.min is None for feature in first.features] == [False, False, True, True]


def test_a_table_may_be_added_and_calibrated_at_once(folder: Path) -> None:
    first, at_once = (read_manifest(folder / "models" / name) for name in ("people/2", "people-at-once/1"))

    assert at_once.calibration == first.calibration
    assert at_once.features == first.features


def test_the_typicality_is_that_of_the_encoded_columns(folder: Path, client: httpx.Client) -> None:
    manifest = read_manifest(folder / "models" / "people" / "2")
    note = next(note for note in manifest.notes if note.startswith("typicality: "))
    body = {"instances": [{**FEATURES[0], "income": 1000.0}, FEATURES[0]], "include": ["typicality"]}

    low, usual = client.post("/models/people/predict", json=body).json()["typicality"]

    assert note.endswith(", 7 numbers a row")  # two numbers, four jobs, one truth
    assert low < 0.02 < usual


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_file_has_the_answers_of_the_service(name: str, folder: Path, client: httpx.Client) -> None:
    options = ["--include", ",".join(INCLUDE), "--out", str(folder / "out.csv")]
    ended = softmaxd("predict", "people", str(folder / name), *options, models_dir=str(folder / "models"))
    assert ended[0] == 0, ended[2]

    response = client.post("/models/people/predict", json={"instances": FEATURES, "include": INCLUDE})

    answer = json.loads(response.text, parse_float=str)
    with (folder / "out.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    labels = read_manifest(folder / "models" / "people" / "2").labels
    assert [row["predicted_label"] for row in found] == answer["labels"]
    for field in ("probabilities", "logits", "log_probabilities"):
        assert [[row[f"{field}.{label}"] for label in labels] for row in found] == answer[field]
    assert [json.loads(row["prediction_sets"]) for row in found] == answer["prediction_sets"]
    assert [row["typicality"] for row in found] == answer["typicality"]
