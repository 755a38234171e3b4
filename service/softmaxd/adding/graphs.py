"""Reads ONNX graphs for `softmaxd models add`: the only modules that import onnx are this one and `rewiring`."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import uses_external_data
from onnx.inliner import inline_local_functions

from softmaxd.models.engine import KINDS
from softmaxd.models.manifest import Datatype
from softmaxd.models.onnxfile import OPERATOR_DOMAINS
from softmaxd.models.publishing import Refused

STANDARD = {"", "ai.onnx"}
DOMAINS = {domain.decode() for domain in OPERATOR_DOMAINS}
LEAST_OPSET = 9  # with `Where`
Graph = ModelProto


@dataclass(frozen=True, slots=True)
class Source:
    """The one input of a graph [rows, width]: `rows` when it was exported for exactly as many."""

    name: str
    kind: str  # as ONNX Runtime writes it: float, int64, …
    width: int
    rows: int | None

    @property
    def datatype(self) -> Datatype:
        """The type of what the service is given for it: its own, or float32 where that type is not served."""
        return next((datatype for datatype, kind in KINDS.items() if kind == self.kind), "FP32")


@dataclass(frozen=True, slots=True)
class Heads:
    """The tensors [n, classes] of a graph that are its logits and its probabilities; one of them may be missing."""

    logits: str | None
    probabilities: str | None
    classes: int
    are_float32: bool


def read(content: bytes) -> Graph:
    """Return the graph of an ONNX file, its functions inlined. Raises `Refused` when it is not complete in itself."""
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise Refused("it is not an ONNX file; a model of another format must be exported to ONNX first") from error
    if not model.graph.node:
        raise Refused("it is not an ONNX file; a model of another format must be exported to ONNX first")
    if model.functions:
        model = inline_local_functions(model)
    if any(uses_external_data(tensor) for tensor in _tensors(model.graph)):
        raise Refused(
            "it keeps its weights in another file (external data): save it as one, with "
            "onnx.save(onnx.load('FILE'), 'one.onnx'), or from PyTorch with torch.onnx.export(…, external_data=False)"
        )
    foreign = sorted(_foreign_operators(model.graph))
    if foreign:
        raise Refused(f"it needs custom operators ({', '.join(foreign)}): only those of ONNX and ONNX Runtime are run")
    if 0 < opset(model) < LEAST_OPSET:
        raise Refused(f"it is of opset {opset(model)}: export it with {LEAST_OPSET} or a newer one")
    return model


def maker(model: Graph) -> str:
    """Return what wrote the file, when it says so: `skl2onnx 1.20.0`."""
    return f"{model.producer_name} {model.producer_version}".strip()


def opset(model: Graph) -> int:
    """Return the version of the standard operators that a graph is written in, 0 when it has none of them."""
    return max((entry.version for entry in model.opset_import if entry.domain in STANDARD), default=0)


def label_lists(model: Graph, classes: int) -> set[tuple[str, ...]]:
    """Return every list of as many labels as there are classes that a node of the graph has."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    lists = []
    for node in model.graph.node:
        attributes = [attribute for attribute in node.attribute if attribute.name.startswith("classlabels")]
        lists += [helper.get_attribute_value(attribute) for attribute in attributes]
        if node.op_type == "ArrayFeatureExtractor" and node.input[0] in constants:
            lists.append(numpy_helper.to_array(constants[node.input[0]]).ravel().tolist())
    return {tuple(label_text(label) for label in labels) for labels in lists if len(labels) == classes}


def label_text(label: object) -> str:
    """Return a label of a graph, a number or a text, as text; false and true are the classes 0 and 1."""
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    return str(int(label)) if isinstance(label, bool | np.bool_) else str(label)


def tensor_names(graph: GraphProto) -> Iterator[str]:
    for value in (*graph.input, *graph.initializer):
        yield value.name
    for tensor in graph.sparse_initializer:
        yield tensor.values.name
    for node in graph.node:
        yield from (*node.input, *node.output)


def nested_graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """Give a graph and all that its nodes have: the branches of an `If`, the body of a `Loop`."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from nested_graphs(inner)


def subgraphs(node: NodeProto) -> list[GraphProto]:
    return [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs) if graph.node]


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    for each in nested_graphs(graph):
        yield from each.initializer
        for node in each.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)


def _foreign_operators(graph: GraphProto) -> set[str]:
    nodes = [node for each in nested_graphs(graph) for node in each.node]
    return {f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in DOMAINS}
