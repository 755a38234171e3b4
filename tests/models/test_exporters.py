"""Models of other libraries, added by the command line and served, answer as those libraries do."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import keras
import numpy as np
import numpy.typing as npt
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from softmaxd.models.manifest import Manifest
from softmaxd_training.atypicality import Atypicality
from softmaxd_training.export import write_onnx
from softmaxd_training.rows import Rows
from tests.support.command import softmaxd
from tests.support.paths import MODELS
from tests.support.server import Server

HERE = Path(__file__).parent
FEATURES = ["sepal length", "sepal width", "petal length", "petal width"]
SPECIES = ["setosa", "versicolor", "virginica"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """An ONNX file, some rows, and the probabilities that the library which made it gives for them."""

    content: bytes
    rows: Floats
    probabilities: Floats
    labels: list[str]


def scikit_learn() -> Iterator[tuple[str, Example]]:
    rows, classes = load_iris(return_X_y=True)
    names = np.array(SPECIES)[classes]
    cases = {
        "logistic": (LogisticRegression(max_iter=1000), rows, names, FloatTensorType),
        "pipeline": (make_pipeline(StandardScaler(), LogisticRegression()), rows, classes, FloatTensorType),
        "forest": (RandomForestClassifier(20, random_state=0), rows, names, FloatTensorType),
        "mlp": (MLPClassifier(max_iter=2000, random_state=0), rows, names, FloatTensorType),
        "two-classes": (LogisticRegression(), rows, classes == 1, FloatTensorType),
        "double": (LogisticRegression(max_iter=1000), rows, names, DoubleTensorType),
        "whole": (LogisticRegression(max_iter=1000), np.round(rows), names, Int64TensorType),
    }
    for name, (classifier, features, targets, kind) in cases.items():
        classifier.fit(features, targets)
        file = to_onnx(classifier, initial_types=[("X", kind([None, 4]))], options={"zipmap": False})
        labels = [str(int(label) if isinstance(label, bool | np.bool_) else label) for label in classifier.classes_]
        yield name, Example(file.SerializeToString(), features, classifier.predict_proba(features), labels)


def keras_network(folder: Path) -> Example:
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((4,), name="features"),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(3, name="logits"),
            keras.layers.Softmax(name="probabilities"),
        ],
        name="iris",
    )
    rows, classes = load_iris(return_X_y=True)
    write_onnx(network, Atypicality.of(Rows(rows.astype(np.float32), classes)), folder / "keras.onnx")
    expected = np.asarray(network(rows.astype(np.float32)), dtype=np.float64)
    return Example((folder / "keras.onnx").read_bytes(), rows, expected, ["class-0", "class-1", "class-2"])


def keras_network_by_its_own_export(folder: Path) -> Example:
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    rows = load_iris().data
    expected = np.asarray(network(rows.astype(np.float32)), dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras asks NumPy for a name that it has no more
        network.export(folder / "exported.onnx", format="onnx", verbose=False)
    return Example((folder / "exported.onnx").read_bytes(), rows, expected, ["class-0", "class-1", "class-2"])


def keras_network_of_two_inputs(folder: Path) -> Example:
    keras.utils.set_random_seed(2)
    inputs = [keras.Input((2,), name=name) for name in ("sepal", "petal")]
    joined = keras.layers.Concatenate()([keras.layers.Dense(4, activation="relu")(each) for each in inputs])
    network = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(joined))
    rows = load_iris().data
    expected = np.asarray(network([rows[:, :2], rows[:, 2:]]), dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # as above
        network.export(folder / "two.onnx", format="onnx", verbose=False)
    return Example((folder / "two.onnx").read_bytes(), rows, expected, ["class-0", "class-1", "class-2"])


def pytorch_network() -> Example:
    expected = json.loads((HERE / "pytorch.json").read_text())
    return Example(
        (HERE / "pytorch.onnx").read_bytes(),
        np.array(expected["instances"]),
        np.array(expected["probabilities"]),
        ["class-0", "class-1", "class-2"],
    )


NAMES = [
    "logistic",
    "pipeline",
    "forest",
    "mlp",
    "two-classes",
    "double",
    "whole",
    "keras",
    "keras-export",
    "keras-inputs",
    "pytorch",
]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Example]:
    folder = tmp_path_factory.mktemp("keras")
    return {
        **dict(scikit_learn()),
        "keras": keras_network(folder),
        "keras-export": keras_network_by_its_own_export(folder),
        "keras-inputs": keras_network_of_two_inputs(folder),
        "pytorch": pytorch_network(),
    }


@pytest.fixture(scope="module")
def models(examples: Mapping[str, Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models to which all of them have been added."""
    files, models = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("models")
    for name, example in examples.items():
        (files / f"{name}.onnx").write_bytes(example.content)
        command = ["models", "add", str(files / f"{name}.onnx"), "--name", name, "--features", ",".join(FEATURES)]

        code, output, error = softmaxd(*command, models_dir=str(models))

        assert (code, error) == (0, "")
        assert output.endswith(f"published {models / name / '1'}\n")
    return models


