"""Runs a graph on a few rows in ONNX Runtime, and compares the results within a tolerance."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version as package_version
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd.adding import graphs
from softmaxd.adding.graphs import CONVERTED, STANDARD_DOMAINS, Graph, Heads, Input
from softmaxd.adding.tables import Source
from softmaxd.errors import ModelError, Refused
from softmaxd.models.engine import Engine
from softmaxd.models.features import DTYPES
from softmaxd.models.outputs import Features

SCALES = (0.1, 1.0, 10.0, 100.0)  # of the random rows, which follow a row of zeros and one of ones
ROWS_OF_SCALE = 16
ROW_COUNTS = (1, 2, 3)  # batches of these sizes must give the same as all rows together
TOLERANCE = 1e-5  # of a probability, or relative to the largest logit: float32 sums depend on their order
TO_FLOAT32 = "PyTorch: network.float()"
FLOAT32_FEATURES = "float32 features (skl2onnx: FloatTensorType)"
ANY_LOCALE = "C.UTF-8"  # that every Linux has
INDICES = "; numbers that are looked up, as by an Embedding, need an input of integers (Keras: Input(…, dtype='int32'))"
DYNAMIC = (
    "rows: each request runs alone, and its rows change each other's answers, because dynamic quantisation takes its "
    "scales from all rows of a run; static quantisation has fixed scales and would not"
)

STDERR = 2

Values = npt.NDArray[Any]  # of any output of a graph: numbers or text
Outputs = Mapping[str, Values]
Thresholds = Mapping[int, Sequence[float]]  # by the index of a feature
Beside = Callable[[Values, np.dtype[Any]], list[Values]]


def open_graph(model: Graph) -> Engine:
    """Load a graph into ONNX Runtime. Raises `Refused` if ONNX Runtime cannot load it."""
    try:
        with _silent():
            return Engine(model.SerializeToString(), device="cpu")
    except ModelError as error:
        raise Refused(_explain(str(error), model)) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Let nothing reach the standard error: RE2 writes lines of its own there, which the refusal has anyway."""
    try:
        kept = os.dup(STDERR)
    except OSError:  # it is closed
        yield
        return
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), STDERR)
    try:
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)


def _explain(message: str, model: Graph) -> str:
    runtime = f"ONNX Runtime {package_version('onnxruntime')}"
    if found := re.search(r"support for domain (\S+) is till opset (\d+)", message):
        domain, newest = found.groups()
        of = "" if domain in STANDARD_DOMAINS else f" of {domain}"
        used = graphs.opset(model, {domain} if of else STANDARD_DOMAINS)
        return f"opset {used}{of} is too new for {runtime}: export with opset {newest}{of} or older"
    if graphs.uses_bfloat16(model):
        return f"{runtime} cannot compute in bfloat16 here: export it as float32 ({TO_FLOAT32})"
    if found := re.search(r"Failed to construct locale with name:([^:]+):", message):
        cure = f"export it with {ANY_LOCALE} (skl2onnx: options={{TfidfVectorizer: {{'locale': '{ANY_LOCALE}'}}}})"
        return f"it needs the locale {found[1]}, which is not installed here: {cure}"
    if found := re.search(r"max supported IR version: (\d+)", message):
        return f"IR version {model.ir_version} is too new for {runtime}: export with an older version of onnx"
    return _explain_types(message, runtime) or message


def _explain_types(message: str, runtime: str) -> str:
    """Return the reason if an operator has float64 numbers that ONNX Runtime does not take there, else nothing."""
    if {"float", "double"} == set(re.findall(r"tensor\((\w+)\)", message.partition(" bound to different types ")[2])):
        operator = "".join(re.findall(r"of Optype \((\w+)\)", message))
        return f"its operator {operator} gets float32 and float64 numbers at once: export it with {FLOAT32_FEATURES}"
    if found := re.search(r"Could not find an implementation for (Imputer)\(", message):
        return f"{runtime} has no {found[1]} of float64 numbers: export it with {FLOAT32_FEATURES}"
    return ""


