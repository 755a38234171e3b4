"""Runs a graph on a few rows, for `softmaxd models add`."""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version as package_version
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd.adding import graphs
from softmaxd.adding.graphs import Graph, Heads, Source
from softmaxd.errors import ModelError
from softmaxd.models.engine import Engine
from softmaxd.models.manifest import DTYPES
from softmaxd.models.outputs import Features
from softmaxd.models.publishing import Refused

CONVERTED = {"float16", "bool"}  # types of inputs that are served as float32
SCALES = (0.1, 1.0, 1.0, 10.0, 10.0, 100.0)  # of the random rows that a graph is tried with, after zeros and ones
FEW = (1, 2, 3)  # rows that must be answered as they are among all of them
DRIFT = 1e-5  # of a probability, or of the largest logit, by another order of additions
Values = npt.NDArray[Any]  # of any graph: labels are numbers or text
Outputs = Mapping[str, Values]


def open_graph(model: Graph) -> Engine:
    try:
        return Engine(model.SerializeToString(), device="cpu")
    except ModelError as error:
        raise Refused(explain(str(error), model)) from error


def explain(message: str, model: Graph) -> str:
    runtime = f"ONNX Runtime {package_version('onnxruntime')}"
    if found := re.search(r"support for domain \S+ is till opset (\d+)", message):
        return (
            f"its opset {graphs.opset(model)} is newer than {runtime} knows: export it with {found[1]} or a lower one"
        )
    if found := re.search(r"max supported IR version: (\d+)", message):
        return f"its IR version {model.ir_version} is newer than {runtime} knows: export it with an older onnx"
    return message


def rows_to_try(source: Source) -> Features:
    numbers = np.random.default_rng(0)
    size = (len(SCALES), source.width)
    is_whole = source.kind == "bool" or DTYPES[source.datatype].kind != "f"
    some = numbers.integers(0, 2, size) if is_whole else numbers.normal(size=size) * np.array(SCALES)[:, None]
    return np.vstack([np.zeros(source.width), np.ones(source.width), some]).astype(DTYPES[source.datatype])


def run(engine: Engine, rows: Features, source: Source) -> Outputs:
    try:
        return engine.run(rows.astype(source.kind) if source.kind in CONVERTED else rows)
    except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
        message = f"ONNX Runtime cannot run it: {str(error).splitlines()[0]}"
        raise (takes_fixed_rows(source) or Refused(message)) from error


def takes_fixed_rows(source: Source) -> Refused | None:
    """Return the error for a graph that works only with the number of rows that it was exported for."""
    if source.rows is None:
        return None
    return Refused(
        f"it takes a fixed number of rows ({source.rows}): export it with a dynamic one "
        "(PyTorch: dynamic_shapes=({0: 'n'},))"
    )


def check_rows_stand_alone(engine: Engine, rows: Features, outputs: Outputs, source: Source, heads: Heads) -> None:
    for count in FEW:
        few = run(engine, rows[:count], source)
        for name in (heads.logits, heads.probabilities):
            if name is not None and not are_near(few[name], outputs[name][:count]):
                raise takes_fixed_rows(source) or Refused(
                    "its answer to a row depends on the other rows, or on chance: is a softmax along the wrong axis, "
                    "or a dropout or a normalisation in training mode?"
                )


def are_near(values: Values, others: Values) -> bool:
    if values.shape != others.shape:
        return False
    size = np.abs(others[np.isfinite(others)]).max(initial=1.0)
    return np.allclose(values, others, rtol=0, atol=DRIFT * size, equal_nan=True)


def say_shape(shape: Sequence[object]) -> str:
    return f"[{', '.join('n' if size is None else str(size) for size in shape)}]"
