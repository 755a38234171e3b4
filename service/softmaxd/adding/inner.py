"""Inner tensors of a graph: those that all of its inputs flow into, and a graph that gives one of them, too."""

from collections.abc import Sequence

from onnx import ValueInfoProto, helper

from softmaxd.adding.graphs import Graph, read, tensors_used
from softmaxd.errors import Refused
from softmaxd.models.by_name import listed, nearest_name
from softmaxd.models.manifest import ATYPICALITY, LOGITS, OUTPUTS

GIVEN = "softmaxd_inner"  # the output that is an input of the graph
NOT_INNER = {*OUTPUTS, ATYPICALITY}
DECIDING = ("Classifier", "Regressor", "TreeEnsemble")  # the ends of operators that give scores


def common_tensors(content: bytes) -> tuple[str, ...]:
    """Return the inner tensors that depend on every input that the logits depend on, the nearest to these first.

    Scores and all that is made of them are none: they have lost that a row is strange.
    """
    graph = read(content).graph
    origins = {value.name: frozenset([value.name]) for value in graph.input}
    for tensor in graph.initializer:  # older files list these as inputs, too
        origins[tensor.name] = frozenset()
    scores = set(NOT_INNER)
    for node in graph.node:
        used = set(tensors_used(node))
        origins |= dict.fromkeys(node.output, frozenset[str]().union(*(origins.get(name, ()) for name in used)))
        if not used.isdisjoint(scores) or node.op_type.endswith(DECIDING):
            scores.update(node.output)
    names = (name for node in graph.node for name in node.output if name and name not in scores)
    return tuple(name for name in names if origins[name] >= origins[LOGITS])


def with_tensors(content: bytes, names: Sequence[str]) -> tuple[bytes, Sequence[str]]:
    """Return a model file that gives these tensors, too, and the names of the outputs that are them.

    Raises `Refused` for a name that no tensor has.
    """
    model = read(content)
    graph = model.graph
    known = [name for node in graph.node for name in node.output if name]
    outputs = {value.name for value in graph.output}
    given = []
    for name in names:
        if name in {value.name for value in graph.input}:
            graph.node.append(helper.make_node("Identity", [name], [GIVEN]))
            given.append(GIVEN)
        elif name in known:
            given.append(name)
        else:
            raise Refused(f"the graph has no tensor {name}{_hint(name, known, model)}")
    graph.output.extend(ValueInfoProto(name=name) for name in given if name not in outputs)
    return model.SerializeToString(), given


def _hint(name: str, known: Sequence[str], model: Graph) -> str:
    inputs = [value.name for value in model.graph.input]
    nearest = nearest_name(name, [*inputs, *known])
    return f"; the nearest name is {nearest}" if nearest else f"; it has {listed([*inputs, *known])}"
