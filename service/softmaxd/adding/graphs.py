"""Reads ONNX graphs: their operators, tensors and label lists. Only this module and `rewiring` import onnx."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import uses_external_data
from onnx.inliner import inline_local_functions

from softmaxd.errors import Refused
from softmaxd.models.manifest import KINDS, Datatype
from softmaxd.models.onnxfile import OPERATOR_DOMAINS

STANDARD_DOMAINS = {"", "ai.onnx"}
DOMAINS = {domain.decode() for domain in OPERATOR_DOMAINS}
OLDEST_OPSET = 9  # the first with `Where`, which rewiring may add

Graph = ModelProto


@dataclass(frozen=True, slots=True)
class Input:
    """The one input of a graph, [rows, width]."""

    name: str
    kind: str  # ONNX Runtime's name for its type: float, int64 …
    width: int
    rows: int | None  # None if the graph takes any number of rows

    @property
    def datatype(self) -> Datatype:
        """The type that the service takes for this input: the input's own if it is served, else float32."""
        return next((datatype for datatype, kind in KINDS.items() if kind == self.kind), "FP32")


@dataclass(frozen=True, slots=True)
class Heads:
    """The tensors [n, classes] that are a graph's logits and its probabilities; at most one of them is None."""

    logits: str | None
    probabilities: str | None
    classes: int
    are_float32: bool


def read(content: bytes) -> Graph:
    """Return the graph of an ONNX file, with its functions inlined.

    Raises `Refused` if the file is no ONNX file, is not complete in itself, or needs operators that cannot be served.
    """
    model = _parse(content)
    if model.functions:
        model = inline_local_functions(model)
    if any(uses_external_data(tensor) for tensor in _tensors(model.graph)):
        raise Refused(
            "the weights are in another file (external data): save one file with "
            "onnx.save(onnx.load('FILE'), 'one.onnx'), or from PyTorch with torch.onnx.export(…, external_data=False)"
        )
    if custom := sorted(_custom_operators(model.graph)):
        raise Refused(f"custom operators ({', '.join(custom)}) are not supported: use those of ONNX and ONNX Runtime")
    if 0 < opset(model) < OLDEST_OPSET:
        raise Refused(f"opset {opset(model)} is too old: export with opset {OLDEST_OPSET} or newer")
    return model


def _parse(content: bytes) -> Graph:
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise Refused("this is not an ONNX file: export the model to ONNX first") from error
    if not _is_text(model):
        raise Refused("it has a name or another text that is not UTF-8")
    if not model.graph.node:
        raise Refused("this is not an ONNX file: export the model to ONNX first")
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
    """Return the program that wrote the file, or "" if the file does not name it: `skl2onnx 1.20.0`."""
    return f"{model.producer_name} {model.producer_version}".strip()


def opset(model: Graph) -> int:
    """Return the version of the standard operators that a graph uses, 0 if it uses none of them."""
    return max((entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS), default=0)


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


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    for each in nested_graphs(graph):
        yield from each.initializer
        for node in each.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)


def _custom_operators(graph: GraphProto) -> set[str]:
    nodes = [node for each in nested_graphs(graph) for node in each.node]
    return {f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in DOMAINS}
