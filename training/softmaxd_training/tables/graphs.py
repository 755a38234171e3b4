"""Makes one ONNX graph of the models of a table, and compares it with them.

numeric, text ── encoding ──▶ encoded ──▶ networks, linear ──▶ sum ──▶ logits ──▶ probabilities
       └───────── ranks ────────────────▶ trees ──────────────▲
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from onnx import ModelProto, TensorProto, helper

from softmaxd.models.engine import Engine
from softmaxd.models.features import INPUT
from softmaxd.models.manifest import ATYPICALITY, LOGITS, PROBABILITIES
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.rounding import ROUNDINGS, check_outputs, roundings, sizes
from softmaxd_training.tables.encoding import Encoder
from softmaxd_training.tables.ensemble import Networks
from softmaxd_training.tables.linear import Linear
from softmaxd_training.tables.nodes import ML, Nodes
from softmaxd_training.tables.trees import Trees
from softmaxd_training.tables.typicality import TableTypicality
from softmaxd_training.tables.vocabulary import Texts

NUMBERS, TEXTS = "numeric", "text"  # inputs; without texts, that of the numbers has the usual name
ENCODED = "encoded"  # an inner tensor [n, D], all of whose numbers are from 0 to 1
OPSET = 20  # the first with `StringConcat`
OPSET_ML = 3
IR_VERSION = 9
BLOCK = 4096  # rows that are compared at a time


class Mixed(Protocol):
    """Models of a table, whose logits are added up, each times its weight, and divided by a temperature.

    The sum is the mean of the models' log-probabilities if the weights add up to 1: log-probabilities are logits less
    a number that is the same for all classes, and softmax does not see it.
    """

    @property
    def encoder(self) -> Encoder: ...
    @property
    def networks(self) -> Networks | None: ...
    @property
    def trees(self) -> Trees | None: ...
    @property
    def linear(self) -> Linear | None: ...
    @property
    def weights(self) -> Mapping[str, float]:
        """The weight of each model by its name: "networks", "trees", "linear"."""

    @property
    def temperature(self) -> float: ...


def graph_of(mixed: Mixed, typicality: TableTypicality | None = None) -> ModelProto:
    """Return the graph of models: numeric FP32 [n, a] and text BYTES [n, b] → logits and probabilities FP32 [n, k].

    With a typicality, `atypicality` FP32 [n] comes on top. An input of no columns is left out. Weights and temperature
    are in the constants of the models, so they take no time. The same models give the same bytes.
    """
    encoder, nodes = mixed.encoder, Nodes()
    numbers = number_input(encoder) if encoder.number_columns else ""
    ids = encoder.vocabulary.draw(nodes, TEXTS) if encoder.categories else ""
    encoder.draw(nodes, numbers, ids, output=ENCODED)
    drawn = []
    if mixed.networks:
        drawn.append(_draw_networks(nodes, mixed.networks, _scale(mixed, "networks")))
    if mixed.trees:
        drawn.append(mixed.trees.draw(nodes, numbers, ids, scale=_scale(mixed, "trees")))
    if mixed.linear:
        drawn.append(_draw_linear(nodes, mixed.linear, _scale(mixed, "linear")))
    nodes.add("Softmax", nodes.add("Sum", *drawn, output=LOGITS), output=PROBABILITIES, axis=1)
    if typicality:
        typicality.draw(nodes, numbers, ids)
    return _model(nodes, encoder, _classes(mixed), is_calibrated=typicality is not None)


def number_input(encoder: Encoder) -> str:
    """Return the name of the input of numbers: without texts it is the only one, as most models have it."""
    return NUMBERS if encoder.categories else INPUT


def _classes(mixed: Mixed) -> int:
    if mixed.trees:
        return mixed.trees.classes
    biases = mixed.networks.biases[-1] if mixed.networks else mixed.linear.bias if mixed.linear else np.zeros(0)
    return int(biases.shape[-1])


def _scale(mixed: Mixed, name: str) -> float:
    return mixed.weights[name] / mixed.temperature


def _draw_networks(nodes: Nodes, networks: Networks, scale: float) -> str:
    """Add the nodes that give the mean of the networks' logits, all networks side by side, and return its name."""
    count, width, units = networks.weights[0].shape
    first = networks.weights[0].transpose(1, 0, 2).reshape(width, count * units)
    hidden = _draw_layer(nodes, ENCODED, first, networks.biases[0].reshape(-1))
    hidden = nodes.add("Reshape", hidden, nodes.constant(np.array([-1, count, units])))
    hidden = nodes.add("Transpose", hidden, perm=[1, 0, 2])
    hidden = _draw_layer(nodes, hidden, networks.weights[1], networks.biases[1][:, None])
    hidden = nodes.add("Transpose", hidden, perm=[1, 0, 2])
    hidden = nodes.add("Reshape", hidden, nodes.constant(np.array([-1, count * units])))
    last = networks.weights[2].reshape(count * units, -1)
    return _draw_product(nodes, hidden, last, networks.biases[2].sum(axis=0, dtype=np.float64), scale / count)