@np.errstate(over="ignore")  # of thresholds that float16 or float32 does not have
def example_rows(source: Input, thresholds: Thresholds, *, seed: int = 0) -> Features:
    """Return the rows [n, width] that a graph is tried with: zeros, ones, random numbers, and thresholds of its trees.

    The random numbers are uniform, of several scales; whole ones are 0 and 1, as categories may be. Each row of
    thresholds has, for every feature that trees compare (`thresholds`: its index and numbers), one of them or a number
    beside it. All rows are the same on every machine: PCG64 and exact arithmetic make them.
    """
    generator = np.random.default_rng(seed)
    dtype = DTYPES[source.datatype]
    is_whole = source.kind == "bool" or dtype.kind != "f"
    size = (len(SCALES), ROWS_OF_SCALE, source.width)
    scales = np.array(SCALES)[:, None, None]
    drawn = generator.integers(0, 2, size) if is_whole else (2.0 * generator.random(size) - 1.0) * scales
    drawn = drawn.reshape(-1, source.width).astype(np.float64)
    tried = [np.zeros((1, source.width)), np.ones((1, source.width)), drawn]
    if thresholds:
        beside = _whole_numbers_beside if is_whole else _numbers_beside
        own = np.dtype(source.kind) if source.kind in CONVERTED else dtype
        tried.append(_at_thresholds(thresholds, drawn, generator, beside, own))
    rows = np.concatenate(tried)
    return (rows.astype(source.kind) if source.kind in CONVERTED else rows).astype(dtype)


def _at_thresholds(
    thresholds: Thresholds, rows: Values, generator: np.random.Generator, beside: Beside, dtype: np.dtype[Any]
) -> Values:
    """Return rows [n, width] in which each feature that has thresholds is at one of them, or just below or above."""
    rows = rows.copy()
    for feature, numbers in sorted(thresholds.items()):
        chosen = np.array(numbers)[generator.integers(0, len(numbers), len(rows))]
        rows[:, feature] = np.choose(generator.integers(0, 3, len(rows)), beside(chosen, dtype))
    return rows


def _numbers_beside(numbers: Values, dtype: np.dtype[Any]) -> list[Values]:
    numbers = numbers.astype(dtype)
    infinity = np.array(np.inf, dtype)
    return [np.nextafter(numbers, -infinity), numbers, np.nextafter(numbers, infinity)]


def _whole_numbers_beside(numbers: Values, dtype: np.dtype[Any]) -> list[Values]:
    limits = np.iinfo(dtype if dtype.kind in "iu" else np.int8)
    most = min(int(limits.max), 2**53)  # as float64 has them
    return [np.clip(np.floor(numbers) + step, max(int(limits.min), -most), most) for step in (-1, 0, 1)]


def run(engine: Engine, rows: Features, source: Source) -> Outputs:
    """Return every output for rows. Raises `Refused` if ONNX Runtime cannot run them."""
    try:
        return engine.run_inputs(source.fed(rows))
    except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
        message = f"ONNX Runtime cannot run it: {str(error).splitlines()[0]}"
        if "out of data bounds" in message:
            message += INDICES
        raise (fixed_rows(source) or Refused(message)) from error


def fixed_rows(source: Source) -> Refused | None:
    """Return the error for a graph that takes only the number of rows that it was exported for."""
    if source.rows is None:
        return None
    count = "1 row" if source.rows == 1 else f"{source.rows} rows"
    shapes = ", ".join(["{0: 'n'}"] * len(source.inputs)) + ("," if len(source.inputs) == 1 else "")
    return Refused(f"it takes exactly {count}: export it with any number of rows (PyTorch: dynamic_shapes=({shapes}))")


def check_rows(
    engine: Engine, rows: Features, outputs: Outputs, source: Source, heads: Heads, *, quantised: bool
) -> tuple[str, ...]:
    """Raise `Refused` if the first rows alone, or all rows backwards, give something else than `outputs`.

    Backwards, because a row may also depend on those before it only. If the graph is `quantised` dynamically the first
    rows may give something else, for that is its nature: return a note on its cost.
    """
    names = [name for name in (heads.logits, heads.probabilities) if name is not None]
    if _agree(run(engine, rows[::-1], source), outputs, names, slice(None, None, -1)):
        if all(_agree(run(engine, rows[:count], source), outputs, names, slice(count)) for count in ROW_COUNTS):
            return ()
        if quantised:
            return (DYNAMIC,)
    raise fixed_rows(source) or Refused(
        "the answer for a row depends on the other rows, or on chance: check the axis of the softmax, "
        "and export dropout and normalisation in inference mode"
    )


def _agree(found: Outputs, outputs: Outputs, names: Sequence[str], part: slice) -> bool:
    """Return whether the outputs of these names are those of a part of the rows."""
    return all(are_near(found[name], outputs[name][part]) for name in names)


def are_near(values: Values, others: Values) -> bool:
    """Return whether two arrays have the same shape, and the same numbers within `TOLERANCE`."""
    if values.shape != others.shape:
        return False
    size = np.abs(others[np.isfinite(others)]).max(initial=1.0)
    return np.allclose(values, others, rtol=0, atol=TOLERANCE * size, equal_nan=True)


def shape_text(shape: Sequence[object]) -> str:
    """Return a shape as text, with n for a size that is not fixed: `[n, 4]`."""
    return f"[{', '.join('n' if size is None else str(size) for size in shape)}]"
