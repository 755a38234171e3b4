"""Rewires an ONNX graph to the names and types that the service expects.

The new graph takes `features` [n, features], of a type that is served, or the inputs of a table, each [n, columns]. It
gives float32 `logits` and `probabilities` [n, classes]. The operators in between, and their weights, stay as they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from softmaxd.adding.graphs import (
    MANY_CLASSES,
    OLDEST_OPSET,
    OUR_PREFIX,
    STANDARD_DOMAINS,
    Graph,
    Heads,
    Input,
    nested_graphs,
    opset,
    tensor_names,
    tensors_used,
)
from softmaxd.adding.tables import Source, Table
from softmaxd.models.features import INPUT, KINDS, TABLE_KINDS
from softmaxd.models.manifest import ATYPICALITY, OUTPUTS

OUR_NAMES = {INPUT, *OUTPUTS, ATYPICALITY}
SMALLEST = float(np.finfo(np.float32).tiny)  # the smallest normal float32: ln 0 does not exist


def forget_types(model: Graph) -> None:
    """Remove the types and shapes of all tensors but the inputs, which ONNX Runtime finds out itself.

    Exporters declare some that the operators do not give, and ONNX Runtime loads no such file: float64 for the scores
    of trees, or a fixed number of rows.
    """
    for graph in nested_graphs(model.graph):
        del graph.value_info[:]
    for value in model.graph.output:
        value.CopyFrom(onnx.ValueInfoProto(name=value.name))


def free_rows(model: Graph, source: Source) -> None:
    """Declare that the graph takes any number of rows; only running it shows whether it does."""
    values = {value.name: value for value in model.graph.input}
    for each in source.inputs:
        values[each.name].type.CopyFrom(_tensor("", each.kind, each.shape).type)
    if isinstance(source, Table):
        _take_columns(model, source)


def _take_columns(model: Graph, table: Table) -> None:
    """Let the graph take each input of a table as columns [n, d], of a type that is served."""
    nodes = []
    changed = [each for each in table.inputs if not each.shape or each.kind != TABLE_KINDS[each.column_type]]
    inside = {each.name: f"{OUR_PREFIX}{each.name}_as_it_was" for each in changed}
    rename_tensors(model.graph, inside)
    values = {value.name: value for value in model.graph.input}
    for each in changed:
        name = inside[each.name]
        values[name].CopyFrom(_tensor(each.name, TABLE_KINDS[each.column_type], [each.width]))
        nodes += [
            _constant(f"{each.name}_shape", [-1, *each.shape], np.int64),
            helper.make_node("Reshape", [each.name, f"{OUR_PREFIX}{each.name}_shape"], [f"{name}_served"]),
            _cast(f"{name}_served", name, each.kind),
        ]
    kept = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *kept])


def show_softmax_inputs(model: Graph) -> dict[str, str]:
    """Make the input of each final softmax an output of the graph; return its name by the softmax's output."""
    producers = {name: node for node in model.graph.node for name in node.output}
    outputs = [value.name for value in model.graph.output]
    found = {}
    for name in outputs:
        node = producers.get(name)
        while node is not None and node.op_type in {"Identity", "Cast"}:
            node = producers.get(node.input[0])
        if node is not None and node.op_type == "Softmax" and node.domain in STANDARD_DOMAINS:
            found[name] = node.input[0]
    new = {name for name in found.values() if name in producers} - set(outputs)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(new))
    return found


def widen(model: Graph, names: Iterable[str]) -> None:
    """Let the graph give these outputs, which are float16 or bfloat16, as float32.

    ONNX Runtime computes float16 in float32 on a CPU, and rounds where a tensor is an output. Which tensors are
    outputs changes later, and so would the rounding.
    """
    inside = {name: f"{OUR_PREFIX}{name}_as_it_was" for name in names}
    kept = [value.name for value in model.graph.output]
    rename_tensors(model.graph, inside)
    for value, name in zip(model.graph.output, kept, strict=True):
        if name in inside:
            value.CopyFrom(onnx.ValueInfoProto(name=name))
            model.graph.node.append(_cast(inside[name], name, "float"))


