"""Finds out what an ONNX graph computes, for `softmaxd models add`: by running it on a few rows, not by its names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as package_version
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from softmaxd.adding import graphs
from softmaxd.adding.graphs import Graph, Heads, Source
from softmaxd.errors import StartupError
from softmaxd.models.engine import KINDS, Engine
from softmaxd.models.manifest import DTYPES
from softmaxd.models.outputs import Features
from softmaxd.models.publishing import Refused
from softmaxd.numerics.softmax import Softmax

CONVERTED = {"float16", "bool"}  # types of inputs that are served as float32
SCALES = (0.1, 1.0, 1.0, 10.0, 10.0, 100.0)  # of the random rows that a graph is tried with, after zeros and ones
FEW = (1, 2, 3)  # rows that must be answered as they are among all of them
SUM_ERROR = 1e-3  # of the probabilities of a row
DRIFT = 1e-5  # of a probability, or of the largest logit, by another order of additions

Values = npt.NDArray[Any]  # of any graph: labels are numbers or text
Outputs = Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a graph turned out to be, and what it gave for some rows [n, features]."""

    source: Source
    heads: Heads
    rows: Features
    outputs: Outputs
    notes: tuple[str, ...]

    @property
    def scores(self) -> Values:
        """The probabilities, or else the logits, [n, classes]."""
        return self.outputs[self.heads.probabilities or cast(str, self.heads.logits)]


def inspect(model: Graph, features: Sequence[str] | None) -> Findings:
    """Run a graph and return what its input and outputs are; it takes any number of rows afterwards."""
    as_given = _open(model)
    source = _find_source(as_given, features)
    names = set(as_given.outputs)
    graphs.free_rows(model, source)
    softmax_inputs = graphs.show_softmax_inputs(model)
    engine = _open(model)
    rows = _rows_to_try(source)
    outputs = _run(engine, rows, source)
    scores = {name: outputs[name] for name in outputs if name in names and _are_scores(outputs[name], len(rows))}
    if not scores:
        raise _no_scores(engine, outputs, source)
    heads, notes = _find_heads(scores, outputs, softmax_inputs)
    _check_rows_stand_alone(engine, rows, outputs, source, heads)
    left_out = sorted(names - {heads.logits, heads.probabilities})
    dropped = (f"left out: {', '.join(left_out)}",) if left_out else ()
    return Findings(source, heads, rows, outputs, (_say_source(source), *notes, *dropped))


def convert(model: Graph, findings: Findings) -> bytes:
    """Return the ONNX file that the service needs, once it is sure that it answers as the graph did."""
    graphs.rewire(model, findings.source, findings.heads)
    converted = _open(model).run(findings.rows)
    for head, name in (("logits", findings.heads.logits), ("probabilities", findings.heads.probabilities)):
        if name is not None and not _are_near(converted[head], findings.outputs[name]):
            raise Refused(f"ONNX Runtime gives other {head} once the graph is changed: please report it, with the file")
    return cast(bytes, model.SerializeToString(deterministic=True))


# --- what comes in ------------------------------------------------------------------------------------------------


def _open(model: Graph) -> Engine:
    try:
        return Engine(model.SerializeToString(), device="cpu")
    except StartupError as error:
        raise Refused(_explain(str(error), model)) from error


def _explain(message: str, model: Graph) -> str:
    runtime = f"ONNX Runtime {package_version('onnxruntime')}"
    if found := re.search(r"support for domain \S+ is till opset (\d+)", message):
        return (
            f"its opset {graphs.opset(model)} is newer than {runtime} knows: export it with {found[1]} or a lower one"
        )
    if found := re.search(r"max supported IR version: (\d+)", message):
        return f"its IR version {model.ir_version} is newer than {runtime} knows: export it with an older onnx"
    return message


