"""Each row of the table of exporters in docs/models.md: the findings, and the answers of the library itself."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from softmaxd.cli.main import main
from softmaxd.models.engine import Engine
from softmaxd.models.loading import read_manifest
from softmaxd.models.manifest import MODEL_FILE
from softmaxd.models.rowwise import choose_batching
from softmaxd.models.warming import rows_to_try
from tests.support.paths import REPOSITORY

HERE = Path(__file__).parent
TABLE = (REPOSITORY / "docs" / "models.md").read_text().partition("\n## Exporters\n")[2].partition("\n## ")[0]
ROWS = [tuple(row.split(" | ")) for row in re.findall(r"^\| (.+) \|$", TABLE, re.MULTILINE)][2:]

FLOAT32 = 1e-5  # sums of a few dozen numbers of float32, in another order
FLOAT16 = 5e-3  # a quarter of the error of a logit: two layers of sums of up to 20, each weight within 2⁻¹¹
BITS8 = 0.1  # two layers, each of whose numbers is within 1/510 of their range
ADDED = {
    "scikit-learn, `to_onnx(model, rows)`": ("others/zipmap", FLOAT32),
    'CatBoost, `save_model(file, format="onnx")`': ("others/catboost", FLOAT32),
    "LightGBM, `onnxmltools.convert_lightgbm(model, …)`": ("others/lightgbm", FLOAT32),
    "XGBoost, `onnxmltools.convert_xgboost(model, …)`": ("others/xgboost", FLOAT32),
    "PyTorch, `torch.onnx.export(…, external_data=False)`": ("pytorch", FLOAT32),
    "PyTorch, `torch.onnx.export(…, dynamo=False)`": ("others/pytorch-old", FLOAT32),
    "PyTorch, `torch.onnx.export(…, dynamic_shapes=…)` of pictures": ("others/pytorch-pictures", FLOAT32),
    "`onnxconverter_common.float16`": ("others/float16", FLOAT16),
    "`onnxruntime.quantization.quantize_dynamic`": ("others/dynamic", BITS8),
    "`onnxruntime.quantization.quantize_static`": ("others/static", BITS8),
}
Capture = pytest.CaptureFixture[str]


def columns(file: Path) -> None:
    file.write_bytes((HERE / "others" / "columns.onnx").read_bytes())


def mixed(file: Path) -> None:
    file.write_bytes((HERE / "others" / "mixed.onnx").read_bytes())


def external(file: Path) -> None:
    graph = onnx.load(HERE / "pytorch.onnx")
    onnx.save(graph, file, save_as_external_data=True, location=f"{file.name}.data", size_threshold=0)


def bfloat16(file: Path) -> None:
    """Write the float16 network with its types and weights turned into bfloat16."""
    graph = onnx.load(HERE / "others" / "float16.onnx")
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    for tensor in graph.graph.initializer:
        numbers = onnx.numpy_helper.to_array(tensor).astype(np.float32)
        made = onnx.helper.make_tensor(tensor.name, onnx.TensorProto.BFLOAT16, numbers.shape, numbers.ravel())
        tensor.CopyFrom(made)
    graph.graph.node[0].input[0] = "x as bfloat16"
    graph.graph.node.insert(0, onnx.helper.make_node("Cast", ["x"], ["x as bfloat16"], to=onnx.TensorProto.BFLOAT16))
    onnx.save(graph, file)


def newer(file: Path) -> None:
    graph = onnx.load(HERE / "others" / "zipmap.onnx")
    next(entry for entry in graph.opset_import if entry.domain == "ai.onnx.ml").version = 99
    onnx.save(graph, file)


REFUSED: dict[str, Callable[[Path], None]] = {
    'scikit-learn, `options={"zipmap": "columns"}`': columns,
    "PyTorch, `torch.onnx.export(…)` with weights in another file": external,
    "`onnxconverter_common.float16` of an `MLPClassifier` by skl2onnx": mixed,
    "a network in bfloat16": bfloat16,
    "a converter with a newer `ai.onnx.ml`": newer,
}
FOUND = {exporter: found.strip("`") for exporter, found, _ in ROWS}


def test_every_row_of_the_table_is_tested() -> None:
    assert sorted(FOUND) == sorted([*ADDED, *REFUSED])


def add(file: Path, models: Path, *options: str) -> int:
    return main(["models", "add", str(file), "--name", "iris", "--models-dir", str(models), *options])


@pytest.mark.parametrize("exporter", ADDED)
def test_it_is_added_and_answers_as_the_library_itself(exporter: str, tmp_path: Path, capsys: Capture) -> None:
    name, tolerance = ADDED[exporter]
    expected = json.loads((HERE / f"{name}.json").read_text())

    assert add(HERE / f"{name}.onnx", tmp_path) == 0

    probabilities = np.array(expected["probabilities"])
    rows = np.array(expected["instances"], np.float32)
    engine = Engine(tmp_path / "iris" / "1" / MODEL_FILE, device="cpu")
    served = np.concatenate([engine.run(row)["probabilities"] for row in rows[:, None]])
    assert FOUND[exporter] in capsys.readouterr().out
    assert np.abs(served - probabilities).max() < tolerance
    assert np.abs(served.sum(axis=1, dtype=np.float64) - 1).max() < 1e-6
    clear = np.ptp(np.sort(probabilities, axis=1)[:, -2:], axis=1) > 2 * tolerance
    assert (served.argmax(axis=1) == probabilities.argmax(axis=1))[clear].all()


@pytest.mark.parametrize("exporter", REFUSED)
def test_it_is_refused_in_these_words(exporter: str, tmp_path: Path, capsys: Capture) -> None:
    REFUSED[exporter](tmp_path / "iris.onnx")

    assert add(tmp_path / "iris.onnx", tmp_path / "models") == 1

    assert FOUND[exporter] in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_weights_in_another_file_are_packed_and_answer_as_in_one_file(tmp_path: Path) -> None:
    external(tmp_path / "iris.onnx")

    assert add(tmp_path / "iris.onnx", tmp_path / "models", "--pack") == 0
    assert add(HERE / "pytorch.onnx", tmp_path / "models") == 0

    versions = [Engine(tmp_path / "models" / "iris" / number / MODEL_FILE, device="cpu") for number in "12"]
    rows = np.array(json.loads((HERE / "pytorch.json").read_text())["instances"], np.float32)
    packed, whole = (engine.run(rows)["probabilities"].tobytes() for engine in versions)
    assert packed == whole


@pytest.mark.parametrize(("name", "expected"), [("dynamic", "alone"), ("static", "joined")])
def test_only_dynamic_quantisation_runs_each_request_alone(name: str, expected: str, tmp_path: Path) -> None:
    assert add(HERE / "others" / f"{name}.onnx", tmp_path) == 0

    manifest = read_manifest(tmp_path / "iris" / "1")
    engine = Engine(tmp_path / "iris" / "1" / MODEL_FILE, device="cpu")
    assert choose_batching(engine.run, rows_to_try(manifest))[1] == expected
