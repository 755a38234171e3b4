"""Finds out the meaning of an ONNX graph by running it on a few rows, and converts it to the graph that is served."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from softmaxd.adding import graphs, rewiring
from softmaxd.adding.categories import known_numbers, known_texts, only_categories
from softmaxd.adding.columns import thresholds, trace
from softmaxd.adding.examples import Known, Texts, table_rows, with_known
from softmaxd.adding.features import describe_features, input_note, missing_note
from softmaxd.adding.given import own_rows, rows_like
from softmaxd.adding.graphs import Graph, Heads, Input
from softmaxd.adding.heads import are_scores, find_heads, no_scores, served
from softmaxd.adding.inputs import column_names, find_inputs
from softmaxd.adding.missing import Trial, closed_categories, find_missing
from softmaxd.adding.operators import origin, tree_thresholds
from softmaxd.adding.running import Outputs, Thresholds, Values, are_near, check_rows, example_rows, open_graph, run
from softmaxd.adding.tables import Source, Table
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.features import Feature
from softmaxd.models.manifest import LOGITS, PROBABILITIES
from softmaxd.models.outputs import Features

STRICT = "categories: a row with one that the graph does not know is refused"
HALVES = {"tensor(float16)", "tensor(bfloat16)"}


@dataclass(frozen=True, slots=True)
class Findings:
    """The inputs and the heads of a graph, its outputs for the rows that were tried, and notes on them."""

    source: Source
    features: tuple[Feature, ...]
    heads: Heads
    rows: Features
    outputs: Outputs
    notes: tuple[str, ...]

    @property
    def scores(self) -> Values:
        """The probabilities, or the logits if there are none, [n, classes]."""
        return self.outputs[self.heads.probabilities or cast(str, self.heads.logits)]


def inspect(
    model: Graph,
    features: Sequence[str] | None,
    *,
    logits: str | None = None,
    nullable: Sequence[str] = (),
    given: Features | None = None,
) -> Findings:
    """Run a graph and return its inputs and its heads; afterwards `model` takes any number of rows.

    `features` are the names, `logits` the output, `nullable` the features that may be missing, and `given` rows
    [n, width], that the user gave, if any. Raises `Refused` if the graph is no classifier that can be served.
    """
    rewiring.forget_types(model)
    engine = open_graph(model)
    source = find_inputs(engine.inputs, features)
    declared = set(engine.outputs)
    del engine  # a large model should not be in memory twice
    rewiring.free_rows(model, source)
    softmax_inputs = rewiring.show_softmax_inputs(model)
    engine = open_graph(model)
    if halves := [name for name, (tensor, _) in engine.outputs.items() if tensor in HALVES]:
        rewiring.widen(model, halves)
        engine = open_graph(model)
    traces = trace(model, source)
    texts = known_texts(model, engine, source, traces)
    categories = only_categories(model, texts, traces)
    numbers = known_numbers(model, traces)
    compared: Thresholds = {**numbers, **thresholds(model, traces)}
    if isinstance(source, Input):
        compared = tree_thresholds(model, source)
    rows, outputs, strict_notes = _try(engine, source, _rows(source, compared, texts, given), {**numbers, **texts})
    scores = {name: outputs[name] for name in outputs if name in declared and are_scores(outputs[name], len(rows))}
    origins = {name: origin(model, name) for name in outputs}
    if not scores:
        raise no_scores(engine, outputs, source, origins)
    heads, notes = find_heads(scores, outputs, softmax_inputs, origins, told=logits)
    rows_notes = check_rows(engine, rows, outputs, source, heads, quantised=graphs.quantises_dynamically(model))
    names, trial = column_names(source, features), Trial(engine, source, rows, outputs, heads)
    missing = find_missing(model, trial, traces, categories, names, nullable)
    missing_notes = [missing_note(names, missing)] if missing or isinstance(source, Table) else []
    closed = closed_categories(model, trial, traces, categories) if strict_notes else []
    described = describe_features(source, names, categories, missing, numbers if strict_notes else {}, closed)
    first = (input_note(source, names, categories), *strict_notes, *missing_notes)
    return Findings(source, described, heads, rows, outputs, (*first, *notes, *rows_notes, *_left_out(declared, heads)))


def _left_out(declared: set[str], heads: Heads) -> Sequence[str]:
    """Return a note on the outputs of the file that are not served, if there are any."""
    names = sorted(declared - {heads.logits, heads.probabilities})
    return [f"left out: {', '.join(names)}"] if names else []


def _rows(source: Source, compared: Thresholds, texts: Texts, given: Features | None) -> Features:
    """Return the rows that a graph is tried with."""
    if isinstance(source, Input):
        rows = example_rows(source, compared)
        return rows if given is None else np.concatenate([rows, rows_like(given.astype(rows.dtype), source)])
    rows = table_rows(source, compared, texts)
    return rows if given is None else np.concatenate([rows, own_rows(given, source).astype(rows.dtype)])


def _try(engine: Engine, source: Source, rows: Features, known: Known) -> tuple[Features, Outputs, Sequence[str]]:
    """Return the rows that a graph can run, its outputs for these, and a note if these are not all.

    A graph that cannot run a category that it does not know gets only those that it knows.
    """
    try:
        return rows, run(engine, rows, source), ()
    except Refused:
        if not any(known.values()):
            raise
    rows = with_known(source, rows, known)
    return rows, run(engine, rows, source), (STRICT,)


def convert(model: Graph, findings: Findings) -> bytes:
    """Rewire `model` and return it as an ONNX file. Raises `Refused` if it answers differently than before."""
    rewiring.rewire(model, findings.source, findings.heads)
    converted = open_graph(model).run_inputs(findings.source.served(findings.rows))
    for head, name in ((LOGITS, findings.heads.logits), (PROBABILITIES, findings.heads.probabilities)):
        if name is None:
            continue
        expected = findings.outputs[name]
        if head == PROBABILITIES:
            expected = served(expected, findings.heads)
        if not are_near(converted[head], expected):
            raise Refused(f"the rewired graph gives other {head}: please report this, with the file")
    return cast(bytes, model.SerializeToString(deterministic=True))