def _find_source(engine: Engine, features: Sequence[str] | None) -> Source:
    if len(engine.inputs) != 1:
        raise Refused(
            f"it has {len(engine.inputs)} inputs ({', '.join(engine.inputs)}): one is needed, "
            "with all features of a row as its columns"
        )
    ((name, (tensor, shape)),) = engine.inputs.items()
    kind = tensor.removeprefix("tensor(").removesuffix(")")
    if kind not in {*KINDS.values(), *CONVERTED}:
        raise Refused(f"its input {name} is {tensor}: numbers are needed; other features must be encoded before")
    if len(shape) != 2:  # noqa: PLR2004 - rows and columns
        raise Refused(f"its input {name} is {_say_shape(shape)}: rows of numbers are needed, [n, features]")
    rows, width = shape
    if not isinstance(width, int):
        if not features:
            raise Refused("it does not say how many features a row has: name them with --features")
        width = len(features)
    if features and len(features) != width:
        raise Refused(f"--features has {len(features)} names, but a row has {width} features")
    return Source(name, kind, width, rows if isinstance(rows, int) else None)


def _say_source(source: Source) -> str:
    kind = source.kind if source.kind in CONVERTED else DTYPES[source.datatype].name
    note = f"features: the input {source.name}, {kind} [n, {source.width}]"
    if kind == "bool":
        note += "; served as float32, and a row with a number other than 0 and 1 is refused"
    elif kind == "float16":
        note += "; served as float32, and rounded to float16"
    if source.rows is not None:
        note += f"; it was exported for {source.rows} at a time, and takes any number of rows"
    return note


def _say_shape(shape: Sequence[object]) -> str:
    return f"[{', '.join('n' if size is None else str(size) for size in shape)}]"


# --- what it gives ------------------------------------------------------------------------------------------------


def _rows_to_try(source: Source) -> Features:
    numbers = np.random.default_rng(0)
    size = (len(SCALES), source.width)
    is_whole = source.kind == "bool" or DTYPES[source.datatype].kind != "f"
    some = numbers.integers(0, 2, size) if is_whole else numbers.normal(size=size) * np.array(SCALES)[:, None]
    return np.vstack([np.zeros(source.width), np.ones(source.width), some]).astype(DTYPES[source.datatype])


def _run(engine: Engine, rows: Features, source: Source) -> Outputs:
    try:
        return engine.run(rows.astype(source.kind) if source.kind in CONVERTED else rows)
    except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
        message = f"ONNX Runtime cannot run it: {str(error).splitlines()[0]}"
        raise (_takes_fixed_rows(source) or Refused(message)) from error


def _takes_fixed_rows(source: Source) -> Refused | None:
    """Return the error for a graph that works only with the number of rows that it was exported for."""
    if source.rows is None:
        return None
    return Refused(
        f"it takes a fixed number of rows ({source.rows}): export it with a dynamic one "
        "(PyTorch: dynamic_shapes=({0: 'n'},))"
    )


def _check_rows_stand_alone(engine: Engine, rows: Features, outputs: Outputs, source: Source, heads: Heads) -> None:
    for count in FEW:
        few = _run(engine, rows[:count], source)
        for name in (heads.logits, heads.probabilities):
            if name is not None and not _are_near(few[name], outputs[name][:count]):
                raise _takes_fixed_rows(source) or Refused(
                    "its answer to a row depends on the other rows, or on chance: is a softmax along the wrong axis, "
                    "or a dropout or a normalisation in training mode?"
                )


