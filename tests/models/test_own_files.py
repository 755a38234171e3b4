"""Files as other libraries save them are added by the command line, and answer as those libraries do."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import joblib
import keras
import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from softmaxd.errors import pip_install
from softmaxd.models.engine import Engine
from softmaxd.models.loading import read_manifest
from softmaxd.models.manifest import MODEL_FILE
from softmaxd.numerics.softmax import Softmax
from tests.support.command import softmaxd
from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "models.md").read_text()
SPECIES = np.array(["setosa", "versicolor", "virginica"])
ROWS, CLASSES = load_iris(return_X_y=True)
NUMBERED = ["class-0", "class-1", "class-2"]
PICKLE = "scikit-learn, `joblib.dump` or `pickle`"
BOOSTED = "the same, of a pipeline that ends with an `XGBClassifier` or `LGBMClassifier`"

Floats = npt.NDArray[np.floating]
Saved = Callable[[Path], Floats]  # saves a model as a file, and returns its probabilities for the rows


def pipeline() -> LogisticRegression:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, SPECIES[CLASSES])


def network() -> keras.Sequential:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input((4,)), *layers])


def keras_file(file: Path) -> Floats:
    saved = network()
    with warnings.catch_warnings(action="ignore"):  # HDF5 is the format of old
        saved.save(file)
    return np.asarray(saved(ROWS.astype(np.float32)))


def saved_model(folder: Path) -> Floats:
    saved = network()
    with warnings.catch_warnings(action="ignore"):
        saved.export(folder, verbose=False)
    return np.asarray(saved(ROWS.astype(np.float32)))


def pickled(file: Path) -> Floats:
    joblib.dump(pipeline(), file, compress=3)
    return np.asarray(pipeline().predict_proba(ROWS))


def pipeline_of_lightgbm(file: Path) -> Floats:
    model = make_pipeline(SimpleImputer(), lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1))
    joblib.dump(model.fit(ROWS, SPECIES[CLASSES]), file)
    return np.asarray(model.predict_proba(ROWS))


def of_histograms(file: Path) -> Floats:
    model = HistGradientBoostingClassifier(max_iter=10).fit(np.where(ROWS == 0.2, np.nan, ROWS), SPECIES[CLASSES])
    joblib.dump(model, file)
    return np.asarray(model.predict_proba(ROWS))


def in_skops(file: Path) -> Floats:
    skops.io.dump(pipeline(), file)
    return np.asarray(pipeline().predict_proba(ROWS))


def of_xgboost(file: Path) -> Floats:
    model = xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(ROWS, CLASSES)
    model.save_model(file)
    return np.asarray(model.predict_proba(ROWS))


def of_lightgbm(file: Path) -> Floats:
    model = lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1).fit(ROWS, CLASSES)
    model.booster_.save_model(file)
    return np.asarray(model.booster_.predict(ROWS))


CASES: Mapping[str, tuple[str, Saved, str, list[str]]] = {
    "iris.keras": ("Keras, `network.save`", keras_file, "tf2onnx", NUMBERED),
    "iris.h5": ("Keras, `network.save` as HDF5", keras_file, "tf2onnx", NUMBERED),
    "iris_saved": ("Keras, `network.export`, or `tf.saved_model.save`", saved_model, "tf2onnx", NUMBERED),
    "iris.joblib": (PICKLE, pickled, "skl2onnx", list(SPECIES)),
    "histograms.joblib": (PICKLE, of_histograms, "skl2onnx", list(SPECIES)),
    "boosted.joblib": (BOOSTED, pipeline_of_lightgbm, "skl2onnx", list(SPECIES)),
    "iris.skops": ("scikit-learn, `skops.io.dump`", in_skops, "skl2onnx", list(SPECIES)),
    "iris.json": ("XGBoost, `save_model`", of_xgboost, "onnxmltools", ["0", "1", "2"]),
    "iris.ubj": ("XGBoost, `save_model`", of_xgboost, "onnxmltools", ["0", "1", "2"]),
    "iris.txt": ("LightGBM, `save_model` of the booster", of_lightgbm, "onnxmltools", ["0", "1", "2"]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_of_a_library_is_added_and_answers_as_the_library(name: str, tmp_path: Path) -> None:
    _, save, converter, labels = CASES[name]
    expected = save(tmp_path / name)
    trust = ["--trust-pickle"] if name.endswith(".joblib") else []

    code, output, error = softmaxd(
        "models", "add", str(tmp_path / name), "--name", "iris", *trust, models_dir=str(tmp_path / "models")
    )

    assert (code, error) == (0, "")
    first, *notes, published = output.splitlines()
    (checked,) = [note for note in notes if note.startswith("checked: ")]
    assert first.startswith(f"made from {name} of ")
    assert f", by {converter} " in first
    assert published == f"published {tmp_path / 'models' / 'iris' / '1'}"
    folder = tmp_path / "models" / "iris" / "1"
    manifest = read_manifest(folder)
    assert list(manifest.labels) == labels
    assert checked in (folder / "card.md").read_text()
    probabilities = Engine(folder / MODEL_FILE, device="cpu").run(ROWS.astype(manifest.dtype))["probabilities"]
    assert np.abs(probabilities - expected).max() < 1e-5


@pytest.mark.parametrize(("name", "library"), [("iris.joblib", "scikit-learn"), ("iris.keras", "Keras")])
def test_rows_with_labels_to_expect_are_compared_with_the_library_before_publishing(
    name: str, library: str, tmp_path: Path
) -> None:
    _, save, _, labels = CASES[name]
    expected = save(tmp_path / name)
    table = pd.DataFrame(ROWS, columns=["x0", "x1", "x2", "x3"]).assign(kind=np.array(labels)[expected.argmax(axis=1)])
    table.to_csv(tmp_path / "rows.csv", index=False)
    options = ["--name", "iris", "--trust-pickle", "--like", str(tmp_path / "rows.csv"), "--target", "kind"]

    code, output, error = softmaxd("models", "add", str(tmp_path / name), *options, models_dir=str(tmp_path / "models"))

    assert (code, error) == (0, "")
    assert output.startswith("like rows.csv: 150 of 150 rows have the expected label, accuracy 100.0%")
    assert f"\nchecked: 150 rows of yours against {library} " in output


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_file_is_in_the_page(name: str) -> None:
    described, _, converter, _ = CASES[name]

    assert f"| {described} |" in PAGE
    assert converter in PAGE.partition(f"| {described} |")[2].partition("\n")[0]


def test_a_pipeline_of_texts_numbers_and_booleans_answers_rows_by_name(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    jobs, ages = generator.choice(["cook", "nurse", "pilot"], 200), generator.normal(40, 10, 200)
    people = pd.DataFrame({"age": ages, "job title": jobs, "member": ages > 50, "old": ages > 60})
    encoded = [("n", StandardScaler(), ["age"]), ("t", OneHotEncoder(handle_unknown="ignore"), ["job title", "old"])]
    encoded.append(("b", "passthrough", ["member"]))
    model = make_pipeline(ColumnTransformer(encoded), LogisticRegression())
    model.fit(people, np.where((ages > 40) ^ (jobs == "cook"), "yes", "no"))
    joblib.dump(model, tmp_path / "people.joblib")
    people.to_csv(tmp_path / "people.csv", index=False)
    command = ["models", "add", str(tmp_path / "people.joblib"), "--name", "people", "--trust-pickle"]

    code, output, error = softmaxd(*command, models_dir=str(tmp_path))

    assert (code, error) == (0, "")
    assert "job title text (3 categories: cook, nurse, pilot)" in output
    answers = tmp_path / "answers.csv"
    command = ["predict", "people", str(tmp_path / "people.csv"), "--out", str(answers)]
    assert softmaxd(*command, models_dir=str(tmp_path))[0] == 0
    served = pd.read_csv(answers)
    assert np.abs(served[["probabilities.no", "probabilities.yes"]] - model.predict_proba(people)).max().max() < 1e-5


def test_rows_with_labels_make_probabilities_of_a_decision_function_at_the_end_of_a_pipeline(tmp_path: Path) -> None:
    digits, classes = load_digits(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), LinearSVC()).fit(digits[:900], classes[:900])
    joblib.dump(model, tmp_path / "m.joblib")
    digits[900:].assign(digit=classes[900:]).to_csv(tmp_path / "rows.csv", index=False)
    command = [
        "models",
        "add",
        str(tmp_path / "m.joblib"),
        "--name",
        "m",
        "--trust-pickle",
        "--logits",
        "probabilities",
    ]
    command += ["--calibration", str(tmp_path / "rows.csv"), "--target", "digit"]

    code, output, error = softmaxd(*command, models_dir=str(tmp_path))

    assert (code, error) == (0, "")
    temperature = float(output.partition("\ntemperature: ")[2].partition(",")[0])
    probabilities = Engine(tmp_path / "m" / "1" / MODEL_FILE, device="cpu").run(digits.to_numpy(np.float32))
    expected = Softmax(model.decision_function(digits) / temperature).probabilities
    assert np.abs(probabilities["probabilities"] - expected).max() < 1e-3  # the temperature is printed with 4 digits


def test_a_model_that_its_converter_changes_is_refused(tmp_path: Path) -> None:
    """The converter has other steps than the isotonic regression."""
    model = CalibratedClassifierCV(LinearSVC(), method="isotonic").fit(ROWS, CLASSES)
    joblib.dump(model, tmp_path / "m.joblib")

    command = ["models", "add", str(tmp_path / "m.joblib"), "--name", "m", "--trust-pickle"]
    code, output, error = softmaxd(*command, models_dir=str(tmp_path))

    assert (code, output) == (1, "")
    assert "in a probability, more than the tolerance of 1.0e-05, for the row [" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "m").exists()


BROKEN = {
    "m.keras": b"PK\x03\x04\x00\x00",
    "m.h5": b"\x89HDF\r\n\x1a\n\x00\x00",
    "m.skops": json.dumps({"a": 1}).encode(),
    "m.json": b'{"learner":{"a": 1',
    "m.ubj": b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L",
    "m.txt": b"tree\nversion=v4\nnum_class=3\n",
    "m.joblib": b"\x80\x04\x95\x04",
    "m.pkl": bytes(range(256)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BROKEN[name])

    code, output, error = softmaxd(
        "models", "add", str(tmp_path / name), "--name", "m", "--trust-pickle", models_dir=str(tmp_path / "models")
    )

    assert (code, output) == (1, "")
    assert error.startswith(f"softmaxd: {tmp_path / name}: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_a_missing_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.txt").write_bytes(b"tree\nversion=v4\n")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['lightgbm'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    code, _, error = softmaxd("models", "add", str(tmp_path / "m.txt"), "--name", "m", models_dir=str(tmp_path))

    needed = f"it needs LightGBM: {pip_install('lightgbm onnxmltools')}"
    assert (code, error) == (1, f"softmaxd: {tmp_path / 'm.txt'}: {needed}\n")
