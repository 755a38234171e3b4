"""Small ONNX graphs for the tests, by onnx's own helpers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from softmaxd.adding.add import add_model
from softmaxd.models.engine import Engine
from softmaxd.models.features import DTYPES, Datatype

WEIGHTS = np.array([[1.0, -1.0, 0.5], [0.25, 2.0, -1.5]], dtype=np.float32)  # two features, three classes

Shape = Sequence[int | str | None]


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """Return a node; its tensors are named with spaces between them."""
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def tensor(name: str, shape: Shape | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Sequence[onnx.ValueInfoProto] | None = None,
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Mapping[str, np.ndarray[Any, Any]] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    """Return a model; without others it has one input x [n, 2], and `WEIGHTS` as w."""
    arrays = {"w": WEIGHTS} if constants is None else constants
    graph = helper.make_graph(
        nodes,
        "classifier",
        [tensor("x", ["n", 2])] if inputs is None else inputs,
        outputs,
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def logits_only() -> onnx.ModelProto:
    """Return the plainest classifier: x · w."""
    return model([node("MatMul", "x w", "scores")], outputs=[tensor("scores", ["n", 3])])


def exact(datatype: Datatype) -> onnx.ModelProto:
    """Return a classifier of two features of a type, whose answer depends on their last bits."""
    dtype = DTYPES[datatype]
    is_whole = dtype.kind != "f"
    nodes = [
        node("Mod", "x seven", "part") if is_whole else node("Sub", "x one", "part"),
        node("Cast", "part", "number", to=TensorProto.DOUBLE),
        node("Mul", "number scale", "scaled"),
        node("Clip", "scaled least most", "clipped"),
        node("MatMul", "clipped w", "product"),
        node("Cast", "product", "s", to=TensorProto.FLOAT),
        node("Softmax", "s", "p"),
    ]
    constants = {
        "seven" if is_whole else "one": np.array(7 if is_whole else 1, dtype),
        "scale": np.array(1.0 if is_whole else 2.0**50),
        "least": np.array(-1e6),
        "most": np.array(1e6),
        "w": WEIGHTS.astype(np.float64),
    }
    inputs = [tensor("x", ["n", 2], helper.np_dtype_to_tensor_dtype(dtype))]
    return model(nodes, inputs=inputs, outputs=[tensor("s", ["n", 3]), tensor("p", ["n", 3])], constants=constants)


def add_exact(datatype: Datatype, folder: Path) -> Engine:
    """Add such a classifier to the models of a folder, named as its type; returns its original file's engine."""
    file = folder / f"{datatype}.onnx"
    onnx.save(exact(datatype), file)
    add_model(file, folder / "models", name=datatype.lower(), labels=None, features=["x1", "x2"])
    return Engine(file, device="cpu")
