"""Reads and rewires ONNX graphs for `softmaxd models add`: the only module that imports onnx.

Whatever a classifier looks like, the graph that comes out takes `features` [n, features], of a type that is served, and
gives float32 `logits` and `probabilities` [n, classes]. What was in it before stays as it was.
"""

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
OUR_NAMES = {"features", "logits", "probabilities"}
OUR_PREFIX = "softmaxd_"  # of all other tensors that are added
SMALLEST = float(np.finfo(np.float32).tiny)  # the smallest normal float32, whose logarithm is −87.3


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


def free_rows(model: Graph, source: Source) -> None:
    """Let the graph take any number of rows: only running it shows whether it can."""
    for graph in _graphs(model.graph):
        del graph.value_info[:]
    shape = next(value for value in model.graph.input if value.name == source.name).type.tensor_type.shape
    shape.CopyFrom(_tensor("", source.kind, source.width).type.tensor_type.shape)
    for value in model.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")


def show_softmax_inputs(model: Graph) -> dict[str, str]:
    """Make what each softmax is given an output too, and return its name by that of the output of the softmax."""
    producers = {name: node for node in model.graph.node for name in node.output}
    outputs = [value.name for value in model.graph.output]
    found = {}
    for name in outputs:
        node = producers.get(name)
        while node is not None and node.op_type in {"Identity", "Cast"}:
            node = producers.get(node.input[0])
        if node is not None and node.op_type == "Softmax" and node.domain in STANDARD:
            found[name] = node.input[0]
    new = {name for name in found.values() if name in producers} - set(outputs)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(new))
    return found


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


def rewire(model: Graph, source: Source, heads: Heads) -> None:
    """Give the graph its input `features` and its outputs `logits` and `probabilities`; drop what these do not need."""
    graph = model.graph
    kind = KINDS[source.datatype]
    is_guarded = source.kind == "bool"
    prefix = OUR_PREFIX if is_guarded else ""
    direct = {source.name: "features"} if source.kind == kind else {}
    if heads.are_float32:
        named = ((heads.logits, f"{prefix}logits"), (heads.probabilities, f"{prefix}probabilities"))
        direct |= {name: head for name, head in named if name is not None}
    renamed = _rename(graph, direct)
    name = renamed.get(source.name, source.name)
    logits, probabilities = (renamed.get(head or "", head) for head in (heads.logits, heads.probabilities))
    nodes = [
        _cast("features", name, source.kind),
        *graph.node,
        *_heads(logits, probabilities, prefix=prefix),
        *(_guard(name, source.width) if is_guarded else ()),
    ]
    outputs = [_tensor(head, "float", heads.classes) for head in ("logits", "probabilities")]
    nodes, used = _needed([node for node in nodes if node.input != node.output], outputs)  # no cast to the same name
    inputs = [_tensor("features", kind, source.width), *(value for value in graph.input if value.name != name)]
    changed = helper.make_graph(
        nodes,
        graph.name or "classifier",
        [value for value in inputs if value.name in used],
        outputs,
        initializer=[tensor for tensor in graph.initializer if tensor.name in used],
        sparse_initializer=[tensor for tensor in graph.sparse_initializer if tensor.values.name in used],
    )
    graph.CopyFrom(changed)
    if not opset(model):
        model.opset_import.append(helper.make_opsetid("", LEAST_OPSET))


def _heads(logits: str | None, probabilities: str | None, *, prefix: str) -> Iterator[NodeProto]:
    """Give the nodes that make float32 logits and probabilities of those that the graph has."""
    if logits is not None:
        yield _cast(logits, f"{prefix}logits", "float")
    if probabilities is not None:
        yield _cast(probabilities, f"{prefix}probabilities", "float")
    else:
        yield helper.make_node("Softmax", [f"{prefix}logits"], [f"{prefix}probabilities"], axis=1)
    if logits is None:
        yield _constant("smallest", [SMALLEST])
        yield helper.make_node("Max", [f"{prefix}probabilities", f"{OUR_PREFIX}smallest"], [f"{OUR_PREFIX}at_least"])
        yield helper.make_node("Log", [f"{OUR_PREFIX}at_least"], [f"{prefix}logits"])


