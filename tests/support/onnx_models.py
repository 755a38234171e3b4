"""Small ONNX classifiers, and version folders of them as training writes them: whole, by a rename."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from softmaxd.models.calibration import Calibration
from softmaxd.models.features import Datatype, Feature
from softmaxd.models.manifest import MANIFEST_FILE, MODEL_FILE, Manifest

SIDE = 512  # of the matrix that the slow network multiplies
LABELS = ("a", "b", "c")
FEATURES = ("x1", "x2")


def linear(bias: Sequence[float] = (0.0, 0.0, 0.0)) -> onnx.ModelProto:
    """Return a classifier of two features and three classes: logits = features · weights + bias."""
    weights = np.array([[1.0, 0.5, -0.5], [-1.0, 0.25, 2.0]], dtype=np.float32)
    return classifier(
        [helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"])],
        {"weights": weights, "bias": np.array(bias, dtype=np.float32)},
    )


def endless() -> onnx.ModelProto:
    """Return a model with a loop of 2⁶² rounds."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["state"], ["next"]),
        ],
        "body",
        [
            value("round", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("state", TensorProto.FLOAT, ["n", 3]),
        ],
        [value("go_on", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, ["n", 3])],
    )
    return classifier(
        [
            helper.make_node("MatMul", ["features", "weights"], ["start"]),
            helper.make_node("Loop", ["rounds", "yes", "start"], ["logits"], body=body),
        ],
        {
            "weights": np.zeros((2, 3), dtype=np.float32),
            "rounds": np.array(2**62),
            "yes": np.array(True),
        },
    )


def hungry(megabytes: int) -> onnx.ModelProto:
    """Return a classifier that needs this much memory at least to be run once."""
    nodes = [
        helper.make_node("Gemm", ["features", "weights", "bias"], ["plain"]),
        helper.make_node("ReduceMax", ["features"], ["largest"], keepdims=0),
        helper.make_node("Expand", ["largest", "many"], ["large"]),
        helper.make_node("Sin", ["large"], ["larger"]),
        helper.make_node("ReduceMin", ["larger"], ["smallest"], keepdims=0),
        helper.make_node("Mul", ["smallest", "zero"], ["nothing"]),
        helper.make_node("Add", ["plain", "nothing"], ["logits"]),
    ]
    constants = {
        "weights": np.array([[1.0, 0.5, -0.5], [-1.0, 0.25, 2.0]], dtype=np.float32),
        "bias": np.zeros(3, dtype=np.float32),
        "many": np.array([megabytes * 2**18]),
        "zero": np.array(0, dtype=np.float32),
    }
    return classifier(nodes, constants)


def pictures(shape: Sequence[int], elem_type: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """Return a classifier of tensors of this shape: a linear one of their numbers, with other weights for each."""
    numbers = math.prod(shape)
    nodes = [
        helper.make_node("Cast", ["features"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["floats"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    weights = np.sin(np.arange(numbers * len(LABELS), dtype=np.float32)).reshape(numbers, len(LABELS))
    model = classifier(nodes, {"weights": weights})
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("features", elem_type, ["n", *shape]))
    return model


def with_atypicality(model: onnx.ModelProto) -> onnx.ModelProto:
    """Add the output `atypicality`, here the square of a row's distance from (0, 0), at most 3e38."""
    graph = model.graph
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([1]), "axis"),
            numpy_helper.from_array(np.array(3e38, dtype=np.float32), "far"),
        ]
    )
    graph.node.extend(
        [
            helper.make_node("ReduceSumSquare", ["features", "axis"], ["squared"], keepdims=0),
            helper.make_node("Min", ["squared", "far"], ["atypicality"]),
        ]
    )
    graph.output.append(helper.make_tensor_value_info("atypicality", TensorProto.FLOAT, ["n"]))
    return model


def classifier(
    nodes: Sequence[NodeProto],
    constants: dict[str, np.ndarray],
    *,
    features: int = len(FEATURES),
    classes: int = len(LABELS),
) -> onnx.ModelProto:
    """Return a model of nodes that make `logits` [n, classes] of `features` [n, features], with the softmax added."""
    graph = helper.make_graph(
        [*nodes, helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1)],
        "classifier",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", features])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", classes])
            for name in ("logits", "probabilities")
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def publish(
    models: Path,
    version: int,
    content: bytes,
    *,
    name: str = "linear",
    digest: str | None = None,
    labels: Sequence[str] = LABELS,
    features: Sequence[Feature] = (Feature(name="x1", min=-1, max=1), Feature(name="x2", min=-1, max=1)),
    calibration: Calibration | None = None,
    datatype: Datatype = "FP32",
) -> Path:
    """Write a version folder and rename it into place; returns it."""
    folder = models / name / str(version)
    unfinished = models / name / f".{version}"
    unfinished.mkdir(parents=True)
    (unfinished / MODEL_FILE).write_bytes(content)
    manifest = Manifest(
        name=name,
        version=version,
        sha256=digest or hashlib.sha256(content).hexdigest(),
        labels=tuple(labels),
        features=tuple(features),
        calibration=calibration,
        datatype=datatype,
    )
    (unfinished / MANIFEST_FILE).write_text(manifest.model_dump_json())
    unfinished.rename(folder)
    return folder


