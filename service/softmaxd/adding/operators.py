"""Reads which operators of a graph compute a tensor: trees, and scores whose softmax is not the probabilities."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from onnx import numpy_helper

from softmaxd.adding.graphs import Graph, Input, Node

CLASSICAL_DOMAIN = "ai.onnx.ml"
CLASSICAL_EXPORTER = "skl2onnx"  # gives the probabilities of every classifier that has them
SOFTMAXES = {b"SOFTMAX", b"SOFTMAX_ZERO", b"LOGISTIC"}  # values of `post_transform`
NUMBERED_SOFTMAXES = {1, 2, 3}  # of `TreeEnsemble`
REGRESSOR = "Regressor"  # ends the names of these operators
COARSE = {"Ceil", "DequantizeLinear", "Floor", "Round"}  # operators whose numbers are multiples of a step
SORTING = "TopK"  # PyTorch's sort and topk
RENAMING = {"Cast", "Identity", "Reshape"}  # operators that keep the numbers


@dataclass(frozen=True, slots=True)
class Origin:
    """The operators that an output is computed by, as far as they say something about its numbers."""

    scorer: str = ""  # the operator, or else the exporter, that gives scores other than logits; "" if there is none
    is_regression: bool = False
    regressor: str = ""  # the regression that gives the output itself
    rounded_by: str = ""  # the operator that keeps probabilities in [0, 1], with the sum 1, only roughly
    is_sorted: bool = False  # the columns are places in an order, the highest first, and no classes
    has_votes: bool = False  # the label of a support vector machine, which its probabilities need not agree with


def origin(model: Graph, name: str) -> Origin:
    """Return the origin of an output."""
    nodes = list(ancestors(model, name))
    last = next((node for node in nodes if node.op_type not in RENAMING), None)
    classical = [node for node in nodes if node.domain == CLASSICAL_DOMAIN]
    scorer = next((node.op_type for node in classical if _gives_scores(node)), "")
    return Origin(
        scorer=scorer or (CLASSICAL_EXPORTER if model.producer_name == CLASSICAL_EXPORTER else ""),
        is_regression=scorer.endswith(REGRESSOR),
        regressor=last.op_type if last is not None and last.op_type.endswith(REGRESSOR) else "",
        rounded_by=next(_rounding(nodes, last), ""),
        is_sorted=next((node.op_type for node in nodes if node.op_type not in {*RENAMING, "Softmax"}), "") == SORTING,
        has_votes=last is not None and last.op_type == "SVMClassifier",
    )


def ancestors(model: Graph, name: str) -> Iterator[Node]:
    """Yield the nodes that compute a tensor, the last one first."""
    needed = {name}
    for node in reversed(model.graph.node):  # a node stands after those that it depends on
        if needed & set(node.output):
            needed.update(node.input)
            yield node


def tree_thresholds(model: Graph, source: Input) -> dict[int, list[float]]:
    """Return the numbers that the trees of a graph compare each feature with, sorted, by the index of the feature.

    The trees stand behind the input, or behind an `Imputer` or a `Scaler` of it, whose work is undone.
    """
    producers = {name: node for node in model.graph.node for name in node.output}
    found: dict[int, set[float]] = defaultdict(set)
    for node in model.graph.node:
        scalers = _scalers(producers, node.input[0], source.name) if node.op_type.startswith("TreeEnsemble") else None
        if scalers is not None:
            for feature, value in comparisons(node):
                found[feature].add(_undo(scalers, feature, value))
    finite = {feature: sorted(filter(math.isfinite, values)) for feature, values in found.items()}
    return {feature: values for feature, values in finite.items() if values and 0 <= feature < source.width}


def _scalers(producers: Mapping[str, Node], name: str, source: str) -> list[Node] | None:
    """Return the `Scaler` nodes between a tensor and the input of the graph, the last first; None for other nodes."""
    scalers = []
    while name != source:
        node = producers.get(name)
        if node is None or node.op_type not in {"Cast", "Identity", "Imputer", "Scaler"}:
            return None
        scalers += [node] if node.op_type == "Scaler" else []
        name = node.input[0]
    return scalers


def _undo(scalers: Sequence[Node], feature: int, value: float) -> float:
    """Return the number that scalers, (x − offset) · scale, turn into this one."""
    for node in scalers:
        offset, scale = _values(node, "offset") or [0.0], _values(node, "scale") or [1.0]
        factor = scale[feature % len(scale)]
        value = (value / factor if factor else 0.0) + offset[feature % len(offset)]
    return value


def comparisons(node: Node) -> Iterator[tuple[int, float]]:
    """Yield feature and threshold of each inner node of the trees; `TreeEnsemble` lists only inner nodes there."""
    features = _values(node, "nodes_featureids")
    values = _values(node, "nodes_splits", "nodes_values", "nodes_values_as_tensor")
    for feature, value, mode in zip(features, values, _values(node, "nodes_modes"), strict=False):
        if mode != b"LEAF":
            yield feature, float(value)


def _values(node: Node, *names: str) -> list[Any]:
    """Return the values of the first attribute with one of these names, an empty list without one."""
    for attribute in node.attribute:
        if attribute.name in names:
            if attribute.HasField("t"):
                return numpy_helper.to_array(attribute.t).ravel().tolist()
            return list(attribute.floats or attribute.ints or attribute.strings)
    return []


def _gives_scores(node: Node) -> bool:
    """Return whether a node gives scores as they are, without a function that makes probabilities of them."""
    if not node.op_type.endswith(("Classifier", "Regressor", "TreeEnsemble")):
        return False
    transforms = [attribute for attribute in node.attribute if attribute.name == "post_transform"]
    return not any(found.s in SOFTMAXES or found.i in NUMBERED_SOFTMAXES for found in transforms)


def _rounding(nodes: Sequence[Node], last: Node | None) -> Iterator[str]:
    """Yield the operators that leave an error in probabilities: sums over trees, exp(log p), and rounding itself.

    `nodes` compute the probabilities, the last one first, and `last` makes their numbers.
    """
    behind_softmax = takewhile(lambda node: node.op_type != "Softmax", nodes)
    yield from (node.op_type for node in behind_softmax if node.op_type in COARSE)
    yield from (node.op_type for node in nodes if node.op_type.startswith("TreeEnsemble") and _gives_scores(node))
    if last is not None and last.op_type == "Exp":
        yield last.op_type
