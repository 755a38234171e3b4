"""Finds out what an ONNX graph computes, for `softmaxd models add`: by running it on a few rows, not by its names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from softmaxd.adding import rewiring
from softmaxd.adding.graphs import Graph, Heads, Source
from softmaxd.adding.heads import are_scores, find_heads, no_scores
from softmaxd.adding.running import (
    CONVERTED,
    Outputs,
    Values,
    are_near,
    check_rows_stand_alone,
    open_graph,
    rows_to_try,
    run,
    say_shape,
)
from softmaxd.models.engine import KINDS, Engine
from softmaxd.models.manifest import DTYPES
from softmaxd.models.outputs import Features
from softmaxd.models.publishing import Refused


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
    as_given = open_graph(model)
    source = _find_source(as_given, features)
    names = set(as_given.outputs)
    rewiring.free_rows(model, source)
    softmax_inputs = rewiring.show_softmax_inputs(model)
    engine = open_graph(model)
    rows = rows_to_try(source)
    outputs = run(engine, rows, source)
    scores = {name: outputs[name] for name in outputs if name in names and are_scores(outputs[name], len(rows))}
    if not scores:
        raise no_scores(engine, outputs, source)
    heads, notes = find_heads(scores, outputs, softmax_inputs)
    check_rows_stand_alone(engine, rows, outputs, source, heads)
    left_out = sorted(names - {heads.logits, heads.probabilities})
    dropped = (f"left out: {', '.join(left_out)}",) if left_out else ()
    return Findings(source, heads, rows, outputs, (_say_source(source), *notes, *dropped))


def convert(model: Graph, findings: Findings) -> bytes:
    """Return the ONNX file that the service needs, once it is sure that it answers as the graph did."""
    rewiring.rewire(model, findings.source, findings.heads)
    converted = open_graph(model).run(findings.rows)
    for head, name in (("logits", findings.heads.logits), ("probabilities", findings.heads.probabilities)):
        if name is not None and not are_near(converted[head], findings.outputs[name]):
            raise Refused(f"ONNX Runtime gives other {head} once the graph is changed: please report it, with the file")
    return cast(bytes, model.SerializeToString(deterministic=True))


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
        raise Refused(f"its input {name} is {say_shape(shape)}: rows of numbers are needed, [n, features]")
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