def embedding(categories: int, datatype: Literal["INT64", "FP32"] = "INT64") -> onnx.ModelProto:
    """Return a classifier of one feature, the row of a table; ONNX Runtime cannot run a row that is not in it.

    The first category has outputs that are not finite.
    """
    table = np.arange(3 * categories, dtype=np.float32).reshape(categories, 3)
    table[0] = np.nan
    nodes = [
        helper.make_node("Cast", ["features"], ["rows"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "rows"], ["found"]),
        helper.make_node("Squeeze", ["found", "1"], ["logits"]),
    ]
    graph = classifier(nodes, {"table": table, "1": np.array([1])}, features=1)
    graph.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64 if datatype == "INT64" else TensorProto.FLOAT
    return graph


def publish_embedding(models: Path, categories: int, datatype: Literal["INT64", "FP32"] = "INT64") -> Path:
    """Publish `shop`, whose rows 1 … categories - 1 it can run; for 0 its outputs are not finite."""
    features = [Feature(name="category", min=1, max=categories - 1)]
    content = embedding(categories, datatype).SerializeToString()
    return publish(models, 1, content, name="shop", features=features, datatype=datatype)


def looping() -> onnx.ModelProto:
    """Return a classifier with a loop of as many turns as the largest number of all rows says."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["number"], ["same"])],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("number", TensorProto.FLOAT, []),
        ],
        [value("on", TensorProto.BOOL, []), value("same", TensorProto.FLOAT, [])],
    )
    nodes = [
        helper.make_node("ReduceMax", ["features"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["turns"], to=TensorProto.INT64),
        helper.make_node("Loop", ["turns", "", "zero"], ["nothing"], body=body),
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        helper.make_node("Add", ["product", "nothing"], ["logits"]),
    ]
    weights = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    return classifier(nodes, {"zero": np.array(0, np.float32), "weights": weights})


def boxing() -> onnx.ModelProto:
    """Return a classifier with one kernel that compares as many boxes as the largest number of all rows says.

    ONNX Runtime cannot stop a kernel, and 200,000 boxes take it about a minute.
    """
    nodes = [
        helper.make_node("ReduceMax", ["features"], ["largest"], keepdims=0),
        helper.make_node("Max", ["largest", "one"], ["at least 1"]),
        helper.make_node("Cast", ["at least 1"], ["number"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["number", "[1]"], ["numbers"]),
        helper.make_node("Concat", ["[1]", "numbers", "[4]"], ["shape of boxes"], axis=0),
        helper.make_node("Concat", ["[1]", "[1]", "numbers"], ["shape of scores"], axis=0),
        helper.make_node("Expand", ["box", "shape of boxes"], ["boxes"]),
        helper.make_node("Expand", ["one", "shape of scores"], ["scores"]),
        helper.make_node("NonMaxSuppression", ["boxes", "scores", "numbers", "one"], ["chosen"]),
        helper.make_node("Cast", ["chosen"], ["places"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["places"], ["last"], keepdims=0),
        helper.make_node("Mul", ["last", "zero"], ["nothing"]),
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        helper.make_node("Add", ["product", "nothing"], ["logits"]),
    ]
    constants = {
        "one": np.array(1, np.float32),
        "zero": np.array(0, np.float32),
        "[1]": np.array([1]),
        "[4]": np.array([4]),
        "box": np.array([[[0, 0, 1, 1]]], np.float32),
        "weights": np.array([[1, 2, 3], [4, 5, 6]], np.float32),
    }
    return classifier(nodes, constants)


def publish_both(models: Path, content: onnx.ModelProto, *, most: float = 1) -> None:
    """Publish `odd`, with these ranges of its features, and `plain`, which is like any other model."""
    features = [Feature(name="x1", min=0, max=most), Feature(name="x2", min=0, max=1)]
    publish(models, 1, content.SerializeToString(), name="odd", features=features)
    publish(models, 1, linear().SerializeToString(), name="plain")


def publish_slow(models: Path, version: int = 1) -> None:
    """Publish `slow`, which multiplies a large matrix by itself as often as the largest `x1` of its batch says."""
    value = helper.make_tensor_value_info
    square = [SIDE, SIDE]
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("MatMul", ["matrix", "matrix"], ["product"])],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("matrix", TensorProto.FLOAT, square),
        ],
        [value("on", TensorProto.BOOL, []), value("product", TensorProto.FLOAT, square)],
    )
    nodes = [
        helper.make_node("Gather", ["features", "first"], ["x1"], axis=1),
        helper.make_node("ReduceMax", ["x1"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["turns"], to=TensorProto.INT64),
        helper.make_node("Loop", ["turns", "", "start"], ["end"], body=body),
        helper.make_node("ReduceMean", ["end"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["features", "nothing"], ["logits"]),
    ]
    constants = {
        "first": np.array(0),
        "start": np.full(square, 1 / SIDE, dtype=np.float32),  # its square is itself
        "zero": np.array(0, dtype=np.float32),
    }
    features = [Feature(name="x1", min=0, max=20), Feature(name="x2")]  # 10 turns at warm-up
    content = classifier(nodes, constants, classes=2).SerializeToString()
    publish(models, version, content, name="slow", labels=["one", "two"], features=features)
