"""Arrays as requests of `/v2`, in bytes or in JSON, and its responses as arrays.

Bytes follow the JSON, whose length is in the header `Inference-Header-Content-Length` (docs/protocols.md).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmaxd.client.answers import Model, Prediction, Top
from softmaxd.client.errors import InvalidRequest
from softmaxd.client.rows import DataFrame, as_numbers, body_of
from softmaxd.client.steps import Reply, Send

HEADER = "Inference-Header-Content-Length"
Table = Mapping[str, Any] | DataFrame  # of columns

BINARY_FROM = 1_000  # values; below it, JSON costs no more
TYPES = {
    "FP32": "<f4",
    "FP64": "<f8",
    "BOOL": "?",
    **{f"{kind}{8 * size}": f"<{kind[0].lower()}{size}" for kind in ("INT", "UINT") for size in (1, 2, 4, 8)},
}


def features_of(values: Table | ArrayLike, model: Model) -> NDArray[Any]:
    """Return numbers as an array of the model's datatype; as in /predict, FP32 rounds and integers lose nothing.

    Raises:
        InvalidRequest: the model is of a table, or the values are not rows of numbers of its type, or a table has other
            columns than the model has features.
    """
    if any(feature["datatype"] for feature in model.description["features"]):
        raise InvalidRequest(f"Model {model.name} is of a table, whose columns have types of their own: use predict")
    try:
        array = as_numbers(values, model.features)
    except ValueError as error:
        raise InvalidRequest(f"features must be rows of the same length: {error}") from error
    if array.ndim < 2:  # noqa: PLR2004 - rows and columns
        raise InvalidRequest(f"features must be rows of numbers, not an array of the shape {array.shape}")
    datatype = model.description["datatype"]
    with np.errstate(over="ignore", invalid="ignore"):  # the service refuses numbers that are not finite
        converted = array.astype(TYPES[datatype])
        is_changed = converted.dtype.kind != "f" and not np.array_equal(converted, array)
    if is_changed:
        raise InvalidRequest(f"Model {model.name} takes {datatype}, and not all features are such numbers")
    return converted


def outputs_for(include: Sequence[str]) -> list[str]:
    """Return the outputs of a model that an answer with these fields needs."""
    needs_logits = not {"logits", "log_probabilities", "prediction_sets"}.isdisjoint(include)
    trust = [name for name in ("typicality", "prediction_sets") if name in include]
    return ["probabilities", *(["logits"] if needs_logits else []), *trust]


def request_of(
    path: str, features: NDArray[Any], datatype: str, outputs: Sequence[str], parameters: Mapping[str, Any]
) -> Send:
    """Return the request for the outputs of a model for features [rows, …] of its datatype."""
    tensor: dict[str, Any] = {"name": "features", "shape": features.shape, "datatype": datatype}
    fields: dict[str, Any] = {"inputs": [tensor], "outputs": [{"name": name} for name in outputs]}
    fields["parameters"] = dict(parameters)
    if features.size < BINARY_FROM:
        tensor["data"] = features.ravel().tolist()
        return Send("POST", path, body_of(fields), {"Content-Type": "application/json"})
    tensor["parameters"] = {"binary_data_size": features.nbytes}
    fields["parameters"]["binary_data_output"] = True
    head = body_of(fields)
    headers = {"Content-Type": "application/octet-stream", HEADER: str(len(head))}
    return Send("POST", path, head + features.tobytes(), headers)


def outputs_of(reply: Reply) -> tuple[str, dict[str, Any]]:
    """Return the version that answered, and its outputs by name; with `not_guaranteed`, if that came with one."""
    length = int(reply.headers.get(HEADER.lower(), len(reply.content)))
    answer = json.loads(reply.content[:length])
    arrays: dict[str, Any] = {}
    for output in answer["outputs"]:
        datatype, shape = TYPES[output["datatype"]], output["shape"]
        parameters = output.get("parameters", {})
        if "not_guaranteed" in parameters:
            arrays["not_guaranteed"] = parameters["not_guaranteed"].split(":") if parameters["not_guaranteed"] else []
        size = parameters.get("binary_data_size")
        if size is None:
            arrays[output["name"]] = np.array(output["data"], dtype=datatype).reshape(shape)
        else:
            count = size // np.dtype(datatype).itemsize
            arrays[output["name"]] = np.frombuffer(reply.content, datatype, count, length).reshape(shape)
            length += size
    return answer["model_version"], arrays


def prediction_of(
    name: str,
    version: str,
    outputs: Mapping[str, Any],
    classes: Sequence[str],
    include: Sequence[str] = (),
    top_k: int | None = None,
) -> Prediction:
    """Return outputs as /predict has them: in a tie, labels are in the model's order."""
    probabilities = outputs["probabilities"]
    fields = {field: outputs[field] for field in ("logits", "typicality") if field in include}
    fields |= {"probabilities": probabilities} if top_k is None else {"top": _top(probabilities, top_k, classes)}
    if not {"log_probabilities", "prediction_sets"}.isdisjoint(include):
        logarithms = _log_softmax(outputs["logits"])
        if "log_probabilities" in include:
            fields["log_probabilities"] = logarithms.astype(np.float32)
        if "prediction_sets" in include:
            fields["prediction_sets"] = _sets(outputs["prediction_sets"], logarithms, classes)
    if "not_guaranteed" in outputs:
        fields["not_guaranteed"] = outputs["not_guaranteed"]
    labels = np.array(classes, dtype=np.str_)[probabilities.argmax(axis=1)]
    return Prediction(name, version, labels, fields)


def _log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    others = np.exp(shifted)
    np.put_along_axis(others, others.argmax(axis=1)[:, None], 0.0, axis=1)  # it is 1: small ones would vanish beside it
    return np.asarray(shifted - np.log1p(others.sum(axis=1, keepdims=True)))


def _top(probabilities: NDArray[Any], top_k: int, classes: Sequence[str]) -> list[Top]:
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    ranked = np.take_along_axis(probabilities, order, axis=1)
    digits = ranked.astype(np.str_).astype(np.float64)  # the shortest ones, as JSON has them
    return [
        [(classes[index], value) for index, value in zip(indices, values, strict=True)]
        for indices, values in zip(order.tolist(), digits.tolist(), strict=True)
    ]


def _sets(sets: NDArray[np.bool_], logarithms: NDArray[np.float64], classes: Sequence[str]) -> list[list[str]]:
    order = np.argsort(np.where(sets, -logarithms, np.inf), axis=1, kind="stable")  # labels outside the set come last
    sizes = sets.sum(axis=1).tolist()
    return [[classes[index] for index in row[:size]] for row, size in zip(order.tolist(), sizes, strict=True)]
