"""Small ONNX graphs with several inputs, texts and missing values, by onnx's own helpers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from softmaxd.adding.graphs import Input
from softmaxd.adding.tables import Table
from tests.support.onnx_graphs import Shape, model, node, tensor

CLASSICAL = {"domain": "ai.onnx.ml"}
JOBS = ("clerk", "nurse")
NUMBERS, TEXTS = TensorProto.FLOAT, TensorProto.STRING

JOB_WEIGHTS = np.array([[1.0, -1.0], [0.5, 0.25]], np.float32)
AGE_WEIGHTS = np.array([[0.25, -0.5]], np.float32)


def job_nodes(*, zeros: int = 1, categories: Sequence[str] = JOBS, source: str = "job") -> list[onnx.NodeProto]:
    """Return nodes that make `js` [n, 2] of a column of texts, by one-hot encoding."""
    return [
        node("OneHotEncoder", source, "hot", cats_strings=list(categories), zeros=zeros, **CLASSICAL),
        node("Reshape", "hot flat", "flat_hot"),
        node("MatMul", "flat_hot jw", "js"),
    ]


def people(
    *more: onnx.NodeProto,
    inputs: Mapping[str, tuple[int, Shape]] | None = None,
    age: str = "age",
    zeros: int = 1,
    categories: Sequence[str] = JOBS,
) -> onnx.ModelProto:
    """Return a classifier of a number, age, and a text, job; `more` nodes may change these before."""
    given = inputs or {"age": (NUMBERS, ("n", 1)), "job": (TEXTS, ("n", 1))}
    weights = np.resize(JOB_WEIGHTS, (len(categories), 2))
    return model(
        [
            *more,
            *job_nodes(zeros=zeros, categories=categories),
            node("MatMul", f"{age} aw", "as"),
            node("Add", "as js", "scores"),
        ],
        inputs=[tensor(name, shape, kind) for name, (kind, shape) in given.items()],
        outputs=[tensor("scores", ["n", 2])],
        constants={"jw": weights, "aw": AGE_WEIGHTS, "flat": np.array([-1, len(categories)])},
    )


def imputer(source: str, target: str, **attributes: Any) -> onnx.NodeProto:
    """Return a node that replaces NaN by 40."""
    values = {"imputed_value_floats": [40.0], "replaced_value_float": float("nan")} | attributes
    return node("Imputer", source, target, **values, **CLASSICAL)


PEOPLE = Table((Input("age", "float", (1,), None), Input("job", "string", (1,), None)))


def rows_of(table: Table, *columns: Sequence[Any]) -> npt.NDArray[Any]:
    """Return rows of a table whose inputs have a column each."""
    rows = np.empty(len(columns[0]), table.dtype)
    for source, values in zip(table.inputs, columns, strict=True):
        rows[source.name][:, 0] = values
    return rows