def _are_scores(values: Values, rows: int) -> bool:
    """Whether it is a table of numbers [rows, classes]; what ONNX Runtime gives for a ZipMap is no array."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != 2:  # noqa: PLR2004
        return False
    return bool(values.shape[0] == rows and values.shape[1] > 1)


def _no_scores(engine: Engine, outputs: Outputs, source: Source) -> Refused:
    """Return the error for a graph without a table of numbers [n, classes]."""
    for name, (kind, _) in engine.outputs.items():
        if kind.startswith(("seq", "map")):
            return Refused(
                f"its output {name} is a list of dictionaries (ZipMap): convert it with options={{'zipmap': False}}"
            )
    for name, values in outputs.items():
        if values.dtype.kind == "f" and values.shape in {(len(values),), (len(values), 1)}:
            return Refused(
                f"its output {name} is one number a row: a classifier of two classes by one sigmoid must give both "
                "probabilities, [1 - p, p]"
            )
    found = ", ".join(f"{name} {kind} {_say_shape(shape)}" for name, (kind, shape) in engine.outputs.items())
    return _takes_fixed_rows(source) or Refused(f"none of its outputs is a table of numbers [n, classes]: {found}")


def _find_heads(scores: Outputs, outputs: Outputs, softmax_inputs: Mapping[str, str]) -> tuple[Heads, tuple[str, str]]:
    """Return which tensors are the logits and the probabilities, and the words that say so."""
    likely = [name for name, values in scores.items() if _are_probabilities(values)]
    if not likely:
        name = _find_logits(scores)
        notes = f"logits: the output {name}, whose rows do not sum to 1", "probabilities: added, as their softmax"
        return _heads(outputs, name, None), notes
    if len(likely) > 1:
        raise Refused(f"it has several outputs that could be the probabilities ({', '.join(likely)}): one is needed")
    name = likely[0]
    said = f"probabilities: the output {name}, whose rows lie in [0, 1] and sum to 1"
    for other in (softmax_inputs.get(name, ""), *scores):
        if other in outputs and other != name and _is_softmax(scores[name], outputs[other]):
            where = "the output" if other in scores else "inside the graph,"
            return _heads(outputs, other, name), (f"logits: {where} {other}, whose softmax the probabilities are", said)
    added = "logits: added, as ln(probabilities); where a probability is below 1.2e-38, it is -87.3"
    return _heads(outputs, None, name), (added, said)


def _heads(outputs: Outputs, logits: str | None, probabilities: str | None) -> Heads:
    found = [outputs[name] for name in (logits, probabilities) if name is not None]
    return Heads(logits, probabilities, found[0].shape[1], all(values.dtype == np.float32 for values in found))


def _find_logits(scores: Outputs) -> str:
    if len(scores) > 1:
        raise Refused(f"it has several outputs that could be the logits ({', '.join(scores)}): one is needed")
    ((name, values),) = scores.items()
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite):
        raise Refused(f"its output {name} is not finite for any of the rows that were tried")
    if finite.min() >= 0 and finite.max() <= 1:
        raise Refused(
            f"its output {name} lies in [0, 1], but its rows do not sum to 1: labels that do not exclude each other, "
            "by a sigmoid each, are not served (or is a softmax along the wrong axis?)"
        )
    if finite.shape[1] == 2 and np.array_equal(finite[:, 0], -finite[:, 1]):  # noqa: PLR2004 - two classes
        raise Refused(
            f"its output {name} is [-s, s], the decision function of two classes, whose softmax is not their "
            "probabilities: export the probabilities (skl2onnx: without raw_scores)"
        )
    return name


def _are_probabilities(values: Values) -> bool:
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite) or finite.min() < 0 or finite.max() > 1 + DRIFT:
        return False
    return bool(np.abs(finite.sum(axis=1) - 1).max() < SUM_ERROR)


def _is_softmax(probabilities: Values, logits: Values) -> bool:
    if probabilities.shape != logits.shape or logits.dtype.kind != "f":
        return False
    finite = np.isfinite(logits).all(axis=1)
    expected = Softmax(logits[finite].astype(np.float64)).probabilities
    return bool(finite.any()) and _are_near(expected, probabilities[finite])


def _are_near(values: Values, others: Values) -> bool:
    if values.shape != others.shape:
        return False
    size = np.abs(others[np.isfinite(others)]).max(initial=1.0)
    return np.allclose(values, others, rtol=0, atol=DRIFT * size, equal_nan=True)
