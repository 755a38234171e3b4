"""Puts a temperature and the distance to the nearest class into the graph of a model that is served."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

from softmaxd.adding.graphs import OUR_PREFIX, opset, read
from softmaxd.adding.rewiring import free_names, needed_graph, rename_tensors, softmax_nodes
from softmaxd.models.features import INPUT
from softmaxd.models.manifest import ATYPICALITY, LOGITS, OUTPUTS, PROBABILITIES
from softmaxd.numerics.softmax import Floats

AXES_AS_INPUT = 18  # the opset since which these reductions have their axes as an input
LARGEST = 3e38  # of the distances: close to the largest finite float32

FLOAT32 = np.dtype(np.float32)
MATRIX = 2  # dimensions

Distances = tuple[npt.NDArray[Any], Floats, Floats]


@dataclass(frozen=True, slots=True)
class Source:
    """The tensor [n, …] whose rows have the distances."""

    name: str = INPUT
    dtype: np.dtype[Any] = FLOAT32
    dimensions: int = 2


FEATURES = Source()


def with_calibration(
    content: bytes, temperature: float, distances: Distances, *, added: float = 0.0, source: Source = FEATURES
) -> bytes:
    """Return a model file whose logits are divided by a temperature, with the output `atypicality` besides.

    If something is `added` to each probability, the logits that are divided are ln(probabilities + added). The new
    probabilities are the softmax of the new logits. A temperature of 1 leaves both as they are. `distances` are a
    centre [d], a whitening [d, d] and means [classes, d]. The atypicality of a row x of the `source`, flattened if it
    is a tensor, is the squared length of (x − centre) · whitening − mean, for the nearest mean. It replaces one that
    the graph has.
    """
    model = read(content)
    graph = model.graph
    outputs = [deepcopy(output) for output in graph.output if output.name in OUTPUTS]
    atypicality = helper.make_tensor_value_info(ATYPICALITY, TensorProto.FLOAT, ["n"])
    kept = OUTPUTS if temperature == 1 and not added else ()
    names = free_names(graph, {name: name for name in (*(value.name for value in graph.input), *kept)})
    rename_tensors(graph, names)
    nodes = [
        *graph.node,
        *(() if kept else _temperature_nodes(names, temperature, added, len(distances[2]))),
        *_centring_nodes(distances[0], source, names.get(source.name, source.name)),
        *_distance_nodes(*distances[1:], axes_as_input=opset(model) >= AXES_AS_INPUT),
    ]
    graph.CopyFrom(needed_graph(graph, nodes, graph.input, [*outputs, atypicality]))
    return bytes(model.SerializeToString(deterministic=True))


def _temperature_nodes(names: Mapping[str, str], temperature: float, added: float, classes: int) -> Iterator[NodeProto]:
    logits = names[LOGITS]
    if added:
        logits = f"{OUR_PREFIX}smoothed_logits"
        yield _constant("added", np.array([added], dtype=np.float32))
        yield helper.make_node("Add", [names[PROBABILITIES], f"{OUR_PREFIX}added"], [f"{OUR_PREFIX}smoothed"])
        yield helper.make_node("Log", [f"{OUR_PREFIX}smoothed"], [logits])
    yield _constant("temperature", np.array([temperature], dtype=np.float32))
    yield helper.make_node("Div", [logits, f"{OUR_PREFIX}temperature"], [LOGITS])
    yield from softmax_nodes(LOGITS, PROBABILITIES, classes)


def _centring_nodes(centre: npt.NDArray[Any], source: Source, name: str) -> Iterator[NodeProto]:
    """Yield the nodes that subtract the centre: as float64 if the source is not float32, which may lose digits."""
    rows = name
    if source.dimensions != MATRIX:
        rows = f"{OUR_PREFIX}flat"
        yield _constant("row", np.array([-1, len(centre)]))
        yield helper.make_node("Reshape", [name, f"{OUR_PREFIX}row"], [rows])
    if source.dtype == FLOAT32:
        yield _constant("centre", centre.astype(np.float32))
        yield helper.make_node("Sub", [rows, f"{OUR_PREFIX}centre"], [f"{OUR_PREFIX}centred"])
    else:
        yield _constant("centre", centre.astype(np.float64))
        yield helper.make_node("Cast", [rows], [f"{OUR_PREFIX}double"], to=TensorProto.DOUBLE)
        yield _node("Sub", "double centre", "double_centred")
        yield _node("Cast", "double_centred", "centred", to=TensorProto.FLOAT)


def _distance_nodes(whitening: Floats, means: Floats, *, axes_as_input: bool) -> Iterator[NodeProto]:
    """Yield the nodes that make the atypicality of centred rows.

    |w − m|² is |w|² + (|m|² − 2w·m), which needs no tensor [n, classes, d]. Where it overflows, or is the difference of
    two that do, it is `LARGEST`; where rounding makes it negative, it is 0.
    """
    for name, values in (
        ("whitening", whitening),
        ("minus_twice_means", -2 * means.T),
        ("squared_means", (means**2).sum(axis=1)),
        ("largest", np.array([LARGEST])),
        ("zero", np.zeros(1)),
    ):
        yield _constant(name, values.astype(np.float32))
    yield _constant("axis", np.array([1]))
    axes = " axis" if axes_as_input else ""
    attributes = {"keepdims": 0} | ({} if axes_as_input else {"axes": [1]})
    yield _node("MatMul", "centred whitening", "whitened")
    yield _node("MatMul", "whitened minus_twice_means", "products")
    yield _node("Add", "products squared_means", "offsets")
    yield _node("ReduceMin", f"offsets{axes}", "least_offset", **attributes)
    yield _node("ReduceSumSquare", f"whitened{axes}", "squared", **attributes)
    yield _node("Add", "squared least_offset", "distance")
    yield _node("Max", "distance zero", "positive")
    yield _node("Less", "positive largest", "is_near")
    yield _node("Where", "is_near positive largest", ATYPICALITY)


def _node(operator: str, inputs: str, output: str, **attributes: Any) -> NodeProto:
    return helper.make_node(operator, [_full(name) for name in inputs.split()], [_full(output)], **attributes)


def _full(name: str) -> str:
    return name if name == ATYPICALITY else OUR_PREFIX + name


def _constant(name: str, values: npt.NDArray[Any]) -> NodeProto:
    return helper.make_node("Constant", [], [_full(name)], value=numpy_helper.from_array(values))
