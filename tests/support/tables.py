"""Classifiers of tables, with numbers, texts and booleans, and their answers by ONNX Runtime for the same rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from softmaxd.models.engine import Engine
from softmaxd.models.features import Feature
from softmaxd.models.outputs import Array
from tests.support.onnx_models import LABELS, publish

JOBS = ("clerk", "Köchin", "", 'say "x"},{')
FEATURES = (
    Feature(name="age", min=18, max=90, input="numbers", column=1, nullable=True),
    Feature(name="job", input="job", datatype="BYTES", nullable=True, categories=JOBS),
    Feature(name="income", min=0, max=1000, input="numbers", column=0),
    Feature(name="member", input="member", datatype="BOOL"),
    Feature(name="children", min=0, max=9, input="children", datatype="INT64"),
    Feature(name="city", input="city", datatype="BYTES", categories=("Rome", "Oslo")),
)
NAMES = tuple(feature.name for feature in FEATURES)
ROWS: tuple[dict[str, Any], ...] = (
    {"age": 41, "job": "clerk", "income": 120.5, "member": True, "children": 2, "city": "Rome"},
    {"age": None, "job": None, "income": 0, "member": False, "children": 0, "city": "Oslo"},
    {"age": 18.25, "job": 'say "x"},{', "income": 1e3, "member": True, "children": 9, "city": "a\0b"},
    {"age": 77, "job": "Köchin", "income": 77.7, "member": False, "children": 1, "city": "😀 \\ \n"},
)


def mixed() -> onnx.ModelProto:
    """Return a classifier of `FEATURES`: a linear one of numbers and of codes for texts; a missing age becomes 40."""
    value = helper.make_tensor_value_info
    kinds = {"job": TensorProto.STRING, "city": TensorProto.STRING, "member": TensorProto.BOOL}
    inputs = [value("numbers", TensorProto.FLOAT, ["n", 2])]
    inputs += [value(name, kind, ["n", 1]) for name, kind in {**kinds, "children": TensorProto.INT64}.items()]
    casts = [
        helper.make_node("Cast", [name], [f"{name} as number"], to=TensorProto.FLOAT) for name in ("member", "children")
    ]
    encoders = [
        helper.make_node(
            "LabelEncoder",
            [name],
            [f"{name} as number"],
            domain="ai.onnx.ml",
            keys_strings=list(keys),
            values_floats=[float(index + 1) for index in range(len(keys))],
            default_float=-3.0,
        )
        for name, keys in (("job", JOBS), ("city", ("Rome", "Oslo")))
    ]
    parts = ["filled", *(f"{name} as number" for name in ("job", "member", "children", "city"))]
    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["missing"]),
        helper.make_node("Where", ["missing", "mean", "numbers"], ["filled"]),
        *casts,
        *encoders,
        helper.make_node("Concat", parts, ["all"], axis=1),
        helper.make_node("MatMul", ["all", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    weights = np.sin(np.arange(6 * len(LABELS), dtype=np.float32)).reshape(6, len(LABELS)) / 50
    outputs = [value(name, TensorProto.FLOAT, ["n", len(LABELS)]) for name in ("logits", "probabilities")]
    arrays = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array(40, np.float32), "mean")]
    graph = helper.make_graph(nodes, "table", inputs, outputs, arrays)
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def publish_mixed(models: Path, name: str = "people") -> Path:
    return publish(models, 1, mixed().SerializeToString(), name=name, features=FEATURES)


def tensors(rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the inputs of the graph for rows by feature name."""

    def column(name: str, missing: object = None) -> list[Any]:
        return [missing if row[name] is None else row[name] for row in rows]

    return {
        "numbers": np.array([column("income"), column("age", np.nan)], dtype=np.float32).T.copy(),
        "job": np.array(column("job", ""), dtype=object)[:, None],
        "member": np.array(column("member"))[:, None],
        "children": np.array(column("children"), dtype=np.int64)[:, None],
        "city": np.array(column("city"), dtype=object)[:, None],
    }


def answers(folder: Path, rows: Sequence[Mapping[str, Any]] = ROWS) -> dict[str, Array]:
    """Return the outputs of ONNX Runtime for rows by feature name."""
    return Engine(folder / "model.onnx", device="cpu").run_inputs(tensors(rows))


def filled_with_means(names: Sequence[str], datatype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """Return a classifier of numbers of one type, whose missing ones become 0.5."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Cast", ["features"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("IsNaN", ["floats"], ["missing"]),
        helper.make_node("Where", ["missing", "mean", "floats"], ["filled"]),
        helper.make_node("MatMul", ["filled", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    weights = np.cos(np.arange(len(names) * len(LABELS), dtype=np.float32)).reshape(len(names), len(LABELS))
    arrays = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array(0.5, np.float32), "mean")]
    outputs = [value(name, TensorProto.FLOAT, ["n", len(LABELS)]) for name in ("logits", "probabilities")]
    graph = helper.make_graph(nodes, "filled", [value("features", datatype, ["n", len(names)])], outputs, arrays)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def publish_filled(models: Path, name: str = "filled", columns: int = 3) -> Path:
    """Publish a model whose features f0, f1, … are one input of numbers; each may be missing but f0."""
    features = [Feature(name=f"f{index}", min=-1, max=1, nullable=index > 0) for index in range(columns)]
    content = filled_with_means([feature.name for feature in features]).SerializeToString()
    return publish(models, 1, content, name=name, features=features)


def publish_texts(models: Path, columns: int, name: str = "texts") -> Path:
    """Publish a model of texts t0, t1, … in one input."""
    value = helper.make_tensor_value_info
    encoding: dict[str, Any] = {"keys_strings": ["a", "b"], "values_floats": [1.0, 2.0], "default_float": 0.0}
    nodes = [
        helper.make_node("LabelEncoder", ["texts"], ["codes"], domain="ai.onnx.ml", **encoding),
        helper.make_node("MatMul", ["codes", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    weights = np.sin(np.arange(columns * len(LABELS), dtype=np.float32)).reshape(columns, len(LABELS))
    outputs = [value(each, TensorProto.FLOAT, ["n", len(LABELS)]) for each in ("logits", "probabilities")]
    inputs = [value("texts", TensorProto.STRING, ["n", columns])]
    graph = helper.make_graph(nodes, "texts", inputs, outputs, [numpy_helper.from_array(weights, "weights")])
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    content = helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()
    features = [Feature(name=f"t{index}", input="texts", datatype="BYTES") for index in range(columns)]
    return publish(models, 1, content, name=name, features=features)
