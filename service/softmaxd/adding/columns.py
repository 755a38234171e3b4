"""Follows the features of a graph through its operators: to encoders of texts, and to trees."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from softmaxd.adding.graphs import Graph, Input, Node, tensors_used
from softmaxd.adding.operators import comparisons
from softmaxd.adding.tables import Source

KEEPING = {"Cast", "Dropout", "Flatten", "Identity", "Imputer", "Squeeze", "StringNormalizer", "Unsqueeze"}

CONSTANTS = ("value", "value_ints", "value_strings")  # attributes of a node `Constant` that is a list


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a tensor: the features that it depends on, and a line if it is a · x + b of the only one, x."""

    features: frozenset[int]
    line: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A tensor: the features that it depends on, and its columns, as far as they are known."""

    features: frozenset[int]
    columns: tuple[Column, ...] = ()

    def picked(self, indices: Iterable[int]) -> "Trace":
        return _trace(self.columns[index] for index in indices)


Constants = Mapping[str, npt.NDArray[Any]]


def trace(model: Graph, source: Source) -> dict[str, Trace]:
    """Return the trace of every tensor that depends on a feature, by its name. Features are counted in order.

    Rows that are tensors have no features to follow.
    """
    traces: dict[str, Trace] = {}
    if isinstance(source, Input) and source.is_tensor:
        return traces
    count = 0
    for each in source.inputs:
        traces[each.name] = _trace(Column(frozenset({count + index}), (1.0, 0.0)) for index in range(each.width))
        count += each.width
    constants = constants_of(model)
    for node in model.graph.node:
        used = [traces[name] for name in tensors_used(node) if name in traces]
        if used:
            found = _outputs(node, traces, constants) if node.input and node.input[0] in traces else None
            every = Trace(frozenset().union(*(each.features for each in used)))
            traces |= dict(zip(node.output, found or [every] * len(node.output), strict=False))
    return traces


def thresholds(model: Graph, traces: Mapping[str, Trace]) -> dict[int, list[float]]:
    """Return the numbers that the trees of a graph compare each feature with, sorted, by the index of the feature."""
    found: dict[int, set[float]] = defaultdict(set)
    for node in model.graph.node:
        if node.op_type.startswith("TreeEnsemble") and node.input[0] in traces:
            columns = dict(enumerate(traces[node.input[0]].columns))
            for index, value in comparisons(node):
                column = columns.get(index)
                if column is not None and column.line is not None and column.line[0]:
                    found[min(column.features)].add((value - column.line[1]) / column.line[0])
    finite = {feature: sorted(filter(math.isfinite, values)) for feature, values in found.items()}
    return {feature: values for feature, values in finite.items() if values}


def constants_of(model: Graph) -> dict[str, npt.NDArray[Any]]:
    """Return the constant tensors of a graph that are texts, indices or shapes, by name."""
    kinds = {TensorProto.STRING, TensorProto.INT32, TensorProto.INT64}
    found = {tensor.name: _array(tensor) for tensor in model.graph.initializer if tensor.data_type in kinds}
    for node in model.graph.node:
        if node.op_type == "Constant":
            values = attributes_of(node)
            found |= {name: np.array(values[key]) for name in node.output for key in CONSTANTS if key in values}
    return found


def attributes_of(node: Node) -> dict[str, Any]:
    """Return the attributes of a node by name, tensors as arrays and texts as bytes."""
    given = [attribute for attribute in node.attribute if attribute.type and not attribute.ref_attr_name]
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in given}
    return {name: _array(value) if isinstance(value, TensorProto) else value for name, value in values.items()}


def strings(values: npt.NDArray[Any]) -> list[str]:
    """Return the texts of a tensor, none if it has numbers."""
    if values.dtype.kind not in "OSU":
        return []
    return [text.decode(errors="replace") if isinstance(text, bytes) else text for text in values.ravel().tolist()]


def _array(tensor: TensorProto) -> npt.NDArray[Any]:
    if tensor.data_type == TensorProto.STRING:
        return np.array(list(tensor.string_data), object)  # which need not be UTF-8
    return numpy_helper.to_array(tensor)


def _trace(columns: Iterable[Column]) -> Trace:
    columns = tuple(columns)
    return Trace(frozenset().union(*(column.features for column in columns)), columns)


def _outputs(node: Node, traces: Mapping[str, Trace], constants: Constants) -> list[Trace] | None:
    """Return the traces of a node's outputs where their columns are those of its inputs; None for others."""
    first = traces[node.input[0]]
    parts = [traces[name] for name in node.input if name in traces]
    if node.op_type == "Concat":
        is_known = len(parts) == len(node.input) and all(part.columns for part in parts)
        return [_trace(column for part in parts for column in part.columns)] if is_known else None
    if node.op_type == "Where":
        is_known = len({len(part.columns) for part in parts}) == 1
        return [_trace(map(_chosen, zip(*(part.columns for part in parts), strict=True)))] if is_known else None
    if not first.columns:
        return None
    if node.op_type in KEEPING:
        return [first]
    change = CHANGES.get(node.op_type)
    return change(node, first, constants) if change else None


