"""Publishes a trained network as the next version of a model: all of its files, or none of them."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version as package_version
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from service.engine import Engine
from service.model import Array

OPSET = 18
MAX_DRIFT = 1e-6  # between Keras and ONNX Runtime, in any probability of the test rows


class Refused(Exception):
    """The network must not be published; the message says why."""


@contextmanager
def next_version(folder: Path) -> Iterator[tuple[Path, int]]:
    """Give an empty folder to write the next version of a model into, and the number of that version.

    After the block the folder is renamed to `folder`/<number>. On any exception, Ctrl-C included, it is removed
    instead. Until then its name starts with a dot, so that no reader takes it for a version.

    Raises `Refused` when that version has come into being in the meantime: nothing is ever overwritten.
    """
    number = 1 + max((int(path.name) for path in folder.glob("*") if path.name.isdecimal()), default=0)
    unfinished = folder / f".unfinished-{number}-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()
        yield unfinished, number
        _rename(unfinished, folder / str(number))
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)  # POSIX refuses when the target is a folder with anything in it
    except OSError as error:
        if target.exists():
            raise Refused(f"version {target.name} has been published by another run in the meantime") from error
        raise


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