@pytest.fixture(scope="module")
def client(models: Path) -> Iterator[httpx.Client]:
    server = Server("--models-dir", str(models), environment={})
    with httpx.Client(base_url=server.url) as client:
        yield client
    assert server.stop() == 0


def test_every_example_is_tested(examples: Mapping[str, Example]) -> None:
    assert list(examples) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_as_the_library_that_made_it(
    client: httpx.Client, examples: Mapping[str, Example], name: str
) -> None:
    example = examples[name]
    body = {"instances": example.rows.tolist(), "include": ["logits"]}

    answer = client.post(f"/models/{name}/predict", json=body).json()

    assert np.abs(np.array(answer["probabilities"]) - example.probabilities).max() <= 1e-5
    assert answer["labels"] == [example.labels[index] for index in example.probabilities.argmax(axis=1)]
    exponents = np.exp(np.array(answer["logits"]) - np.max(answer["logits"], axis=1, keepdims=True))
    assert np.abs(exponents / exponents.sum(axis=1, keepdims=True) - example.probabilities).max() <= 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_rows_by_feature_name(client: httpx.Client, examples: Mapping[str, Example], name: str) -> None:
    row = examples[name].rows[0].tolist()
    by_name = dict(zip(FEATURES, row, strict=True))

    answer = client.post(f"/models/{name}/predict", json={"instances": [by_name]}).json()

    assert answer == client.post(f"/models/{name}/predict", json={"instances": [row]}).json()


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("logistic", "features: the input X, float32 [n, 4]"),
        ("logistic", "logits: added as ln(probabilities); "),
        ("logistic", "left out: label"),
        ("logistic", "labels: the model's own"),
        ("forest", "labels: the model's own"),
        ("mlp", "logits: the tensor add_result1 inside the graph; its softmax gives the probabilities"),
        ("mlp", "labels: the model's own"),
        ("double", "features: the input X, float64 [n, 4]"),
        ("double", "logits: the tensor raw_scores inside the graph; its softmax gives the probabilities"),
        ("whole", "features: the input X, int64 [n, 4]"),
        ("keras", "logits: the output logits; its softmax gives the probabilities"),
        ("keras", "labels: numbered, because the model has none"),
        ("keras-export", "logits: the tensor "),
        ("keras-inputs", "features: the inputs sepal float32 [n, 2], petal float32 [n, 2]"),
        ("pytorch", "features: the input input, float32 [n, 4]; exported for 1 at a time, but takes any number"),
        ("pytorch", "probabilities: added as the softmax of the logits"),
    ],
)
def test_its_manifest_notes_its_origin_and_each_change(models: Path, name: str, note: str) -> None:
    manifest = Manifest.model_validate_json((models / name / "1" / "manifest.json").read_bytes())

    assert [found for found in manifest.notes if found.startswith(note)]


@pytest.mark.parametrize(
    ("name", "datatype"), [("logistic", "FP32"), ("double", "FP64"), ("whole", "INT64"), ("keras", "FP32")]
)
def test_its_input_keeps_its_type(client: httpx.Client, name: str, datatype: str) -> None:
    assert client.get(f"/models/{name}").json()["datatype"] == datatype
    assert client.get(f"/v2/models/{name}").json()["inputs"][0]["datatype"] == datatype


def test_models_list_shows_them(models: Path) -> None:
    code, output, _ = softmaxd("models", "list", models_dir=str(models))

    table = [re.split(r"  +", line) for line in output.splitlines()]
    size = (models / "logistic" / "1" / "model.onnx").stat().st_size
    labels = "3: setosa, versicolor, …"
    assert code == 0
    assert table[0] == ["model", "version", "features", "labels", "accuracy", "bytes"]
    assert ["logistic", "1", "4: sepal length, sepal width, …", labels, "–", f"{size:,}"] in table
    assert [row[0] for row in table[1:]] == sorted(NAMES)


def test_models_check_finds_them_ready(models: Path) -> None:
    code, output, _ = softmaxd("models", "check", models_dir=str(models))

    table = [line.split() for line in output.splitlines()]
    assert code == 0
    assert table == [["model", "version", "state"], *([name, "1", "ready"] for name in sorted(NAMES))]


def test_models_list_shows_the_accuracy_that_a_manifest_has() -> None:
    _, output, _ = softmaxd("models", "list", models_dir=str(MODELS))

    assert re.search(r"^blobs +1 +2: x1, x2 +4: blob-0, blob-1, … +100.0% ", output, re.MULTILINE)