def _chosen(columns: Iterable[Column]) -> Column:
    """Return a column that is one of several, with the line of the only one that has a line: others are constants."""
    columns = tuple(columns)
    lines = [column.line for column in columns if column.line is not None]
    return Column(frozenset().union(*(column.features for column in columns)), lines[0] if len(lines) == 1 else None)


def _reshaped(node: Node, first: Trace, constants: Constants) -> list[Trace] | None:
    """Keep the columns where a row stays a row."""
    shape = constants.get(node.input[1], np.zeros(0)).ravel().tolist()
    return [first] if shape and math.prod(shape[1:]) in {len(first.columns), -len(first.columns)} else None


def _scaled(node: Node, first: Trace, _constants: Constants) -> list[Trace] | None:
    """Return the columns (x − offset) · scale."""
    attributes = attributes_of(node)
    offset, scale = attributes.get("offset") or [0.0], attributes.get("scale") or [1.0]
    columns = []
    for index, column in enumerate(first.columns):
        factor, less = scale[index % len(scale)], offset[index % len(offset)]
        line = column.line and (column.line[0] * factor, (column.line[1] - less) * factor)
        columns.append(Column(column.features, line))
    return [_trace(columns)]


def _encoded(node: Node, first: Trace, _constants: Constants) -> list[Trace] | None:
    """Return a column for each category of one column."""
    attributes = attributes_of(node)
    categories = attributes.get("cats_strings") or attributes.get("cats_int64s") or []
    return [_trace([Column(first.features)] * len(categories))] if len(first.columns) == 1 else None


def _numbered(_node: Node, first: Trace, _constants: Constants) -> list[Trace]:
    return [_trace(Column(column.features) for column in first.columns)]


def _gathered(node: Node, first: Trace, constants: Constants) -> list[Trace] | None:
    is_along = node.op_type == "ArrayFeatureExtractor" or attributes_of(node).get("axis", 0) in {1, -1}
    indices = constants.get(node.input[1]) if is_along else None
    return None if indices is None else _picked(first, [indices.ravel()])


def _sliced(node: Node, first: Trace, constants: Constants) -> list[Trace] | None:
    names = dict(zip(("data", "starts", "ends", "axes", "steps"), node.input, strict=False)) | {"data": ""}
    given = {key: np.ravel(constants.get(name, [])) for key, name in names.items() if name} or attributes_of(node)
    if list(given.get("axes", [0])) not in ([1], [-1]) or not all(len(values) for values in given.values()):
        return None
    start, stop, step = (int(given.get(key, [1])[0]) for key in ("starts", "ends", "steps"))
    return _picked(first, [np.arange(len(first.columns))[start:stop:step]])


def _split(node: Node, first: Trace, constants: Constants) -> list[Trace] | None:
    attributes = attributes_of(node)
    if attributes.get("axis", 0) not in {1, -1}:
        return None
    sizes = constants.get(node.input[1]) if len(node.input) > 1 else attributes.get("split")
    indices = np.arange(len(first.columns))
    parts = np.array_split(indices, len(node.output)) if sizes is None else np.split(indices, np.cumsum(sizes)[:-1])
    return _picked(first, parts)


def _picked(first: Trace, parts: Sequence[npt.NDArray[Any]]) -> list[Trace] | None:
    size = len(first.columns)
    if any(((part < -size) | (part >= size)).any() for part in parts):
        return None
    return [first.picked(part.tolist()) for part in parts]


CHANGES: Mapping[str, Callable[[Node, Trace, Constants], list[Trace] | None]] = {
    "ArrayFeatureExtractor": _gathered,
    "CategoryMapper": _numbered,
    "Gather": _gathered,
    "IsNaN": _numbered,
    "LabelEncoder": _numbered,
    "Not": _numbered,
    "OneHotEncoder": _encoded,
    "Reshape": _reshaped,
    "Scaler": _scaled,
    "Slice": _sliced,
    "Split": _split,
}
