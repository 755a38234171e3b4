"""Arrays as requests of `/v2`, in bytes or in JSON, and its responses as arrays.

Bytes follow the JSON, whose length is in the header `Inference-Header-Content-Length` (docs/protocols.md).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmaxd.client.answers import Model, Prediction
from softmaxd.client.errors import InvalidRequest
from softmaxd.client.rows import body_of
from softmaxd.client.steps import Reply, Send

HEADER = "Inference-Header-Content-Length"
BINARY_FROM = 1_000  # values; below it, JSON costs no more
TYPES = {
    "FP32": "<f4",
    "FP64": "<f8",
    **{f"{kind}{8 * size}": f"<{kind[0].lower()}{size}" for kind in ("INT", "UINT") for size in (1, 2, 4, 8)},
}


def features_of(values: ArrayLike, model: Model) -> NDArray[Any]:
    """Return numbers as an array of the model's datatype; as in /predict, FP32 rounds and integers lose nothing.

    Raises:
        InvalidRequest: the model is of a table, or the values are not rows of numbers of its type.
    """
    if any(feature["datatype"] for feature in model.description["features"]):
        raise InvalidRequest(f"Model {model.name} is of a table, whose columns have types of their own: use predict")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidRequest(f"features must be rows of the same length: {error}") from error
    if array.ndim < 2 or array.dtype.kind not in "iuf":  # noqa: PLR2004 - rows and columns
        raise InvalidRequest(f"features must be rows of numbers, not {array.dtype} of the shape {array.shape}")
    datatype = model.description["datatype"]
    with np.errstate(over="ignore", invalid="ignore"):  # the service refuses numbers that are not finite
        converted = array.astype(TYPES[datatype])
        is_changed = converted.dtype.kind != "f" and not np.array_equal(converted, array)
    if is_changed:
        raise InvalidRequest(f"Model {model.name} takes {datatype}, and not all features are such numbers")
    return converted


def request_of(path: str, features: NDArray[Any], datatype: str, outputs: Sequence[str]) -> Send:
    """Return the request for the outputs of a model for features [rows, …] of its datatype."""
    tensor: dict[str, Any] = {"name": "features", "shape": features.shape, "datatype": datatype}
    fields: dict[str, Any] = {"inputs": [tensor], "outputs": [{"name": name} for name in outputs]}
    if features.size < BINARY_FROM:
        tensor["data"] = features.ravel().tolist()
        return Send("POST", path, body_of(fields), {"Content-Type": "application/json"})
    tensor["parameters"] = {"binary_data_size": features.nbytes}
    fields["parameters"] = {"binary_data_output": True}
    head = body_of(fields)
    headers = {"Content-Type": "application/octet-stream", HEADER: str(len(head))}
    return Send("POST", path, head + features.tobytes(), headers)


def outputs_of(reply: Reply) -> tuple[str, Mapping[str, NDArray[Any]]]:
    """Return the version that answered, and its outputs by name."""
    length = int(reply.headers.get(HEADER.lower(), len(reply.content)))
    answer = json.loads(reply.content[:length])
    arrays: dict[str, NDArray[Any]] = {}
    for output in answer["outputs"]:
        datatype, shape = TYPES[output["datatype"]], output["shape"]
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            arrays[output["name"]] = np.array(output["data"], dtype=datatype).reshape(shape)
        else:
            count = size // np.dtype(datatype).itemsize
            arrays[output["name"]] = np.frombuffer(reply.content, datatype, count, length).reshape(shape)
            length += size
    return answer["model_version"], arrays


def prediction_of(name: str, version: str, arrays: Mapping[str, NDArray[Any]], classes: Sequence[str]) -> Prediction:
    """Return outputs with the labels of the rows: in a tie, the first in the model's order, as the service has it."""
    labels = np.array(classes, dtype=np.str_)[arrays["probabilities"].argmax(axis=1)]
    return Prediction(name, version, labels, arrays)