def _draw_layer(nodes: Nodes, values: str, weights: Array, biases: Array) -> str:
    return nodes.add("Relu", _draw_product(nodes, values, weights, biases, 1.0))


def _draw_linear(nodes: Nodes, linear: Linear, scale: float) -> str:
    return _draw_product(nodes, ENCODED, linear.weights, linear.bias, scale)


def _draw_product(nodes: Nodes, values: str, weights: Array, biases: Array | Floats, scale: float) -> str:
    """Add the nodes that give scale · (values · weights + biases), and return its name."""
    scaled = [(each.astype(np.float64) * scale).astype(np.float32) for each in (weights, biases)]
    return nodes.add("Add", nodes.add("MatMul", values, nodes.constant(scaled[0])), nodes.constant(scaled[1]))


def _model(nodes: Nodes, encoder: Encoder, classes: int, *, is_calibrated: bool) -> ModelProto:
    widths = (
        (number_input(encoder), TensorProto.FLOAT, encoder.number_columns),
        (TEXTS, TensorProto.STRING, len(encoder.categories)),
    )
    inputs = [helper.make_tensor_value_info(name, kind, ["n", width]) for name, kind, width in widths if width]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", classes]) for name in (LOGITS, PROBABILITIES)
    ]
    if is_calibrated:
        outputs.append(helper.make_tensor_value_info(ATYPICALITY, TensorProto.FLOAT, ["n"]))
    return helper.make_model(
        helper.make_graph(nodes.nodes, "table", inputs, outputs, nodes.constants),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML, OPSET_ML)],
        ir_version=IR_VERSION,
        producer_name="softmaxd",
    )


def inputs_of(numbers: Array, texts: Texts) -> dict[str, Array | Texts]:
    """Return numbers [n, a] and texts [n, b] by the names of their inputs, without those of no columns."""
    name = NUMBERS if texts.shape[1] else INPUT
    return {name: cells for name, cells in ((name, numbers), (TEXTS, texts)) if cells.shape[1]}


def check_graph(engine: Engine, mixed: Mixed, numbers: Array, texts: Texts) -> float:
    """Return the largest difference in any probability between a graph and its models, for rows of a table.

    The models are computed in float64. Raises `Refused` if a logit or a probability differs by more than roundings to
    float32 can explain.
    """
    blocks = [slice(start, start + BLOCK) for start in range(0, len(numbers), BLOCK)]
    return max(_check(engine, mixed, numbers[block], texts[block]) for block in blocks)


def _check(engine: Engine, mixed: Mixed, numbers: Array, texts: Texts) -> float:
    logits: Floats = np.zeros((len(numbers), _classes(mixed)))
    errors: Floats = np.full((len(numbers), 1), ROUNDINGS)
    for scale, share, magnitudes, rounding in _shares(mixed, numbers, texts):
        logits += scale * share
        errors += scale * rounding * (1 + sizes(magnitudes))
    return check_outputs(engine.run_inputs(inputs_of(numbers, texts)), logits, errors, program="Python")


def _shares(mixed: Mixed, numbers: Array, texts: Texts) -> Iterator[tuple[float, Floats, Floats, float]]:
    """Yield the scale of each model, its logits [n, k] in float64, their magnitudes, and their rounding in float32.

    A magnitude is the sum of the same terms without their signs. Terms that nearly cancel out leave a small logit with
    the roundings of large ones.
    """
    encoded: Any = mixed.encoder.encode(numbers, texts).astype(np.float64)  # so that the models compute in it
    if networks := mixed.networks:
        yield _scale(mixed, "networks"), _mean(networks, encoded), _mean(_unsigned(networks), encoded), ROUNDINGS
    if trees := mixed.trees:
        unsigned = replace(trees, values=np.abs(trees.values), start=np.abs(trees.start))
        logits, magnitudes = (each.logits(numbers, texts) for each in (trees, unsigned))
        yield _scale(mixed, "trees"), logits, magnitudes, roundings(trees.additions)
    if linear := mixed.linear:
        magnitudes = encoded @ np.abs(linear.weights) + np.abs(linear.bias)
        yield _scale(mixed, "linear"), linear.logits(encoded).astype(np.float64), magnitudes, ROUNDINGS


def _mean(networks: Networks, encoded: Any) -> Floats:
    """Return the mean of the networks' logits [n, k] in float64, of rows in float64."""
    mean: Floats = np.mean([networks.logits_of(each, encoded) for each in range(len(networks.weights[0]))], axis=0)
    return mean


def _unsigned(networks: Networks) -> Networks:
    """Return networks whose logits are the magnitudes of those of others: their hidden values have no signs."""
    first, second, last = networks.weights
    return Networks((first, second, np.abs(last)), (*networks.biases[:2], np.abs(networks.biases[2])))
