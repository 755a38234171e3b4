"""Classifiers of scikit-learn with several inputs, texts and missing values are served as `predict_proba` says."""

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import numpy as np
import numpy.typing as npt
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from softmaxd.adding.add import add_model, prepare
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.loading import load
from softmaxd.models.manifest import Manifest
from softmaxd.models.tables import from_columns
from softmaxd.settings import Settings
from tests.support.command import softmaxd
from tests.support.server import Server

TOLERANCE = 2.0**-17  # of a probability: a few float32 operations after each other
NUMBER, WHOLE, TEXT = (kind([None, 1]) for kind in (FloatTensorType, Int64TensorType, StringTensorType))
JOBS = ("clerk", "Müller & Söhne", 'says "no"', "two  spaces", "前端", "zero\0byte", " ")
TOWNS = ("Ulm", "Bonn")
COLUMNS = [("age", NUMBER), ("income", NUMBER), ("job", TEXT), ("town", TEXT)]
MATRICES = [("numbers", FloatTensorType([None, 2])), ("texts", StringTensorType([None, 2]))]

Rows = npt.NDArray[Any]


def people(*missing: object) -> tuple[Rows, Rows]:
    """Return rows of age, income, job and town, and a class for each; every fifth job may be a missing one."""
    generator, count = np.random.default_rng(0), 300
    rows = np.empty((count, 4), object)
    rows[:, 0] = generator.integers(18, 80, count).astype(float)
    rows[:, 1] = generator.normal(30, 10, count).astype(np.float32).astype(float)
    rows[:, 2] = [JOBS[index] for index in generator.integers(0, len(JOBS), count)]
    rows[:, 3] = [TOWNS[index] for index in generator.integers(0, len(TOWNS), count)]
    if missing:
        rows[::5, 2] = missing[0]
    classes = (rows[:, 0] > 45).astype(int) + (rows[:, 2] == JOBS[0])
    classes[::5] = 2
    return rows, classes


def known(**options: Any) -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore", **options)


def ordinal() -> OrdinalEncoder:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def columns(numbers: Any, texts: Any) -> ColumnTransformer:
    return ColumnTransformer([("numbers", numbers, [0, 1]), ("texts", texts, [2, 3])])


@dataclass(frozen=True)
class Added:
    """A classifier that was added, as it is and as it is served."""

    model: Any
    manifest: Manifest
    content: bytes

    def served(self, rows: Rows) -> Rows:
        return served(self.content, self.manifest, rows)

    @property
    def nullable(self) -> list[str]:
        return [feature.name for feature in self.manifest.features if feature.nullable]


def served(content: bytes, manifest: Manifest, rows: Rows) -> Rows:
    """Return the probabilities that the served graph gives for rows of all features."""
    inputs = {tensor.name: rows[:, tensor.columns].astype(tensor.dtype) for tensor in manifest.tensors}
    return np.asarray(Engine(content, device="cpu").run_inputs(inputs)["probabilities"], np.float64)