def _needed(nodes: list[NodeProto], outputs: list[onnx.ValueInfoProto]) -> tuple[list[NodeProto], set[str]]:
    """Return the nodes that the outputs come from, and the names of all tensors that these use."""
    used = {value.name for value in outputs}
    needed = []
    for node in reversed(nodes):  # each comes after those whose outputs it takes
        if used & set(node.output):
            needed.append(node)
            used.update(node.input)
            used.update(name for inner in _subgraphs(node) for graph in _graphs(inner) for name in _names(graph))
    return needed[::-1], used


def _guard(name: str, width: int) -> Iterator[NodeProto]:
    """Give the nodes that answer NaN to a row with a number that is neither 0 nor 1, of an input of booleans.

    A cast would make 1 of it, and the model would answer to another row.
    """
    yield _cast(name, f"{OUR_PREFIX}held", "float")
    yield helper.make_node("Sub", ["features", f"{OUR_PREFIX}held"], [f"{OUR_PREFIX}lost"])
    yield helper.make_node("Abs", [f"{OUR_PREFIX}lost"], [f"{OUR_PREFIX}lost_size"])
    yield _constant("ones", [[1.0]] * width)
    yield helper.make_node("MatMul", [f"{OUR_PREFIX}lost_size", f"{OUR_PREFIX}ones"], [f"{OUR_PREFIX}lost_of_row"])
    yield _constant("zero", [0.0])
    yield helper.make_node("Greater", [f"{OUR_PREFIX}lost_of_row", f"{OUR_PREFIX}zero"], [f"{OUR_PREFIX}refuse"])
    yield _constant("nan", [float("nan")])
    for head in ("logits", "probabilities"):
        inputs = [f"{OUR_PREFIX}refuse", f"{OUR_PREFIX}nan", f"{OUR_PREFIX}{head}"]
        yield helper.make_node("Where", inputs, [head])


def _cast(source: str, target: str, kind: str) -> NodeProto:
    return helper.make_node("Cast", [source], [target], to=TensorProto.DataType.Value(kind.upper()))


def _constant(name: str, values: list[float] | list[list[float]]) -> NodeProto:
    tensor = numpy_helper.from_array(np.array(values, dtype=np.float32))
    return helper.make_node("Constant", [], [OUR_PREFIX + name], value=tensor)


def _tensor(name: str, kind: str, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.DataType.Value(kind.upper()), ["n", width])


def _rename(graph: GraphProto, direct: dict[str, str]) -> dict[str, str]:
    """Rename tensors as asked, and all others that have a name of ours; returns the new name by the old one."""
    used = {name for each in _graphs(graph) for name in _names(each)}
    renamed = dict(direct)
    for old in sorted(name for name in used if name in OUR_NAMES or name.startswith(OUR_PREFIX)):
        if old not in direct:
            new = f"{old}_"
            while new in used:
                new += "_"
            used.add(new)
            renamed[old] = new
    for each in _graphs(graph):
        for value in (*each.input, *each.output, *each.initializer):
            value.name = renamed.get(value.name, value.name)
        for tensor in each.sparse_initializer:
            tensor.values.name = renamed.get(tensor.values.name, tensor.values.name)
        for node in each.node:
            for names in (node.input, node.output):
                names[:] = [renamed.get(name, name) for name in names]
    return renamed


def _names(graph: GraphProto) -> Iterator[str]:
    for value in (*graph.input, *graph.initializer):
        yield value.name
    for tensor in graph.sparse_initializer:
        yield tensor.values.name
    for node in graph.node:
        yield from (*node.input, *node.output)


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """Give a graph and all that its nodes have: the branches of an `If`, the body of a `Loop`."""
    yield graph
    for node in graph.node:
        for inner in _subgraphs(node):
            yield from _graphs(inner)


def _subgraphs(node: NodeProto) -> list[GraphProto]:
    return [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs) if graph.node]


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    for each in _graphs(graph):
        yield from each.initializer
        for node in each.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)


def _foreign_operators(graph: GraphProto) -> set[str]:
    nodes = [node for each in _graphs(graph) for node in each.node]
    return {f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in DOMAINS}
