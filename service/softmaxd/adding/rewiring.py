"""Rewires ONNX graphs for `softmaxd models add`.

Whatever a classifier looks like, the graph that comes out takes `features` [n, features], of a type that is served, and
gives float32 `logits` and `probabilities` [n, classes]. What was in it before stays as it was.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from softmaxd.adding.graphs import (
    LEAST_OPSET,
    STANDARD,
    Graph,
    Heads,
    Source,
    nested_graphs,
    opset,
    subgraphs,
    tensor_names,
)
from softmaxd.models.engine import KINDS

OUR_NAMES = {"features", "logits", "probabilities"}
OUR_PREFIX = "softmaxd_"  # of all other tensors that are added
SMALLEST = float(np.finfo(np.float32).tiny)  # the smallest normal float32, whose logarithm is −87.3


def free_rows(model: Graph, source: Source) -> None:
    """Let the graph take any number of rows: only running it shows whether it can."""
    for graph in nested_graphs(model.graph):
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
            used.update(
                name for inner in subgraphs(node) for graph in nested_graphs(inner) for name in tensor_names(graph)
            )
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
    used = {name for each in nested_graphs(graph) for name in tensor_names(each)}
    renamed = dict(direct)
    for old in sorted(name for name in used if name in OUR_NAMES or name.startswith(OUR_PREFIX)):
        if old not in direct:
            new = f"{old}_"
            while new in used:
                new += "_"
            used.add(new)
            renamed[old] = new
    for each in nested_graphs(graph):
        for value in (*each.input, *each.output, *each.initializer):
            value.name = renamed.get(value.name, value.name)
        for tensor in each.sparse_initializer:
            tensor.values.name = renamed.get(tensor.values.name, tensor.values.name)
        for node in each.node:
            for names in (node.input, node.output):
                names[:] = [renamed.get(name, name) for name in names]
    return renamed
