"""Reads ONNX graphs: operators, tensors, label lists."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError, Message
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, defs, helper, numpy_helper
from onnx.external_data_helper import uses_external_data
from onnx.inliner import inline_local_functions

from softmaxd.adding.packing import pack
from softmaxd.errors import Refused
from softmaxd.models.features import INPUT, KINDS, TABLE_KINDS, Datatype, TableDatatype
from softmaxd.models.onnxfile import MAX_MODEL_BYTES, OPERATOR_DOMAINS

STANDARD_DOMAINS = {"", "ai.onnx"}
DOMAINS = {domain.decode() for domain in OPERATOR_DOMAINS}
OLDEST_OPSET = 9  # the first with `Where`, which rewiring may add
OUR_PREFIX = "softmaxd_"  # of every tensor that is added, other than inputs and outputs
FIRST_FIELD = b"\x08"  # of an ONNX file: the version of its format
NO_ONNX = "this is not an ONNX file: export the model to ONNX first"
CONVERTED = {"float16", "bool"}  # types of the only input that are served as float32

Graph = ModelProto
Node = NodeProto


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a graph, [rows, features], or [rows, …] of tensors."""

    name: str
    kind: str  # ONNX Runtime's name for its type: float, int64 …
    shape: tuple[int, ...]  # of a row; empty for [rows], in a table
    rows: int | None  # None if the graph takes any number of rows

    @property
    def inputs(self) -> "tuple[Input, ...]":
        return (self,)

    @property
    def width(self) -> int:
        """The numbers of a row."""
        return math.prod(self.shape)

    @property
    def is_tensor(self) -> bool:
        return len(self.shape) > 1

    @property
    def datatype(self) -> Datatype:
        """The type that the service takes for this input: the input's own if it is served, else float32."""
        return next((datatype for datatype, kind in KINDS.items() if kind == self.kind), "FP32")

    @property
    def column_type(self) -> TableDatatype:
        """The type that the service takes for its columns in a table, where booleans and texts have their own."""
        datatypes: tuple[TableDatatype, ...] = get_args(TableDatatype)
        return next((datatype for datatype in datatypes if TABLE_KINDS[datatype] == self.kind), "FP32")

    def fed(self, rows: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return rows [n, width] as the graph takes them."""
        rows = rows.reshape(-1, *self.shape)
        return {self.name: rows.astype(self.kind) if self.kind in CONVERTED else rows}

    def with_values(self, rows: npt.NDArray[Any], values: Mapping[int, object]) -> npt.NDArray[Any]:
        """Return the rows with other values in some columns."""
        rows = rows.copy()
        for index, value in values.items():
            rows[:, index] = value
        return rows

    def served(self, rows: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return rows [n, width] as the graph that is served takes them."""
        return {INPUT: rows.reshape(-1, *self.shape)}


MANY_CLASSES = 200  # their probabilities are normalised: float32 may take the sum of more from 1 by almost 1e-6


@dataclass(frozen=True, slots=True)
class Heads:
    """The tensors [n, classes] that are a graph's logits and its probabilities; at most one of them is None."""

    logits: str | None
    probabilities: str | None
    classes: int
    are_float32: bool
    is_rounded: bool = False  # the probabilities leave [0, 1], or do not sum to 1, by rounding only


def read(content: bytes, weights: Path | None = None) -> Graph:
    """Return the graph of an ONNX file, with its functions inlined, and with the weights that are in a folder, if any.

    Raises `Refused` if the file is no ONNX file, is not complete in itself, or needs operators that cannot be served.
    Without the folder of its `weights` a file that has external data is not complete.
    """
    model = _parse(content)
    if model.functions:
        model = inline_local_functions(model)
    if outside := [tensor for tensor in _tensors(model.graph) if uses_external_data(tensor)]:
        if weights is None:
            raise Refused("the weights are in another file (external data): --pack takes them from the same folder")
        pack(outside, weights, MAX_MODEL_BYTES - len(content))
    if custom := sorted(_custom_operators(model.graph)):
        raise Refused(f"custom operators ({', '.join(custom)}) are not supported: use those of ONNX and ONNX Runtime")
    _raise_opset(model)
    return model


def _raise_opset(model: Graph) -> None:
    """Declare the oldest opset that is served for an older one with the same operators. Raises `Refused` for others."""
    nodes = [node for graph in nested_graphs(model.graph) for node in graph.node if node.domain in STANDARD_DOMAINS]
    for entry in model.opset_import:
        if entry.domain in STANDARD_DOMAINS and entry.version < OLDEST_OPSET:
            if not all(_is_same(node.op_type, entry.version) for node in nodes):
                raise Refused(f"opset {entry.version} is too old: export with opset {OLDEST_OPSET} or newer")
            entry.version = OLDEST_OPSET


def _is_same(operator: str, opset: int) -> bool:
    """Return whether an operator of an older opset is also that of the oldest opset that is served."""
    try:
        versions = {defs.get_schema(operator, each).since_version for each in (opset, OLDEST_OPSET)}
    except defs.SchemaError:
        return False
    return len(versions) == 1


def _parse(content: bytes) -> Graph:
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        is_cut_off = content.startswith(FIRST_FIELD)
        raise Refused(
            "this ONNX file is damaged or incomplete: copy or export it again" if is_cut_off else NO_ONNX
        ) from error
    if not _is_text(model):
        raise Refused("it has a name or another text that is not UTF-8")
    if not model.graph.node:
        raise Refused(NO_ONNX)
    return model


def _is_text(model: Graph) -> bool:
    """Return whether every text is UTF-8; protobuf hands out one that is not as bytes."""
    return all(isinstance(text, str) for text in _texts(model))


def _texts(message: Message) -> Iterator[object]:
    for field, value in message.ListFields():
        values = [value] if isinstance(value, str | Message) else value
        if field.type == field.TYPE_STRING:
            yield from values
        elif field.type == field.TYPE_MESSAGE:
            for inner in values:
                yield from _texts(inner)


def exporter(model: Graph) -> str:
    """Return the program that wrote the file, or "" if the file does not name it: `skl2onnx 1.20.0`.

    CatBoost writes a page about its build as its version, with the number in it.
    """
    version = model.producer_version
    if "\n" in version:
        version = "".join(re.findall(r"\d+(?:\.\d+)+", version)[:1])
    return f"{model.producer_name} {version}".strip()


def opset(model: Graph, domains: Collection[str] = STANDARD_DOMAINS) -> int:
    """Return the version of the operators of these domains that a graph uses, 0 if it uses none of them."""
    return max((entry.version for entry in model.opset_import if entry.domain in domains), default=0)


def unwrap_outputs(model: Graph) -> tuple[str, ...]:
    """Make the table [n, classes] behind a ZipMap or a quantised softmax the output in its place; return notes on it.

    A ZipMap turns a table into n dictionaries. It stays in the graph for its labels, and gets float32, the only type
    that ONNX Runtime takes there: skl2onnx gives it float64, too.
    """
    producers = {name: node for node in model.graph.node for name in node.output}
    notes = []
    for value in model.graph.output:
        name = value.name
        table, wrapping = _wrapped(producers.get(name, NodeProto()), producers)
        if table:
            node = producers[name]
            added = [helper.make_node("Identity", [table], [name])]
            if node.op_type == "ZipMap":
                node.input[0] = f"{name} as float32"
                added.append(helper.make_node("Cast", [table], [node.input[0]], to=TensorProto.FLOAT))
            node.output[0] = f"{name} as it was"
            value.CopyFrom(onnx.ValueInfoProto(name=name))
            place = list(model.graph.node).index(node)
            for each in added:
                model.graph.node.insert(place, each)
            notes.append(f"{name}: the tensor {table}, without its {wrapping}")
    return tuple(notes)


def _wrapped(node: NodeProto, producers: Mapping[str, NodeProto]) -> tuple[str, str]:
    """Return the table that a node wraps and the name of the wrapping, or empty texts."""
    if node.op_type == "ZipMap":
        return "".join(node.input), "ZipMap"
    inner = producers.get("".join(node.input[:1]), NodeProto())
    table = "".join(inner.input[:1])
    pair = (node.op_type, inner.op_type, producers.get(table, NodeProto()).op_type)
    return (table, "quantisation") if pair == ("DequantizeLinear", "QuantizeLinear", "Softmax") else ("", "")


def quantises_dynamically(model: Graph) -> bool:
    """Return whether a graph takes the scale of integers from the numbers of a run, those of all its rows."""
    nodes = [node for graph in nested_graphs(model.graph) for node in graph.node]
    return any(node.op_type.startswith("DynamicQuantize") for node in nodes)


def uses_bfloat16(model: Graph) -> bool:
    """Return whether an input, output, constant or cast of a graph has the type bfloat16."""
    kinds = [value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)]
    kinds += [tensor.data_type for tensor in _tensors(model.graph)]
    casts = [node for graph in nested_graphs(model.graph) for node in graph.node if node.op_type == "Cast"]
    return TensorProto.BFLOAT16 in {*kinds, *(attribute.i for node in casts for attribute in node.attribute)}


