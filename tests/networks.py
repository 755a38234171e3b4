"""Networks made for the tests, published as model folders with their manifests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.model import MANIFEST_FILE, MODEL_FILE, Array, Feature, Manifest, sha256

OPSET, IR_VERSION = 17, 9
SIDE = 512  # of the matrix that the slow network multiplies


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
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    constants = {
        "first": np.array(0),
        "start": np.full(square, 1 / SIDE, dtype=np.float32),  # its square is itself
        "zero": np.array(0, dtype=np.float32),
    }
    features = [Feature(name="x1", min=0, max=20), Feature(name="x2")]  # 10 turns at warm-up
    _publish(models / "slow" / str(version), nodes, constants, features, ["one", "two"])


def _publish(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, Array],
    features: Sequence[Feature],
    labels: Sequence[str],
) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "graph",
        [value("features", TensorProto.FLOAT, ["n", len(features)])],
        [value(name, TensorProto.FLOAT, ["n", len(labels)]) for name in ("logits", "probabilities")],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_bytes(model.SerializeToString())
    manifest = Manifest(
        name=folder.parent.name,
        version=int(folder.name),
        sha256=sha256(folder / MODEL_FILE),
        labels=tuple(labels),
        features=tuple(features),
    )
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())
