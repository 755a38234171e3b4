"""The infer requests of `/v2`: bodies → checked jobs, and outputs → answers. Pure functions."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import cast

import numpy as np
import orjson

from softmaxd.http.compression import MAX_DEFLATED, MIN_DEFLATED, accepted_encoding, deflate, inflate
from softmaxd.http.operation import Headers, Job, Reply
from softmaxd.models.answers import pieces
from softmaxd.models.features import INPUT
from softmaxd.models.hopeless import MIB, check_rows
from softmaxd.models.inputs import LARGE_BODY, read_json
from softmaxd.models.large_json import read_numbers
from softmaxd.models.manifest import ATYPICALITY, OUTPUTS, Layout, Manifest
from softmaxd.models.outputs import Array, Features, Outputs, to_json
from softmaxd.numerics.softmax import Floats
from softmaxd.numerics.trust import Sets, prediction_sets
from softmaxd.protocols.protocol import refuse_nan
from softmaxd.protocols.v2.schemas import (
    BINARY,
    DATATYPES,
    INFER_REQUESTS,
    INFER_TABLE,
    JSON_LENGTH,
    MAX_DIGITS,
    TRUST_OUTPUTS,
    V2InferRequest,
    V2TableTensor,
)
from softmaxd.protocols.v2.tables import from_inputs, from_only_bytes
from softmaxd.protocols.v2.tensors import find_place, from_bytes, from_json, invalid_tensor, one_tensor
from softmaxd.protocols.v2.wanted import ALL_AS_BYTES, Wanted, check_calibration, wanted_outputs

MAX_KNOWN, MAX_KNOWN_BYTES = 256, 1024  # remembered JSON parts, and the longest of them


@dataclass(slots=True)
class Plan:
    """The JSON of a request. Without `features`, their bytes follow it."""

    rows: int
    features: Features | None
    tensor_bytes: int
    id: str | None
    wanted: Sequence[Wanted]
    needs_calibration: bool


@dataclass(slots=True)
class InferJob(Job):
    features: Features
    manifest: Manifest
    id: str | None
    wanted: Sequence[Wanted]
    encoding: bytes | None  # of the answer


def decode_infer(body: bytes, headers: Headers, manifest: Manifest, *, max_rows: int, max_bytes: int) -> InferJob:
    """Return the job of a body of `POST …/infer`.

    Raises `InvalidBody`, `UnsupportedMediaType`, or `TooLarge` beyond max_rows, or when it inflates beyond max_bytes.
    """
    fields = dict(headers)
    if b"content-encoding" in fields:
        body = inflate(body, fields[b"content-encoding"], max_bytes=max_bytes)
    accepted = fields.get(b"accept-encoding")
    encoding = None if accepted is None else accepted_encoding(accepted)
    length = fields.get(JSON_LENGTH)
    if manifest.tensors and (length is not None or not manifest.takes_array or b"null" in body):
        return _decode_table(body, length, manifest, encoding, max_rows=max_rows)
    layout = manifest.layout
    if length is None:
        plan, tensor = read_plan(body, layout, max_rows), b""
    else:
        json_bytes = json_length(length, len(body))
        if json_bytes == 0:
            return InferJob(one_tensor(body, layout, max_rows=max_rows), manifest, None, ALL_AS_BYTES, encoding)
        read = read_known_plan if json_bytes <= MAX_KNOWN_BYTES else read_plan
        plan, tensor = read(body[:json_bytes], layout, max_rows), body[json_bytes:]
    if plan.needs_calibration:
        check_calibration(plan.wanted, manifest)
    if len(tensor) != plan.tensor_bytes:
        expected = f"{plan.tensor_bytes} bytes should follow the JSON, as its binary_data_size says"
        raise invalid_tensor(f"{expected}, not {len(tensor)}")
    features = plan.features
    if features is None:
        features = from_bytes(tensor, layout, plan.rows)
    return InferJob(features, manifest, plan.id, plan.wanted, encoding)


def _decode_table(
    body: bytes, length: bytes | None, manifest: Manifest, encoding: bytes | None, *, max_rows: int
) -> InferJob:
    """Return the job of a body for a table; `length` is that of its JSON, if others bytes may follow."""
    json_bytes = len(body) if length is None else json_length(length, len(body))
    if json_bytes == 0:
        return InferJob(from_only_bytes(body, manifest, max_rows=max_rows), manifest, None, ALL_AS_BYTES, encoding)
    text = body[:json_bytes]
    request = read_json(INFER_TABLE, text)
    refuse_nan(text)
    inputs = cast(Sequence[V2TableTensor], request["inputs"])
    features = from_inputs(inputs, body[json_bytes:], manifest, max_rows=max_rows)
    wanted = wanted_outputs(request)
    if not {output.name for output in wanted}.isdisjoint(TRUST_OUTPUTS):
        check_calibration(wanted, manifest)
    return InferJob(features, manifest, request.get("id"), wanted, encoding)


def json_length(header: bytes, body_bytes: int) -> int:
    """Return the number of bytes of the JSON; 0 for a body with nothing but a tensor."""
    if not header.isdigit() or len(header) > MAX_DIGITS or int(header) > body_bytes:
        raise invalid_tensor(
            "Inference-Header-Content-Length should be the number of bytes of the JSON part of the body"
        )
    return int(header)


def read_plan(text: bytes, layout: Layout, max_rows: int) -> Plan:
    request, numbers = _read_numbers(text, layout)
    refuse_nan(text)
    inputs = request["inputs"]
    tensor = inputs[0]
    if len(inputs) != 1 or tensor["name"] != INPUT:
        raise invalid_tensor(f"inputs should be one tensor, named {INPUT}")
    if tensor["datatype"] != layout.datatype:
        came = tensor["datatype"] if tensor["datatype"] in DATATYPES else "something else"
        raise invalid_tensor(f"The datatype of {INPUT} should be {layout.datatype}, as the model takes it, not {came}")
    shape = tensor["shape"]
    if len(shape) < 1 or shape[0] < 1 or tuple(shape[1:]) != layout.shape:
        row = ", ".join(map(str, layout.shape))
        raise invalid_tensor(f"The shape of {INPUT} should be [rows, {row}], with at least one row")
    rows = shape[0]
    check_rows(rows, max_rows)
    tensor_bytes = 0
    if numbers is None or "parameters" in tensor:
        tensor_bytes = find_place(tensor.get("parameters") or {}, numbers, rows * layout.row_bytes)
    features = None if numbers is None else from_json(numbers, layout, rows)
    wanted = wanted_outputs(request)
    needs_calibration = not {output.name for output in wanted}.isdisjoint(TRUST_OUTPUTS)
    return Plan(rows, features, tensor_bytes, request.get("id"), wanted, needs_calibration)


def _read_numbers(
    text: bytes, layout: Layout
) -> tuple[V2InferRequest, Floats | list[float] | list[list[float]] | None]:
    """Return the request, and the numbers of its first input; those of a large body come from the fast reader."""
    schema = INFER_REQUESTS[layout.depth]
    if len(text) >= LARGE_BODY:
        check = partial(_check_size, len(text))
        if fast := read_numbers(partial(read_json, schema), "data", text, check, find=_of_input, row=layout.shape):
            return fast[1], fast[0]
    request = read_json(schema, text)
    return request, request["inputs"][0].get("data")


def _check_size(size: int, rows: int, columns: int, request: V2InferRequest) -> None:
    """Refuse more or fewer numbers than the shape says, before those of a very large body are read."""
    expected = math.prod(request["inputs"][0]["shape"])
    if size > MIB and rows * columns != expected:
        raise invalid_tensor(
            f"The data of {INPUT} should be {expected} numbers, as its shape says, not {rows * columns}"
        )


def _of_input(request: V2InferRequest, _field: str) -> object:
    return request["inputs"][0].get("data")


# Clients send the same JSON before the bytes of a tensor again and again: looking it up is faster than reading it.
read_known_plan = lru_cache(maxsize=MAX_KNOWN)(read_plan)


def encode_infer(outputs: Outputs, job: InferJob) -> Reply:
    """Return the answer to `POST …/infer`: JSON, then the bytes of the tensors that are wanted as bytes.

    Raises `OutputNotFinite`.
    """
    described: list[bytes] = []
    tensors: list[bytes | memoryview] = []
    for wanted in job.wanted:
        if wanted.classes:
            text, tensor = _encode_classes(outputs, wanted, job)
        elif wanted.name in OUTPUTS:
            text, tensor = _encode_numbers(outputs, wanted, job)
        else:
            text, tensor = _encode_trust(outputs, wanted, job)
        described.append(text)
        if tensor is not None:
            tensors.append(tensor)
    text = b'{%b,%b"outputs":[%b]}' % (
        job.manifest.model_names_as_json,
        b"" if job.id is None else b'"id":%b,' % orjson.dumps(job.id),
        b",".join(described),
    )
    if tensors:
        reply = Reply(b"".join([text, *tensors]), 200, BINARY, ((JSON_LENGTH, b"%d" % len(text)),))
    else:
        reply = Reply(text)
    if job.encoding is not None and MIN_DEFLATED <= len(reply.body) <= MAX_DEFLATED:
        reply.body = deflate(reply.body, job.encoding)
        reply.headers = (*reply.headers, (b"content-encoding", job.encoding))
    return reply


TRUST_DATATYPES = {"float32": b"FP32", "float64": b"FP64", "bool": b"BOOL"}

Encoded = tuple[bytes, bytes | memoryview | None]  # the JSON of an output, and its bytes if they follow the JSON


def _encode_numbers(outputs: Outputs, wanted: Wanted, job: InferJob) -> Encoded:
    described = (wanted.name.encode(), len(job.features), len(job.manifest.labels))
    if not wanted.is_binary:
        numbers = outputs.flat_json(wanted.name)
        return b'{"name":"%b","datatype":"FP32","shape":[%d,%d],"data":%b}' % (*described, numbers), None
    tensor = outputs.raw(wanted.name)
    text = b'{"name":"%b","datatype":"FP32","shape":[%d,%d],"parameters":{"binary_data_size":%d}}'
    return text % (*described, len(tensor)), tensor


def _encode_trust(outputs: Outputs, wanted: Wanted, job: InferJob) -> Encoded:
    values, parameters = _trust(outputs, wanted, job)
    text = b'{"name":"%b","datatype":"%b","shape":[%b]' % (
        wanted.name.encode(),
        TRUST_DATATYPES[values.dtype.name],
        b",".join(b"%d" % size for size in values.shape),
    )
    if wanted.is_binary:
        parameters["binary_data_size"] = values.nbytes
    if parameters:
        text += b',"parameters":' + orjson.dumps(parameters)
    if wanted.is_binary:
        return text + b"}", values.tobytes()
    return b'%b,"data":%b}' % (text, to_json(values.ravel())), None


def _trust(outputs: Outputs, wanted: Wanted, job: InferJob) -> tuple[Array | Floats | Sets, dict[str, int | str]]:
    """Return the values of an output, and its parameters in the answer."""
    calibration = job.manifest.calibration
    assert calibration is not None
    if wanted.name == ATYPICALITY:
        return outputs[ATYPICALITY], {}
    if wanted.name == "typicality":
        return calibration.typicality(outputs.atypicality), {}
    highest, not_guaranteed = calibration.thresholds(wanted.coverage, wanted.coverage_by)
    sets = prediction_sets(outputs.log_probabilities, highest)
    if wanted.coverage_by == "marginal":
        return sets, {}
    labels = job.manifest.labels
    return sets, {"not_guaranteed": ":".join([labels[index] for index in not_guaranteed])}  # no label has a colon


def _encode_classes(outputs: Outputs, wanted: Wanted, job: InferJob) -> Encoded:
    values = outputs[wanted.name]
    rows, classes = values.shape
    named = (_names(values[piece], wanted.classes, job.manifest.labels) for piece in pieces(rows, classes))
    described = (wanted.name.encode(), rows, min(wanted.classes, classes))
    if not wanted.is_binary:
        texts = b",".join([orjson.dumps(names)[1:-1] for names in named])
        return b'{"name":"%b","datatype":"BYTES","shape":[%d,%d],"data":[%b]}' % (*described, texts), None
    tensor = b"".join([struct.pack("<I", len(text)) + text for names in named for text in map(str.encode, names)])
    text = b'{"name":"%b","datatype":"BYTES","shape":[%d,%d],"parameters":{"binary_data_size":%d}}'
    return text % (*described, len(tensor)), tensor


def _names(values: Array, most: int, labels: Sequence[str]) -> list[str]:
    """Return the names of the best classes of each row [rows, classes], row by row."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :most]  # stable: ties keep the class order
    ranked = np.take_along_axis(values, order, axis=1)
    return [
        f"{value:f}:{index}:{labels[index]}"
        for value, index in zip(ranked.ravel().tolist(), order.ravel().tolist(), strict=True)
    ]
