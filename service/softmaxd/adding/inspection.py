"""Finds out the meaning of an ONNX graph by running it on a few rows, and converts it to the graph that is served."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from softmaxd.adding import graphs, rewiring
from softmaxd.adding.graphs import Graph, Heads, Input
from softmaxd.adding.heads import are_scores, find_heads, no_scores, served
from softmaxd.adding.known import rows_like
from softmaxd.adding.operators import origin, tree_thresholds
from softmaxd.adding.running import (
    CONVERTED,
    TO_FLOAT32,
    Outputs,
    Values,
    are_near,
    check_rows,
    example_rows,
    open_graph,
    run,
    shape_text,
)
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.features import DTYPES, KINDS, MAX_DIMENSIONS
from softmaxd.models.manifest import LOGITS, PROBABILITIES
from softmaxd.models.outputs import Features

HALVES = {"tensor(float16)", "tensor(bfloat16)"}


@dataclass(frozen=True, slots=True)
class Findings:
    """The input and the heads of a graph, its outputs for the rows [n, features] that were tried, and notes on them."""

    source: Input
    heads: Heads
    rows: Features
    outputs: Outputs
    notes: tuple[str, ...]

    @property
    def scores(self) -> Values:
        """The probabilities, or the logits if there are none, [n, classes]."""
        return self.outputs[self.heads.probabilities or cast(str, self.heads.logits)]


def inspect(
    model: Graph, features: Sequence[str] | None, *, logits: str | None = None, known: Features | None = None
) -> Findings:
    """Run a graph and return its input and its heads; afterwards `model` takes any number of rows.

    `features` are the names, `logits` the output, and `known` rows [n, width], that the user gave, if any. Raises
    `Refused` if the graph is no classifier that can be served.
    """
    engine = open_graph(model)
    source = _find_input(engine, features)
    names = set(engine.outputs)
    del engine  # a large model should not be in memory twice
    rewiring.free_rows(model, source)
    softmax_inputs = rewiring.show_softmax_inputs(model)
    engine = open_graph(model)
    if halves := [name for name, (tensor, _) in engine.outputs.items() if tensor in HALVES]:
        rewiring.widen(model, halves)
        engine = open_graph(model)
    rows = example_rows(source, tree_thresholds(model, source))
    if known is not None:
        rows = np.concatenate([rows, rows_like(known, source)])
    outputs = run(engine, rows, source)
    scores = {name: outputs[name] for name in outputs if name in names and are_scores(outputs[name], len(rows))}
    if not scores:
        raise no_scores(engine, outputs, source)
    origins = {name: origin(model, name) for name in scores}
    heads, notes = find_heads(scores, outputs, softmax_inputs, origins, told=logits)
    rows_notes = check_rows(engine, rows, outputs, source, heads, quantised=graphs.quantises_dynamically(model))
    left_out = sorted(names - {heads.logits, heads.probabilities})
    dropped = (f"left out: {', '.join(left_out)}",) if left_out else ()
    return Findings(source, heads, rows, outputs, (_input_note(source), *notes, *rows_notes, *dropped))


def convert(model: Graph, findings: Findings) -> bytes:
    """Rewire `model` and return it as an ONNX file. Raises `Refused` if it answers differently than before."""
    rewiring.rewire(model, findings.source, findings.heads)
    converted = open_graph(model).run(findings.rows.reshape(-1, *findings.source.shape))
    for head, name in ((LOGITS, findings.heads.logits), (PROBABILITIES, findings.heads.probabilities)):
        if name is None:
            continue
        expected = findings.outputs[name]
        if head == PROBABILITIES:
            expected = served(expected, findings.heads)
        if not are_near(converted[head], expected):
            raise Refused(f"the rewired graph gives other {head}: please report this, with the file")
    return cast(bytes, model.SerializeToString(deterministic=True))


def _find_input(engine: Engine, features: Sequence[str] | None) -> Input:
    if len(engine.inputs) != 1:
        raise Refused(
            f"it has {len(engine.inputs)} inputs ({', '.join(engine.inputs)}): it needs exactly one, "
            "with the features of a row as columns"
        )
    ((name, (tensor, shape)),) = engine.inputs.items()
    kind = tensor.removeprefix("tensor(").removesuffix(")")
    if kind == "bfloat16":
        raise Refused(f"input {name} is bfloat16, which NumPy does not have: export it as float32 ({TO_FLOAT32})")
    if kind not in {*KINDS.values(), *CONVERTED}:
        raise Refused(f"input {name} is {tensor}, but only numbers are supported: encode other features first")
    rows, *row = shape or [0]
    if not 1 <= len(row) <= MAX_DIMENSIONS or 0 in row:
        raise Refused(f"input {name} has the shape {shape_text(shape)}: it must be rows of numbers, [n, features]")
    numbers = (_width(row[0], features),) if len(row) == 1 else _tensor(name, row, features)
    return Input(name, kind, numbers, rows if isinstance(rows, int) else None)


def _tensor(name: str, row: Sequence[object], features: Sequence[str] | None) -> tuple[int, ...]:
    """Return the shape of a row that is a tensor."""
    sizes = tuple(size for size in row if isinstance(size, int))
    if len(sizes) < len(row):
        raise Refused(f"input {name} has the shape {shape_text(['n', *row])}: export it with a fixed shape of a row")
    if features and len(features) != 1:
        raise Refused(f"--features needs one name, that of the tensor, but has {len(features)}")
    return sizes


def _width(declared: object, features: Sequence[str] | None) -> int:
    """Return the number of features of a row, from the graph or else from their names."""
    if not isinstance(declared, int):
        if not features:
            raise Refused(
                "it does not say how many features a row has: give their names or their number with --features"
            )
        return len(features)
    if features and len(features) != declared:
        raise Refused(f"--features needs {declared} names, one per feature, but has {len(features)}")
    return declared


def _input_note(source: Input) -> str:
    kind = source.kind if source.kind in CONVERTED else DTYPES[source.datatype].name
    note = f"features: the input {source.name}, {kind} {shape_text(['n', *source.shape])}"
    if kind == "bool":
        note += "; served as float32, and rows with numbers other than 0 and 1 are refused"
    elif kind == "float16":
        note += "; served as float32, and may be rounded to float16"
    if source.rows is not None:
        note += f"; exported for {source.rows} at a time, but takes any number of rows"
    return note