def label_lists(model: Graph, classes: int) -> set[tuple[str, ...]]:
    """Return every list of `classes` labels in the nodes of a graph."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    lists = []
    for node in model.graph.node:
        attributes = [attribute for attribute in node.attribute if attribute.name.startswith("classlabels")]
        lists += [helper.get_attribute_value(attribute) for attribute in attributes]
        if node.op_type == "ArrayFeatureExtractor" and node.input[0] in constants:
            lists.append(numpy_helper.to_array(constants[node.input[0]]).ravel().tolist())
    return {tuple(label_text(label) for label in labels) for labels in lists if len(labels) == classes}


def label_text(label: object) -> str:
    """Return a graph's label, a number or a text, as text; false and true become 0 and 1."""
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    return str(int(label)) if isinstance(label, bool | np.bool_) else str(label)


def nested_graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """Yield a graph and every graph inside its nodes: the branches of an `If`, the body of a `Loop`."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from nested_graphs(inner)


def subgraphs(node: NodeProto) -> list[GraphProto]:
    """Return the graphs that are attributes of a node."""
    return [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs) if graph.node]


def tensor_names(graph: GraphProto) -> Iterator[str]:
    """Yield the name of every tensor of a graph, without those of the graphs inside its nodes."""
    for value in (*graph.input, *graph.initializer):
        yield value.name
    for tensor in graph.sparse_initializer:
        yield tensor.values.name
    for node in graph.node:
        yield from (*node.input, *node.output)


def tensors_used(node: NodeProto) -> Iterator[str]:
    """Yield the tensors that a node takes, those that its graphs take from outside among them."""
    yield from node.input
    for inner in subgraphs(node):
        for graph in nested_graphs(inner):
            yield from tensor_names(graph)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    for each in nested_graphs(graph):
        yield from each.initializer
        for node in each.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)


def _custom_operators(graph: GraphProto) -> set[str]:
    nodes = [node for each in nested_graphs(graph) for node in each.node]
    return {f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in DOMAINS}
