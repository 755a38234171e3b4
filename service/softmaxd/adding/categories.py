"""Finds the texts that a graph knows for each of its features: by its encoders, or else by trying."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd.adding.columns import Trace, attributes_of, constants_of, strings
from softmaxd.adding.examples import UNKNOWN, Texts, table_rows, with_known
from softmaxd.adding.graphs import Graph, Node, nested_graphs
from softmaxd.adding.running import run
from softmaxd.adding.tables import Source, Table
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine

ENCODERS = {"CategoryMapper", "Equal", "LabelEncoder", "OneHotEncoder"}
SPLITTERS = {"StringSplit", "TfIdfVectorizer", "Tokenizer"}  # of texts into words
MOST_TRIED = 5000  # texts
NUMBERS = ("cats_int64s", "keys_int64s", "keys_floats")  # attributes of encoders
NOTHING = np.zeros(0)
ROWS_FOR_EACH = 8  # in which a text may make a difference


def known_texts(model: Graph, engine: Engine, source: Source, traces: Mapping[str, Trace]) -> Texts:
    """Return the texts that a graph knows, sorted, by the index of each feature that is text.

    Those of an encoder count if only this feature reaches it. Of others, and of all texts of the graph where there is
    no encoder, those count whose answer is not that of an unknown text. `engine` runs the graph.
    """
    if isinstance(source, Table) and (indices := source.text_features):
        sure, possible = _encoded(model, indices, traces)
        every = sorted(_all_texts(model))[:MOST_TRIED] if not all(sure.values()) else []
        return {
            index: sorted(sure[index])
            or _answered(engine, source, index, sorted(possible[index])[:MOST_TRIED] or every, sure)
            for index in indices
        }
    return {}


def known_numbers(model: Graph, traces: Mapping[str, Trace]) -> dict[int, list[float]]:
    """Return the numbers that the encoders of a graph know, sorted, by the index of each feature that reaches one."""
    found: dict[int, set[float]] = defaultdict(set)
    for node in model.graph.node:
        if node.op_type in ENCODERS:
            attributes = attributes_of(node)
            numbers = [number for name in NUMBERS for number in attributes.get(name, ()) if math.isfinite(number)]
            for feature in (feature for name in node.input if name in traces for feature in traces[name].features):
                found[feature].update(numbers)
    return {feature: sorted(numbers) for feature, numbers in found.items() if numbers}


def only_categories(model: Graph, texts: Texts, traces: Mapping[str, Trace]) -> Texts:
    """Return the texts that a graph knows as a whole: none for a feature that it splits into words."""
    reached = [
        traces[name].features
        for node in model.graph.node
        if node.op_type in SPLITTERS
        for name in node.input
        if name in traces
    ]
    split = frozenset().union(*reached)
    return {index: () if index in split else known for index, known in texts.items()}


def _encoded(
    model: Graph, indices: Sequence[int], traces: Mapping[str, Trace]
) -> tuple[dict[int, set[str]], dict[int, set[str]]]:
    """Return the texts of encoders that a feature reaches alone, and those of encoders that it may reach."""
    sure: dict[int, set[str]] = {index: set() for index in indices}
    possible: dict[int, set[str]] = {index: set() for index in indices}
    every, constants = set(indices), constants_of(model)
    for node in model.graph.node:
        reached = [traces[name] for name in node.input if name in traces] if node.op_type in ENCODERS else []
        for found in reached:
            features = found.features & every
            for index in features:
                (sure if found.columns or len(features) == 1 else possible)[index].update(_texts(node, constants))
    return sure, possible


def _texts(node: Node, constants: Mapping[str, npt.NDArray[Any]]) -> Iterator[str]:
    """Yield the texts that a node compares its input with."""
    attributes = attributes_of(node)
    for name in ("cats_strings", "keys_strings", "keys_tensor"):
        yield from strings(np.array(attributes.get(name, [])))
    for name in node.input:
        yield from strings(constants.get(name, NOTHING))


def _all_texts(model: Graph) -> set[str]:
    """Return every text in the attributes and constants of a graph, but for names of classes."""
    found = {text for values in constants_of(model).values() for text in strings(values)}
    for node in (node for graph in nested_graphs(model.graph) for node in graph.node):
        for name, value in attributes_of(node).items():
            if isinstance(value, list | np.ndarray) and not name.startswith("classlabels"):
                found.update(strings(np.array(value)))
    return found


def _answered(
    engine: Engine, table: Table, index: int, candidates: Sequence[str], known: Mapping[int, set[str]]
) -> list[str]:
    """Return the texts whose answer differs from that of an unknown text, where the graph can run that."""
    others = {other: sorted(texts) or [UNKNOWN] for other, texts in known.items()}
    rows = with_known(table, table_rows(table, {}, {}), others)[:ROWS_FOR_EACH]
    unknown = _answer(engine, table, rows, index, UNKNOWN)
    answers = {text: _answer(engine, table, rows, index, text) for text in candidates}
    return [
        text
        for text, answer in answers.items()
        if answer is not None and (unknown is None or not np.array_equal(answer, unknown, equal_nan=True))
    ]


def _answer(engine: Engine, table: Table, rows: npt.NDArray[Any], index: int, text: str) -> npt.NDArray[Any] | None:
    """Return all numbers that a graph gives for rows with a text in a column; None if it cannot run them."""
    try:
        outputs = run(engine, table.with_values(rows, {index: text}), table)
    except Refused:
        return None
    numbers = [np.ravel(values) for values in outputs.values() if isinstance(values, np.ndarray)]
    return np.concatenate([values for values in numbers if values.dtype.kind == "f"] or [np.zeros(0)])
