"""Exports a trained network to ONNX, and checks that the file answers as the network does."""

from collections.abc import Iterable
from importlib.metadata import version as package_version
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from service.engine import Engine
from service.model import Array
from service.publishing import Refused

OPSET = 18
MAX_DRIFT = 1e-6  # between Keras and ONNX Runtime, in any probability of the test rows


def export(network: keras.Model, path: Path) -> None:
    """Write a Keras classifier as one ONNX graph: features [n, d] in, logits and probabilities [n, k] out, float32.

    The network's layers must include one named `logits`, and its output must be their softmax. The same weights
    give the same bytes.
    """
    (inputs,) = network.inputs
    outputs = {"logits": network.get_layer("logits").output, "probabilities": network.outputs[0]}
    both = keras.Model(inputs, outputs, name=network.name)  # without a name, one with a counter
    signature = [tf.TensorSpec([None, inputs.shape[1]], tf.float32, name="features")]
    # from_function and not from_keras, which fails with Keras 3 (onnx/tensorflow-onnx#2348)
    graph, _ = tf2onnx.convert.from_function(
        tf.function(both, input_signature=signature), input_signature=signature, opset=OPSET
    )
    # Both have a number in them that depends on what was converted before.
    graph.graph.doc_string = ""
    for node in [*graph.graph.input, *graph.graph.output]:
        node.type.tensor_type.shape.dim[0].dim_param = "n"
    path.write_bytes(graph.SerializeToString(deterministic=True))


def check_drift(network: keras.Model, path: Path, features: Array) -> float:
    """Return the largest difference in any probability [n, k] between Keras and the service's engine.

    Raises `Refused` when it is above `MAX_DRIFT`, or when it is not a number.
    """
    expected = np.asarray(network(features))
    drift = float(np.abs(Engine(path, device="cpu").run(features)["probabilities"] - expected).max())
    if not drift <= MAX_DRIFT:
        raise Refused(f"Keras and ONNX Runtime differ by {drift:.1e} in a probability; {MAX_DRIFT:.0e} is allowed")
    return drift


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each package."""
    return {name: package_version(name) for name in names}