def rewire(model: Graph, source: Source, heads: Heads) -> None:
    """Give the graph its input `features`, or those of a table, and its outputs `logits` and `probabilities`.

    It loses all that they don't need. `source` and `heads` name the tensors of the graph as it is now.
    """
    graph = model.graph
    guarded = source if isinstance(source, Input) and source.kind == "bool" else None
    prefix = OUR_PREFIX if guarded else ""
    new_names = free_names(graph, _wanted_inputs(source) | _wanted_heads(heads, prefix))
    rename_tensors(graph, new_names)
    names = {new_names.get(each.name, each.name) for each in source.inputs}
    logits, probabilities = (new_names.get(head or "", head) for head in (heads.logits, heads.probabilities))
    nodes = [
        *(_cast(INPUT, name, source.kind) for name in names if isinstance(source, Input)),
        *graph.node,
        *_head_nodes(logits, probabilities, prefix=prefix, heads=heads),
        *(_guard_nodes(new_names.get(guarded.name, guarded.name), guarded) if guarded else ()),
    ]
    inputs = [*_served_inputs(source), *(value for value in graph.input if value.name not in names)]
    outputs = [_tensor(head, "float", [heads.classes]) for head in OUTPUTS]
    graph.CopyFrom(needed_graph(graph, [node for node in nodes if not _is_renaming(node)], inputs, outputs))
    if not opset(model):
        model.opset_import.append(helper.make_opsetid("", OLDEST_OPSET))


def _served_inputs(source: Source) -> Iterator[onnx.ValueInfoProto]:
    if isinstance(source, Input):
        yield _tensor(INPUT, KINDS[source.datatype], source.shape)
        return
    for each in source.inputs:
        yield _tensor(source.served_names[each.name], TABLE_KINDS[each.column_type], [each.width])


def _wanted_inputs(source: Source) -> dict[str, str]:
    """Return the names of inputs that are taken as they are, by their old names."""
    if isinstance(source, Table):
        return source.served_names
    return {source.name: INPUT} if source.kind == KINDS[source.datatype] else {}


def _wanted_heads(heads: Heads, prefix: str) -> dict[str, str]:
    """Return the names that heads get directly, because they have the right type already, by their old names."""
    if not heads.are_float32:
        return {}
    probabilities = None if heads.is_rounded else heads.probabilities
    named = ((heads.logits, f"{prefix}logits"), (probabilities, f"{prefix}probabilities"))
    return {name: head for name, head in named if name is not None}


