"""Finds out which features of a graph may be missing: by its operators, and by trying."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from softmaxd.adding.columns import Trace, attributes_of, thresholds
from softmaxd.adding.examples import UNKNOWN, Texts
from softmaxd.adding.graphs import Graph, Heads, Input, Node
from softmaxd.adding.running import ROW_COUNTS, Outputs, are_near, run
from softmaxd.adding.tables import Source
from softmaxd.errors import Refused
from softmaxd.models.by_name import listed
from softmaxd.models.engine import Engine
from softmaxd.models.features import TableDatatype
from softmaxd.models.outputs import Features

MISSING_TEXTS = ("nan", "None", "", "missing")  # categories that stand for no text
FLOATS = {"FP32", "FP64"}  # types that have a value for a missing number
LARGEST = float(np.finfo(np.float32).max)

Missing = Mapping[int, str]  # the text for a missing one, by the index of each feature that may be missing


@dataclass(frozen=True, slots=True)
class Trial:
    """A graph with the rows that it was tried with, and its outputs for these."""

    engine: Engine
    source: Source
    rows: Features
    outputs: Outputs
    heads: Heads

    def taken(self, values: Mapping[int, object]) -> Sequence[int]:
        """Return the features that the graph takes these values of: all of them at once, or else by halves."""
        indices = list(values)
        if not values or self._takes(values):
            return indices
        middle = len(values) // 2
        halves = (indices[:middle], indices[middle:]) if middle else ()
        return [index for half in halves for index in self.taken({index: values[index] for index in half})]

    def _takes(self, values: Mapping[int, object]) -> bool:
        """Return True if the outputs for rows with these values are finite, and the same for each row alone."""
        rows = self.source.with_values(self.rows, values)
        try:
            outputs = run(self.engine, rows, self.source)
        except Refused:
            return False
        for name in self.names:
            finite = np.isfinite(outputs[name]).all(axis=1)
            was_finite = np.isfinite(self.outputs[name]).all(axis=1)
            if not finite.any() or (was_finite & ~finite).any():
                return False
        parts = [(run(self.engine, rows[:count], self.source), count) for count in ROW_COUNTS]
        return all(are_near(part[name], outputs[name][:count]) for part, count in parts for name in self.names)

    @property
    def names(self) -> list[str]:
        return [name for name in (self.heads.logits, self.heads.probabilities) if name is not None]


def find_missing(
    model: Graph, trial: Trial, traces: Mapping[str, Trace], known: Texts, names: Sequence[str], told: Sequence[str]
) -> Missing:
    """Return the features that may be missing.

    Of numbers, those that reach an operator for missing ones, and whose NaN gives finite outputs; of texts, those with
    a category for a missing one. `told` are the `names` of others, as the user says. Raises `Refused` if the graph
    does not take one of these.
    """
    asked = [index for index in sorted(_handled(model, traces)) if _datatype(trial.source, index) in FLOATS]
    found = dict.fromkeys(trial.taken(dict.fromkeys(asked, math.nan)), "")
    for text in MISSING_TEXTS:
        having = [index for index, texts in known.items() if text in texts and index not in found]
        found |= dict.fromkeys(trial.taken(dict.fromkeys(having, text)), text)
    places = {name: index for index, name in enumerate(names)}
    for name in told:
        if isinstance(trial.source, Input) and trial.source.is_tensor:
            raise Refused(f"--nullable {name}: rows that are tensors have no missing numbers")
        if name not in places:
            raise Refused(f"--nullable has the name {name!r}, which no feature has: these are {listed(names)}")
        index = places[name]
        if index not in found:
            _check_told(trial, index, name)
            found[index] = ""
    return dict(sorted(found.items()))


def closed_categories(model: Graph, trial: Trial, traces: Mapping[str, Trace], known: Texts) -> Sequence[int]:
    """Return the features with categories for which the graph takes no other text: by its encoders, or by trying."""
    having = {index for index, texts in known.items() if texts}
    strict = [node for node in model.graph.node if attributes_of(node).get("zeros") == 0]  # OneHotEncoder
    refusing = [traces[name].features for node in strict for name in node.input if name in traces]
    closed = having & {index for features in refusing if len(features) == 1 for index in features}
    others = sorted(having - closed)
    return sorted({*closed, *others} - {*trial.taken(dict.fromkeys(others, UNKNOWN))})


def _check_told(trial: Trial, index: int, name: str) -> None:
    kind = _datatype(trial.source, index)
    if kind == "BYTES":
        if not trial.taken({index: ""}):
            raise Refused(f"--nullable {name}: the graph does not take the empty text, which stands for a missing one")
    elif kind not in FLOATS:
        raise Refused(f"--nullable {name}: a number of the type {kind} cannot be missing, as it has no NaN")
    elif not trial.taken({index: math.nan}):
        raise Refused(f"--nullable {name}: its outputs are not finite where {name} is NaN")


def _datatype(source: Source, index: int) -> TableDatatype:
    return (source if isinstance(source, Input) else source.columns[index][0]).column_type


def _handled(model: Graph, traces: Mapping[str, Trace]) -> set[int]:
    """Return the features that reach an operator that knows missing numbers.

    A tree that compares with the largest float32, as CatBoost's do, only asks whether the number is missing.
    """
    asked = {feature for feature, values in thresholds(model, traces).items() if max(map(abs, values)) >= LARGEST}
    nodes = [node for node in model.graph.node if _handles_missing(node)]
    return asked.union(*(traces[name].features for node in nodes for name in node.input if name in traces))


def _handles_missing(node: Node) -> bool:
    attributes = attributes_of(node)
    if node.op_type == "Imputer":
        return math.isnan(attributes.get("replaced_value_float", 0.0))
    tracks = np.array(attributes.get("nodes_missing_value_tracks_true", ()))
    return node.op_type == "IsNaN" or bool(tracks.any())
