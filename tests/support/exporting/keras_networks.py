"""Keras: its own export and tf2onnx, with tables and with pictures."""

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import softmaxd_training  # noqa: F401 - for its environment variables

import keras  # isort: skip
import numpy as np
import tensorflow
import tf2onnx

from tests.support.exporting.export import Export


def own(network: Any) -> bytes:
    """Return the file of `network.export`."""
    with tempfile.TemporaryDirectory() as folder:
        network.export(Path(folder) / "network.onnx", format="onnx", verbose=False)
        return (Path(folder) / "network.onnx").read_bytes()


def by_tf2onnx(network: Any) -> bytes:
    """Return the file of `tf2onnx.convert.from_function`."""
    signature = [tensorflow.TensorSpec([None, *network.input_shape[1:]], tensorflow.float32, name="x")]
    model, _ = tf2onnx.convert.from_function(tensorflow.function(network), input_signature=signature, opset=17)
    return bytes(model.SerializeToString())


def dense(*, softmax: bool) -> Any:
    last = keras.layers.Dense(3, activation="softmax" if softmax else None)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="relu"), last])


def pictures(shape: tuple[int, ...]) -> Any:
    """Return a network of pictures, whose channels come last."""
    layers = keras.layers
    convolutions = [layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]
    end = [layers.MaxPooling2D(), layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input(shape), *convolutions, *end])


def exports() -> Iterator[Export]:
    """Yield networks with random weights."""
    warnings.simplefilter("ignore")  # Keras asks NumPy for a name that it has no more
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    for name, network in (
        ("dense", dense(softmax=True)),
        ("logits", dense(softmax=False)),
        ("grey", pictures((8, 8, 1))),
        ("colour", pictures((8, 8, 3))),
    ):
        rows = generator.normal(size=(40, *network.input_shape[1:])).astype(np.float32)
        answers = network(rows, training=False)
        probabilities = answers if name != "logits" else keras.ops.softmax(answers)
        for exporter in (own, by_tf2onnx):
            yield Export(f"{name}-{exporter.__name__}", exporter(network), rows, probabilities)
    one = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    yield Export("sigmoid", by_tf2onnx(one), [], [])