def export(model: Any, kinds: Sequence[tuple[str, Any]], file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what will change in the libraries
        exported = to_onnx(model, initial_types=list(kinds), options={"zipmap": False})
    file.write_bytes(exported.SerializeToString())


def add(model: Any, data: tuple[Rows, Rows], kinds: Sequence[tuple[str, Any]], folder: Path, **options: Any) -> Added:
    """Fit a classifier, export and add it."""
    export(model.fit(*data), kinds, folder / "model.onnx")
    published, manifest = add_model(folder / "model.onnx", folder / "models", name="people", **options)
    return Added(model, manifest, (published / "model.onnx").read_bytes())


# Trees get numbers as they are: a scaled one may be rounded to the other side of a threshold.
CLASSIFIERS = {
    "LogisticRegression": ([StandardScaler()], LogisticRegression(max_iter=1000)),
    "RandomForestClassifier": ([], RandomForestClassifier(10, random_state=0)),
}
ENCODERS = {"OneHotEncoder": known(), "OneHotEncoder with errors": OneHotEncoder(), "OrdinalEncoder": ordinal()}


@pytest.mark.parametrize("kinds", [COLUMNS, MATRICES], ids=["columns", "matrices"])
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_numbers_and_texts_are_served_as_the_library_says(
    classifier: str, encoder: str, kinds: Sequence[tuple[str, Any]], tmp_path: Path
) -> None:
    data = people()
    scalers, last = CLASSIFIERS[classifier]
    model = make_pipeline(columns(scalers[0] if scalers else "passthrough", ENCODERS[encoder]), last)

    added = add(model, data, kinds, tmp_path, features=["age", "income", "job", "town"])

    assert np.abs(added.served(data[0]) - added.model.predict_proba(data[0])).max() < TOLERANCE
    assert [feature.name for feature in added.manifest.features] == ["age", "income", "job", "town"]
    assert [feature.datatype for feature in added.manifest.features] == ["FP32", "FP32", "BYTES", "BYTES"]
    assert [feature.categories for feature in added.manifest.features] == [
        (),
        (),
        tuple(sorted(JOBS)),
        tuple(sorted(TOWNS)),
    ]
    assert added.nullable == []


@pytest.mark.parametrize("encoder", ["OneHotEncoder", "OrdinalEncoder"])
def test_an_unknown_text_is_served_as_the_library_says(encoder: str, tmp_path: Path) -> None:
    model = make_pipeline(columns(StandardScaler(), ENCODERS[encoder]), LogisticRegression(max_iter=1000))
    added = add(model, people(), COLUMNS, tmp_path)

    rows = np.array([[40.0, 30.0, text, "Ulm"] for text in ("unknown", "", "Clerk", "clerk\0")], object)

    assert np.abs(added.served(rows) - model.predict_proba(rows)).max() < TOLERANCE


def test_an_unknown_text_is_an_error_where_the_encoder_has_one(tmp_path: Path) -> None:
    model = make_pipeline(columns(StandardScaler(), OneHotEncoder()), LogisticRegression(max_iter=1000))
    added = add(model, people(), COLUMNS, tmp_path)

    with pytest.raises(Exception, match="Unknown Category"):
        added.served(np.array([[40.0, 30.0, "unknown", "Ulm"]], object))


@pytest.mark.parametrize("kinds", [COLUMNS, MATRICES], ids=["columns", "matrices"])
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_numbers_may_be_missing_where_the_graph_imputes(
    classifier: str, kinds: Sequence[tuple[str, Any]], tmp_path: Path
) -> None:
    rows, classes = people()
    rows[::7, 0] = np.nan
    scalers, last = CLASSIFIERS[classifier]
    model = make_pipeline(columns(make_pipeline(SimpleImputer(), *scalers), known()), last)

    added = add(model, (rows, classes), kinds, tmp_path)

    assert np.abs(added.served(rows) - added.model.predict_proba(rows)).max() < TOLERANCE
    names = ["age", "income"] if kinds is COLUMNS else ["numbers.0", "numbers.1"]
    assert added.nullable == names
    assert f"missing: null is taken for {', '.join(names)}; not for " in "\n".join(added.manifest.notes)


TEXTS: Mapping[str, tuple[Any, object, str]] = {  # the transformer, a missing text there, and its category
    "the encoder knows the empty text": (known(), "", ""),
    "the encoder knows NaN": (known(), np.nan, "nan"),
    "the encoder knows None": (known(), None, "None"),
    "empty texts are imputed": (
        make_pipeline(SimpleImputer(missing_values="", strategy="most_frequent"), known()),
        "",
        "",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_may_be_missing_where_the_graph_knows_one_for_it(name: str, tmp_path: Path) -> None:
    transformer, missing, category = TEXTS[name]
    rows, classes = people(missing)
    model = make_pipeline(columns(StandardScaler(), transformer), LogisticRegression(max_iter=1000))

    added = add(model, (rows, classes), COLUMNS, tmp_path)

    expected = model.predict_proba(rows)
    sent = rows.copy()
    sent[::5, 2] = category
    job = added.manifest.features[2]
    assert np.abs(added.served(sent) - expected).max() < TOLERANCE
    assert (job.nullable, job.missing) == (True, category)
    assert not added.manifest.features[0].nullable


def test_numbers_of_one_tensor_may_be_missing_too(tmp_path: Path) -> None:
    rows, classes = people()
    numbers = rows[:, :2].astype(np.float32)
    numbers[::3, 1] = np.nan
    model = make_pipeline(SimpleImputer(), LogisticRegression())

    added = add(model, (numbers, classes), [("X", FloatTensorType([None, 2]))], tmp_path)

    assert np.abs(added.served(numbers) - model.predict_proba(numbers)).max() < TOLERANCE
    assert [(feature.name, feature.input, feature.nullable) for feature in added.manifest.features] == [
        ("x0", "features", True),
        ("x1", "features", True),
    ]


def test_a_forest_takes_no_missing_numbers_unless_its_owner_says_so(tmp_path: Path) -> None:
    rows, classes = people()
    kinds = [("X", FloatTensorType([None, 2]))]
    data = rows[:, :2].astype(np.float32), classes
    forest = RandomForestClassifier(5, random_state=0)

    assert add(forest, data, kinds, tmp_path).nullable == []
    assert add(forest, data, kinds, tmp_path, nullable=["x1"]).nullable == ["x1"]


def test_a_regression_takes_no_missing_numbers_even_if_its_owner_says_so(tmp_path: Path) -> None:
    rows, classes = people()
    data = rows[:, :2].astype(np.float32), classes

    with pytest.raises(Refused, match="--nullable x1: its outputs are not finite where x1 is NaN"):
        add(LogisticRegression(), data, [("X", FloatTensorType([None, 2]))], tmp_path, nullable=["x1"])


def test_a_boosting_that_knows_missing_numbers_takes_them(tmp_path: Path) -> None:
    """HistGradientBoostingClassifier: `export_scikit_learn.py` writes the file, as protobuf 7 cannot."""
    file = Path(__file__).parent / "others" / "hist.onnx"
    expected = json.loads(file.with_suffix(".json").read_text())

    prepared = prepare(file, name="hist")

    rows = np.array(expected["instances"], float)
    assert np.isnan(rows).any(axis=0).all()
    assert all(feature.nullable for feature in prepared.manifest.features)
    answers = served(prepared.content, prepared.manifest, rows)
    assert np.abs(answers - expected["probabilities"]).max() < TOLERANCE


def test_inputs_may_have_numbers_of_several_types_and_booleans(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = np.empty((200, 4), object)
    rows[:, 0] = generator.normal(size=200)
    rows[:, 1] = generator.integers(-5, 5, 200)
    rows[:, 2] = generator.integers(0, 2, 200).astype(bool)
    rows[:, 3] = generator.normal(size=200).astype(np.float32)
    classes = (rows[:, 0] > 0).astype(int) + rows[:, 2].astype(int)
    kinds = [
        ("double", DoubleTensorType([None, 1])),
        ("whole", WHOLE),
        ("flag", BooleanTensorType([None, 1])),
        ("single", NUMBER),
    ]
    model = make_pipeline(
        ColumnTransformer([("as it is", "passthrough", [1, 2]), ("scaled", StandardScaler(), [0, 3])]),
        RandomForestClassifier(10, random_state=0),
    )

    added = add(model, (rows, classes.astype(int)), kinds, tmp_path)

    expected = model.predict_proba(rows)
    differences = np.abs(added.served(rows) - expected).max(axis=1)
    assert (differences < TOLERANCE).all()
    assert [feature.datatype for feature in added.manifest.features] == ["FP64", "INT64", "BOOL", "FP32"]
    assert "features: the inputs double float64, whole int64, flag bool, single float32" in added.manifest.notes


def test_texts_alone_are_a_table_of_one_input(tmp_path: Path) -> None:
    rows, classes = people()
    model = make_pipeline(known(), LogisticRegression(max_iter=1000))

    added = add(model, (rows[:, 2:], classes), [("X", StringTensorType([None, 2]))], tmp_path)

    assert np.abs(added.served(rows[:, 2:]) - model.predict_proba(rows[:, 2:])).max() < TOLERANCE
    assert [(feature.name, feature.input, feature.column) for feature in added.manifest.features] == [
        ("X.0", "features", 0),
        ("X.1", "features", 1),
    ]
    card = (tmp_path / "models" / "people" / "1" / "card.md").read_text()
    assert "| Input | `features`, text `[n, 2]`: X.0, X.1 |" in card


@pytest.mark.parametrize(
    "kinds", [[("x", FloatTensorType([None, 2]))], [("class", WHOLE), ("x", NUMBER)]], ids=["matrix", "columns"]
)
def test_whole_numbers_of_an_encoder_with_errors_are_served(kinds: Sequence[tuple[str, Any]], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = np.stack([generator.integers(3, 6, 300), generator.normal(size=300).astype(np.float32)], axis=1)
    model = make_pipeline(
        ColumnTransformer([("class", OneHotEncoder(), [0]), ("x", StandardScaler(), [1])]), LogisticRegression()
    )
    classes = (rows[:, 0] == 4).astype(int) + (rows[:, 1] > 0)

    added = add(model, (rows, classes), kinds, tmp_path)
    served = load(tmp_path / "models" / "people" / "1", Settings())

    features = from_columns(rows.T.tolist(), added.manifest, lambda *_: []) if added.manifest.tensors else rows
    probabilities = served.run(np.asarray(features, added.manifest.dtype))["probabilities"]
    assert np.abs(probabilities - model.predict_proba(rows)).max() < TOLERANCE
    assert (added.manifest.features[0].min, added.manifest.features[0].max) == (3, 5)


def sent(rows: Rows, names: Sequence[str]) -> list[dict[str, object]]:
    """Return rows as a client sends them: by name, with null for a missing number."""
    return [
        {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in zip(names, row, strict=True)
        }
        for row in rows.tolist()
    ]


def test_they_are_served_over_http_as_the_library_says(tmp_path: Path) -> None:
    rows, classes = people("")
    rows[::7, 0] = np.nan
    text = make_pipeline(SimpleImputer(missing_values="", strategy="most_frequent"), known())
    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    model = make_pipeline(columns(scaled, text), LogisticRegression(max_iter=1000))
    add(model, (rows, classes), COLUMNS, tmp_path)

    with serving(tmp_path / "models") as client:
        by_name = client.post(
            "/models/people/predict", json={"instances": sent(rows, ["age", "income", "job", "town"])}
        )
        lists = [[*row.values()] for row in sent(rows, ["age", "income", "job", "town"])]
        in_order = client.post("/models/people/predict", json={"instances": lists})
        alone = client.post("/models/people/predict", json={"instances": [{"income": 3.0, "town": "Ulm"}]})

    expected = model.predict_proba(rows)
    answers = by_name.raise_for_status().json()
    assert np.abs(np.array(answers["probabilities"]) - expected).max() < TOLERANCE
    assert answers["labels"] == [str(label) for label in model.predict(rows)]
    assert in_order.json() == answers
    absent = model.predict_proba(np.array([[np.nan, 3.0, "", "Ulm"]], object))
    assert np.abs(np.array(alone.raise_for_status().json()["probabilities"]) - absent).max() < TOLERANCE


def test_an_unknown_text_is_refused_over_http_where_the_encoder_has_an_error(tmp_path: Path) -> None:
    model = make_pipeline(columns(StandardScaler(), OneHotEncoder()), LogisticRegression(max_iter=1000))
    added = add(model, people(), MATRICES, tmp_path, features=["age", "income", "job", "town"])
    row = [40.0, 30.0, JOBS[5], "Ulm"]

    with serving(tmp_path / "models") as client:
        instances = [row, [40, 30, "unknown", "Ulm"]]
        numbers, texts = [each[:2] for each in instances], [each[2:] for each in instances]
        inputs = [
            {"name": name, "shape": [2, 2], "datatype": datatype, "data": data}
            for name, datatype, data in (("numbers", "FP32", numbers), ("texts", "BYTES", texts))
        ]
        refused = client.post("/models/people/predict", json={"instances": instances})
        of_v1 = client.post("/v1/models/people:predict", json={"instances": instances})
        of_v2 = client.post("/v2/models/people/infer", json={"inputs": inputs})
        taken = client.post("/models/people/predict", json={"instances": [row]})

    sentence = f"Input should be one of the categories {', '.join(sorted(JOBS))}"
    assert refused.status_code == 422
    assert refused.json()["detail"] == [{"type": "category", "loc": ["instances", 1, 2], "msg": sentence}]
    assert (of_v1.status_code, of_v1.json()["error"]) == (400, f"instances[1][2]: {sentence}")
    assert (of_v2.status_code, of_v2.json()["error"]) == (400, f"texts.data[2]: {sentence} (job of row 1)")
    (tmp_path / "rows.csv").write_text(f"age,income,job,town\n40,30,{JOBS[5]},Ulm\n40,30,unknown,Ulm\n")
    code, _, error = softmaxd("predict", "people", str(tmp_path / "rows.csv"), models_dir=str(tmp_path / "models"))
    place = f"{tmp_path / 'rows.csv'}: line 3, column job"
    assert (code, error) == (1, f"softmaxd: {place}: {sentence}\n".replace("\0", r"\x00"))
    expected = added.model.predict_proba(np.array([row], object))
    assert np.abs(np.array(taken.raise_for_status().json()["probabilities"]) - expected).max() < TOLERANCE


def test_the_document_of_a_model_allows_the_rows_that_it_runs(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = np.empty((200, 3), object)
    rows[:, 0] = generator.normal(size=200)
    rows[:, 1] = generator.choice([1, 2, 4], 200).tolist()
    rows[:, 2] = generator.choice(["clerk", "cook"], 200).tolist()
    encoded = [("size", SimpleImputer(), [0]), ("rooms", OneHotEncoder(), [1]), ("job", OneHotEncoder(), [2])]
    model = make_pipeline(ColumnTransformer(encoded), LogisticRegression())
    add(model, (rows, (rows[:, 0] > 0).astype(int)), [("size", NUMBER), ("rooms", WHOLE), ("job", TEXT)], tmp_path)
    drawn = [
        {name: value for name, value in zip(("size", "rooms", "job"), values, strict=True) if value != "absent"}
        for values in product(
            (0.5, 3, None, "1", True, "absent"), (1, 4.0, 3, 2.5, None, "absent"), ("cook", "Cook", "", None, "absent")
        )
    ]

    with serving(tmp_path / "models") as client:
        document = client.get("/models/people/openapi.json").json()
        replies = [client.post("/models/people/predict", json={"instances": [row]}).status_code for row in drawn]

    schema = document["components"]["schemas"]["Row"]
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert (schema["properties"]["rooms"]["enum"], schema["properties"]["job"]["enum"]) == (
        [1, 2, 4],
        ["clerk", "cook"],
    )
    assert [status == 200 for status in replies] == [validator.is_valid(row) for row in drawn]
    assert {*replies} == {200, 422}


@contextmanager
def serving(models: Path) -> Iterator[httpx.Client]:
    """Serve the models of a folder."""
    server = Server("--models-dir", str(models), environment={})
    try:
        with httpx.Client(base_url=server.url) as client:
            yield client
    finally:
        server.stop()