def free_names(graph: GraphProto, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return new names by old ones: those that are wanted, and one for every other tensor that has a name of ours."""
    used = {name for each in nested_graphs(graph) for name in tensor_names(each)}
    new_names = dict(wanted)
    ours = {*OUR_NAMES, *wanted.values()}
    for old in sorted(name for name in used if name in ours or name.startswith(OUR_PREFIX)):
        if old not in wanted:
            new = f"{old}_"
            while new in used:
                new += "_"
            used.add(new)
            new_names[old] = new
    return new_names


def rename_tensors(graph: GraphProto, new_names: Mapping[str, str]) -> None:
    for each in nested_graphs(graph):
        for value in (*each.input, *each.output, *each.initializer):
            value.name = new_names.get(value.name, value.name)
        for tensor in each.sparse_initializer:
            tensor.values.name = new_names.get(tensor.values.name, tensor.values.name)
        for node in each.node:
            for names in (node.input, node.output):
                names[:] = [new_names.get(name, name) for name in names]


def _is_renaming(node: NodeProto) -> bool:
    """Return whether a node gives its input under the same name: a cast that was not needed."""
    return bool(node.input == node.output)


def needed_graph(
    graph: GraphProto,
    nodes: Sequence[NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
) -> GraphProto:
    """Return a graph of all inputs, and the nodes and constants that the outputs are computed from."""
    needed, used = _needed_nodes(nodes, outputs)
    constants = {tensor.name for tensor in graph.initializer}  # older files list these as inputs, too
    return helper.make_graph(
        needed,
        graph.name or "classifier",
        [value for value in inputs if value.name in used or value.name not in constants],
        outputs,
        initializer=[tensor for tensor in graph.initializer if tensor.name in used],
        sparse_initializer=[tensor for tensor in graph.sparse_initializer if tensor.values.name in used],
    )


def _needed_nodes(
    nodes: Sequence[NodeProto], outputs: Sequence[onnx.ValueInfoProto]
) -> tuple[list[NodeProto], set[str]]:
    """Return the nodes that the outputs are computed from, and the names of all tensors that these nodes use."""
    used = {value.name for value in outputs}
    needed = []
    for node in reversed(nodes):  # a node stands after those that it depends on
        if used & set(node.output):
            needed.append(node)
            used.update(tensors_used(node))
    return needed[::-1], used


def _head_nodes(logits: str | None, probabilities: str | None, *, prefix: str, heads: Heads) -> Iterator[NodeProto]:
    """Yield the nodes that make float32 logits and probabilities from the tensors of the graph that are its heads."""
    if logits is not None:
        yield _cast(logits, f"{prefix}logits", "float")
    if probabilities is None:
        yield from softmax_nodes(f"{prefix}logits", f"{prefix}probabilities", heads.classes)
    elif heads.is_rounded:
        yield from _normalising_nodes(probabilities, f"{prefix}probabilities")
    else:
        yield _cast(probabilities, f"{prefix}probabilities", "float")
    if logits is None:
        yield _constant("smallest", [SMALLEST])
        yield helper.make_node("Max", [f"{prefix}probabilities", f"{OUR_PREFIX}smallest"], [f"{OUR_PREFIX}at_least"])
        yield helper.make_node("Log", [f"{OUR_PREFIX}at_least"], [f"{prefix}logits"])


def softmax_nodes(logits: str, probabilities: str, classes: int) -> Iterator[NodeProto]:
    """Yield the nodes that make probabilities [n, classes] of logits; they sum to 1 for any number of classes."""
    softmax = f"{OUR_PREFIX}softmax" if classes > MANY_CLASSES else probabilities
    yield helper.make_node("Softmax", [logits], [softmax], axis=1)
    if softmax != probabilities:
        yield from _normalising_nodes(softmax, probabilities)


def _normalising_nodes(probabilities: str, normalised: str) -> Iterator[NodeProto]:
    """Yield the nodes that clip probabilities at 0 and divide them by their sum.

    In float64, so that only the last cast rounds: it changes the sum by at most 2⁻²⁴, for any number of classes.
    """
    yield _cast(probabilities, f"{OUR_PREFIX}exact", "double")
    yield _constant("none", [0.0], np.float64)
    yield helper.make_node("Max", [f"{OUR_PREFIX}exact", f"{OUR_PREFIX}none"], [f"{OUR_PREFIX}clipped"])
    yield helper.make_node("LpNormalization", [f"{OUR_PREFIX}clipped"], [f"{OUR_PREFIX}normalised"], axis=1, p=1)
    yield _cast(f"{OUR_PREFIX}normalised", normalised, "float")


def _guard_nodes(name: str, source: Input) -> Iterator[NodeProto]:
    """Yield the nodes that give NaN for a row with a number other than 0 and 1, if the graph takes booleans.

    A cast to bool would turn any such number into 1, and the model would answer for a row that nobody sent.
    """
    yield _cast(name, f"{OUR_PREFIX}held", "float")
    yield helper.make_node("Sub", [INPUT, f"{OUR_PREFIX}held"], [f"{OUR_PREFIX}lost"])
    yield helper.make_node("Abs", [f"{OUR_PREFIX}lost"], [f"{OUR_PREFIX}lost_size"])
    yield _constant("ones", [[1.0]] * source.width)
    size = f"{OUR_PREFIX}lost_size"
    if source.is_tensor:
        yield helper.make_node("Flatten", [size], [f"{OUR_PREFIX}flat"])
        size = f"{OUR_PREFIX}flat"
    yield helper.make_node("MatMul", [size, f"{OUR_PREFIX}ones"], [f"{OUR_PREFIX}lost_of_row"])
    yield _constant("zero", [0.0])
    yield helper.make_node("Greater", [f"{OUR_PREFIX}lost_of_row", f"{OUR_PREFIX}zero"], [f"{OUR_PREFIX}refuse"])
    yield _constant("nan", [float("nan")])
    for head in OUTPUTS:
        inputs = [f"{OUR_PREFIX}refuse", f"{OUR_PREFIX}nan", f"{OUR_PREFIX}{head}"]
        yield helper.make_node("Where", inputs, [head])


def _cast(source: str, target: str, kind: str) -> NodeProto:
    return helper.make_node("Cast", [source], [target], to=TensorProto.DataType.Value(kind.upper()))


def _constant(name: str, values: Sequence[float] | list[list[float]], dtype: type = np.float32) -> NodeProto:
    tensor = numpy_helper.from_array(np.array(values, dtype=dtype))
    return helper.make_node("Constant", [], [OUR_PREFIX + name], value=tensor)


def _tensor(name: str, kind: str, row: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.DataType.Value(kind.upper()), ["n", *row])
