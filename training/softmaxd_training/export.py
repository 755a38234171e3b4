"""Makes a version folder's model of a trained network: calibrated, exported to ONNX, checked and measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from softmaxd.models.engine import Engine
from softmaxd.models.manifest import Calibration, Evaluation
from softmaxd.models.outputs import Array
from softmaxd.models.publishing import Refused
from softmaxd_training.atypicality import Atypicality
from softmaxd_training.calibration import calibrate, evaluate, fit_temperature, measure
from softmaxd_training.networks import divide_logits, logits_of
from softmaxd_training.rows import Parts

OPSET = 18
PACKAGES = ("keras", "numpy", "onnx", "onnxruntime", "scikit-learn", "scipy", "tensorflow", "tf2onnx")

MAX_DRIFT = 1e-6  # between Keras and ONNX Runtime, in any probability of the test rows
MAX_RELATIVE_DRIFT = 1e-4  # in a logit, beside the largest one; in an atypicality, beside it or 1


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A model's file, run by the service's engine, and what it turned out to be."""

    engine: Engine
    calibration: Calibration
    evaluation: Evaluation
    metrics: dict[str, float]


def make_model(network: keras.Model, parts: Parts, path: Path) -> Made:
    """Calibrate a network, write it as ONNX, and measure the file. Raises `Refused` when it answers differently.

    The weights of the network's layer `logits` change: they are divided by the temperature.
    """
    calibration, test = parts.calibration, parts.test
    temperature = fit_temperature(logits_of(network, calibration.features), calibration.classes)
    divide_logits(network, temperature)
    atypicality = Atypicality.of(parts.train)
    export(network, atypicality, path)
    engine = Engine(path, device="cpu")
    drift = check_drift(engine, network, atypicality, test.features)
    calibrated = calibrate(engine.run(calibration.features), calibration.classes, temperature)
    outputs = engine.run(test.features)
    metrics = {**measure(outputs, test.classes, temperature), "max_drift": drift}
    return Made(engine, calibrated, evaluate(outputs, test.classes, calibrated), metrics)


def export(network: keras.Model, atypicality: Atypicality, path: Path) -> None:
    """Write a Keras classifier as one ONNX graph: features [n, d] in, logits, probabilities and atypicality out.

    The network's layers must include one named `logits`, and its output must be their softmax. The same weights
    give the same bytes.
    """
    (inputs,) = network.inputs
    outputs = {"logits": network.get_layer("logits").output, "probabilities": network.outputs[0]}
    both = keras.Model(inputs, outputs, name=network.name)  # without a name, one with a counter
    signature = [tf.TensorSpec([None, inputs.shape[1]], tf.float32, name="features")]

    def graph(features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {**both(features), "atypicality": atypicality.graph(features)}

    # from_function and not from_keras, which fails with Keras 3 (onnx/tensorflow-onnx#2348)
    function = tf.function(graph, input_signature=signature, autograph=False)
    exported, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    _remove_chance(exported.graph)
    path.write_bytes(exported.SerializeToString(deterministic=True))


def _remove_chance(graph: Any) -> None:
    """Name everything by its place: tf2onnx's names have numbers of what was converted before, and depend on luck.

    `graph` is a GraphProto of the package onnx, which has no types.
    """
    graph.doc_string = ""
    for node in [*graph.input, *graph.output]:
        node.type.tensor_type.shape.dim[0].dim_param = "n"
    names = {node.name: node.name for node in [*graph.input, *graph.output]}
    for number, node in enumerate(graph.node):
        node.name = f"{number}_{node.op_type}"
        for place, name in enumerate(node.input):
            node.input[place] = names.setdefault(name, f"{node.name}/{place}")  # a constant, if it is new
        for place, name in enumerate(node.output):
            node.output[place] = names.setdefault(name, node.name)
    for constant in graph.initializer:
        constant.name = names[constant.name]
    graph.initializer.sort(key=lambda constant: constant.name)


def check_drift(engine: Engine, network: keras.Model, atypicality: Atypicality, features: Array) -> float:
    """Return the largest difference in any probability [n, k] between Keras and the service's engine.

    Raises `Refused` when it is above `MAX_DRIFT`, or when it is not a number; and so for the other outputs.
    """
    outputs = engine.run(features)
    drift = float(np.abs(outputs["probabilities"] - np.asarray(network(features))).max())
    _refuse_above(MAX_DRIFT, drift, "a probability")
    logits, distances = logits_of(network, features), atypicality(features)
    _refuse_above(MAX_RELATIVE_DRIFT, np.abs(outputs["logits"] - logits).max() / (1 + np.abs(logits).max()), "a logit")
    apart = np.abs(outputs["atypicality"] - distances) / (1 + distances)
    _refuse_above(MAX_RELATIVE_DRIFT, apart.max(), "an atypicality")
    return drift


def _refuse_above(limit: float, drift: float, output: str) -> None:
    if not drift <= limit:
        raise Refused(f"training and ONNX Runtime differ by {drift:.1e} in {output}; {limit:.0e} is allowed")


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the installed version of each package."""
    return {name: package_version(name) for name in names}
