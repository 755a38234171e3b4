"""Exports a trained network to a model file: calibrated, written as ONNX, compared with Keras, and measured."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from softmaxd.models.calibration import Calibration, Evaluation
from softmaxd.models.engine import Engine
from softmaxd.models.files import sha256
from softmaxd.models.manifest import MODEL_FILE
from softmaxd.models.outputs import Array
from softmaxd_training import strange
from softmaxd_training.atypicality import LARGEST, Atypicality
from softmaxd_training.calibration import calibrate, evaluate, fit_temperature, measure
from softmaxd_training.networks import divide_logits, logits_of
from softmaxd_training.rounding import check_differences, probability_tolerances
from softmaxd_training.rows import Parts

OPSET = 18
ROWS_AND_COLUMNS = 2
FEW_FEATURES = 64  # the whitening is one product up to here
CHECKED_ROWS = 1_000  # of the validation rows, for each seed
RELATIVE_TOLERANCE = 1e-4  # of a logit, relative to the largest; of an atypicality, relative to itself plus 1


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """A model file, opened by the service's engine, with its calibration, its evaluation and its metrics."""

    engine: Engine
    sha256: str
    calibration: Calibration
    evaluation: Evaluation
    metrics: dict[str, float]


def export(network: keras.Model, parts: Parts, path: Path) -> Exported:
    """Calibrate a network, write it to `path` as ONNX, and measure that file on the test rows.

    The weights of the network's layer `logits` change: they are divided by the temperature. Raises `Refused` if the
    file and the network differ by more than a tolerance.
    """
    calibration, test = parts.calibration, parts.test
    fitted = parts.for_temperature
    temperature = fit_temperature(logits_of(network, fitted.features), fitted.classes)
    divide_logits(network, temperature)
    atypicality = Atypicality.of(parts.train)
    write_onnx(network, atypicality, path)
    engine = Engine(path, device="cpu")
    difference = check_tolerances(engine, network, atypicality, test.features)
    calibrated = calibrate(engine.run(calibration.features), calibration.classes, temperature)
    outputs = engine.run(test.features)
    noticed = strange.measure(parts.train, test)
    metrics = {**measure(outputs, test.classes, temperature), **noticed, "max_drift": difference}
    return Exported(engine, sha256(path), calibrated, evaluate(outputs, test.classes, calibrated), metrics)


def write_onnx(network: keras.Model, atypicality: Atypicality, path: Path) -> None:
    """Write a Keras classifier as one ONNX graph: features [n, …] → logits, probabilities [n, k], atypicality [n].

    One of the network's layers must be called `logits`, and the network's output must be their softmax. The same
    weights give the same bytes.
    """
    (inputs,) = network.inputs
    outputs = {"logits": network.get_layer("logits").output, "probabilities": network.outputs[0]}
    both = keras.Model(inputs, outputs, name=network.name)  # without a name, Keras counts its networks in it
    signature = [tf.TensorSpec([None, *inputs.shape[1:]], tf.float32, name="features")]

    def graph(features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {**both(features), "atypicality": distances_graph(atypicality, features)}

    # from_function, because from_keras fails with Keras 3 (onnx/tensorflow-onnx#2348)
    function = tf.function(graph, input_signature=signature, autograph=False)
    exported, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    _rename_by_place(exported.graph)
    path.write_bytes(exported.SerializeToString(deterministic=True))


def distances_graph(atypicality: Atypicality, features: tf.Tensor) -> tf.Tensor:
    """Return the distances [n] of features [n, d] as a part of a float32 graph, at most `LARGEST`.

    Of tensors with d numbers, too.
    """
    if len(features.shape) > ROWS_AND_COLUMNS:
        features = tf.reshape(features, [-1, len(atypicality.centre)])
    offsets = _offsets(atypicality, features - atypicality.centre)
    distances = tf.reduce_sum(offsets * offsets, axis=2)
    return tf.minimum(tf.reduce_min(distances, axis=1), LARGEST)


def _offsets(atypicality: Atypicality, centred: tf.Tensor) -> tf.Tensor:
    """Return the whitened offset of each row to each mean [n, classes, d]."""
    whitening, means = atypicality.whitening.astype(np.float32), atypicality.means.astype(np.float32)
    classes, width = means.shape
    if width > FEW_FEATURES:
        return tf.reshape(tf.matmul(centred, whitening), [-1, 1, width]) - means
    # A single product is faster, but has the weights once for each class.
    return tf.reshape(tf.matmul(centred, np.tile(whitening, (1, classes))) + -means.reshape(-1), [-1, classes, width])


def _rename_by_place(graph: Any) -> None:
    """Name every node and tensor by its place, because tf2onnx's names depend on earlier conversions and on chance.

    `graph` is a GraphProto of the package onnx, which has no types.
    """
    graph.doc_string = ""
    for node in [*graph.input, *graph.output]:
        node.type.tensor_type.shape.dim[0].dim_param = "n"
    names = {node.name: node.name for node in [*graph.input, *graph.output]}
    for number, node in enumerate(graph.node):
        node.name = f"{number}_{node.op_type}"
        for place, name in enumerate(node.input):
            node.input[place] = names.setdefault(name, f"{node.name}/{place}")  # new names are those of constants
        for place, name in enumerate(node.output):
            node.output[place] = names.setdefault(name, node.name)
    for constant in graph.initializer:
        constant.name = names[constant.name]
    graph.initializer.sort(key=lambda constant: constant.name)


def check_tolerances(engine: Engine, network: keras.Model, atypicality: Atypicality, features: Array) -> float:
    """Return the largest difference in any probability between Keras and the engine, for features [n, d].

    Raises `Refused` if a difference is above its tolerance, or not a number. Logits and atypicalities are compared
    likewise, within `RELATIVE_TOLERANCE`.
    """
    outputs = engine.run(features)
    logits, distances = logits_of(network, features), atypicality(features)
    differences = outputs["probabilities"] - np.asarray(network(features))
    largest = check_differences(differences, probability_tolerances(logits), "a probability", program="Keras")
    relative = (outputs["logits"] - logits) / (1 + np.abs(logits).max())
    check_differences(relative, RELATIVE_TOLERANCE, "a logit", program="Keras")
    relative = (outputs["atypicality"] - distances) / (1 + distances)
    check_differences(relative, RELATIVE_TOLERANCE, "an atypicality", program="Keras")
    return largest


def check_export(network: keras.Model, parts: Parts) -> None:
    """Raise `Refused` if the ONNX file of a network differs from it on the validation rows by more than a tolerance."""
    atypicality = Atypicality.of(parts.train)
    with TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_FILE
        write_onnx(network, atypicality, path)
        check_tolerances(Engine(path, device="cpu"), network, atypicality, parts.validation.features[:CHECKED_ROWS])
