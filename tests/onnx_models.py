"""Small ONNX classifiers, and version folders of them as training writes them: whole, by a rename."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from service.model import MANIFEST_FILE, MODEL_FILE, Feature, Manifest

LABELS = ("a", "b", "c")
FEATURES = ("x1", "x2")


def linear(bias: Sequence[float] = (0.0, 0.0, 0.0)) -> onnx.ModelProto:
    """Return a classifier of two features and three classes: logits = features · weights + bias."""
    weights = np.array([[1.0, 0.5, -0.5], [-1.0, 0.25, 2.0]], dtype=np.float32)
    return classifier(
        [helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"])],
        {"weights": weights, "bias": np.array(bias, dtype=np.float32)},
    )


def classifier(nodes: Sequence[NodeProto], constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Return a model of nodes that make `logits` [n, 3] of `features` [n, 2], with the softmax added."""
    graph = helper.make_graph(
        [*nodes, helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1)],
        "classifier",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", len(FEATURES)])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", len(LABELS)])
            for name in ("logits", "probabilities")
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def publish(models: Path, version: int, content: bytes, *, name: str = "linear", digest: str | None = None) -> Path:
    """Write a version folder and rename it into place; returns it."""
    folder = models / name / str(version)
    unfinished = models / name / f".{version}"
    unfinished.mkdir(parents=True)
    (unfinished / MODEL_FILE).write_bytes(content)
    manifest = Manifest(
        name=name,
        version=version,
        sha256=digest or hashlib.sha256(content).hexdigest(),
        labels=LABELS,
        features=tuple(Feature(name=feature, min=-1.0, max=1.0) for feature in FEATURES),
    )
    (unfinished / MANIFEST_FILE).write_text(manifest.model_dump_json())
    unfinished.rename(folder)
    return folder
