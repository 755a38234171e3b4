"""Opens Keras files and SavedModel folders with TensorFlow, and converts them with tf2onnx."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, numpy_helper

from softmaxd.converting.original import Inputs, Original, Values, first_line, named, need
from softmaxd.errors import Refused

OPSET = 18
NEEDED = {"tensorflow": "TensorFlow", "tf2onnx": "tf2onnx"}
INSTALL = "'softmaxd[train]'"
SIGNATURE = "serving_default"
UNSAFE = (
    "it has a Lambda layer, whose code could do anything, and is not loaded: export such a network to ONNX yourself"
)
CUSTOM = "it has a class of its own, which is in no file: export such a network to ONNX yourself"

Call = Callable[..., dict[str, Any]]


def open_keras(file: Path) -> Original:
    """Open a Keras file (`.keras`, or HDF5) in Keras' safe mode. Raises `Refused`."""
    need({"keras": "Keras", **NEEDED}, install=INSTALL)
    import keras  # noqa: PLC0415 - TensorFlow takes seconds, and only the extra `train` has it
    import tensorflow as tf  # noqa: PLC0415

    try:
        network = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras, h5py and JSON raise about ten classes
        raise Refused(_explain(str(error)) or f"Keras cannot load it: {first_line(error)}") from error
    inputs = getattr(network, "inputs", None)
    if not inputs:
        raise Refused("the network was never built: call it once on a row before it is saved")
    specs = [tf.TensorSpec(each.shape, each.dtype, name=each.name) for each in inputs]
    names = getattr(network, "output_names", None) or [network.layers[-1].name]

    def call(*tensors: Any) -> dict[str, Any]:
        outputs = network(tensors[0] if len(tensors) == 1 else list(tensors), training=False)
        return dict(zip(names, tf.nest.flatten(outputs), strict=True))

    return _original(call, specs, named("keras", "Keras"))


def _explain(message: str) -> str:
    """Return the reason for a file that Keras refuses, in our words, or ""."""
    if "safe_mode" in message:
        return UNSAFE
    return CUSTOM if "Could not locate class" in message else ""


def open_saved_model(folder: Path) -> Original:
    """Open the signature `serving_default` of a SavedModel folder. Raises `Refused`."""
    need(NEEDED, install=INSTALL)
    import tensorflow as tf  # noqa: PLC0415

    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow raises about ten classes
        raise Refused(f"TensorFlow cannot load it: {first_line(error)}") from error
    function = getattr(loaded, "signatures", {}).get(SIGNATURE)
    if function is None:
        raise Refused(f"it has no signature {SIGNATURE}: export it with one, as keras.Model.export does")
    named_specs = function.structured_input_signature[1]

    def call(*tensors: Any) -> dict[str, Any]:
        return dict(function(**dict(zip(named_specs, tensors, strict=True))))

    return _original(call, list(named_specs.values()), named("tensorflow", "TensorFlow"))


def _original(call: Call, specs: Sequence[Any], library: str) -> Original:
    import tensorflow as tf  # noqa: PLC0415

    function = tf.function(call, input_signature=specs, autograph=False)

    def run(inputs: Inputs, output: str) -> Values:
        tensors = [tf.constant(inputs[spec.name], spec.dtype) for spec in specs]
        count = specs[0].shape[0]
        if count is None:
            return np.asarray(function(*tensors)[output])
        rows = zip(*tensors, strict=True)
        each = [function(*(tf.repeat(part[None], count, axis=0) for part in row))[output][0] for row in rows]
        return np.stack(each)

    return Original(library, named("tf2onnx", "tf2onnx"), iter([_convert(function, specs)]), run)


def _convert(function: Any, specs: Sequence[Any]) -> bytes:
    import tf2onnx  # noqa: PLC0415

    try:  # from_function, because from_keras fails with Keras 3 (onnx/tensorflow-onnx#2348)
        model, _ = tf2onnx.convert.from_function(function, input_signature=specs, opset=OPSET)
    except Exception as error:  # tf2onnx raises many classes
        raise Refused(f"tf2onnx cannot convert it: {first_line(error)}") from error
    _fill_constants(model, function.get_concrete_function(*specs))
    return bytes(model.SerializeToString())


def _fill_constants(model: ModelProto, function: Any) -> None:
    """Give a graph the constants of its function, such as those of a `Normalization`: tf2onnx makes inputs of them."""
    captured = function.captured_inputs
    constants = {each.name: value for each, value in zip(function.inputs[-len(captured) :], captured, strict=False)}
    for value in [each for each in model.graph.input if each.name in constants]:
        model.graph.initializer.append(numpy_helper.from_array(constants[value.name].numpy(), value.name))
        model.graph.input.remove(value)
