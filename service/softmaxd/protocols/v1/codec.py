"""Bodies of `/v1` → checked jobs, and outputs → answers. Pure functions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from pydantic import TypeAdapter

from softmaxd.http.operation import Job
from softmaxd.models.answers import pieces
from softmaxd.models.by_name import by_name
from softmaxd.models.datatypes import invalid
from softmaxd.models.features import INPUT
from softmaxd.models.hopeless import check_rows
from softmaxd.models.inputs import LARGE_BODY, read_json, read_large, read_rows, to_features
from softmaxd.models.large_records import read_records
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features, Outputs, to_json
from softmaxd.models.problems import MAX_KEY
from softmaxd.models.schemas import Cell
from softmaxd.models.tables import from_columns
from softmaxd.protocols.protocol import refuse_nan
from softmaxd.protocols.v1.schemas import (
    CLASSIFY_REQUESTS,
    CLASSIFY_TABLE,
    DEFAULT,
    PREDICT_REQUESTS,
    PREDICT_TABLE,
    SIGNATURES,
    V1ClassifyRequest,
    V1PredictRequest,
    unwrap,
)

NAMED = re.compile(rb'\{\s*"%s"\s*:\s*(\[[^{}"\\]*\])\s*\}' % INPUT.encode())  # {"features": […]}

T = TypeVar("T")


@dataclass(slots=True)
class PredictJob(Job):
    features: Features
    version: int
    output: str
    is_columnar: bool


@dataclass(slots=True)
class ClassifyJob(Job):
    features: Features
    version: int
    output: str
    labels: Sequence[str]


def decode_predict(body: bytes, manifest: Manifest, *, max_rows: int) -> PredictJob:
    """Return the job of a body of `:predict`. Raises `InvalidBody` or `TooLarge`."""
    schema = PREDICT_TABLE if manifest.tensors else PREDICT_REQUESTS[manifest.depth]
    features, request = (
        read_large(schema, "instances", body, manifest, max_rows=max_rows)
        or read_large(schema, "inputs", body, manifest, max_rows=max_rows)
        or _read_named(schema, body, manifest, max_rows=max_rows)
        or _read_rows(body, manifest, max_rows=max_rows)
        or (None, read_json(schema, body))
    )
    refuse_nan(body)
    if ("instances" in request) == ("inputs" in request):
        raise invalid("missing", [], "Input should have either instances or inputs")
    if features is None:
        features = _features(request, manifest, max_rows=max_rows)
    output = SIGNATURES[request.get("signature_name", DEFAULT)]
    return PredictJob(features, manifest.version, output, "inputs" in request)


def _features(request: V1PredictRequest, manifest: Manifest, *, max_rows: int) -> Features:
    """Return the features of a request, in either format."""
    if not manifest.takes_array:
        return _features_of_table(request, manifest, max_rows=max_rows)
    rows, place = _columns(request["inputs"]) if "inputs" in request else _rows(request["instances"])
    return to_features(rows, manifest, max_rows=max_rows, place=place)


def _read_named(
    schema: TypeAdapter[V1PredictRequest], body: bytes, manifest: Manifest, *, max_rows: int
) -> tuple[Features, V1PredictRequest] | None:
    """Return the features [rows, features] of a large body that names the input, in each row or once, and the request.

    None means that the schema must read it: something else is in it.
    """
    if len(body) < LARGE_BODY or not manifest.takes_array:
        return None
    plain, number = NAMED.subn(rb"\1", body)
    rows = read_large(schema, "instances", plain, manifest, max_rows=max_rows) if number else None
    if rows is not None and len(rows[0]) == number:
        return rows
    return read_large(schema, "inputs", plain, manifest, max_rows=max_rows) if number == 1 else None


def _read_rows(body: bytes, manifest: Manifest, *, max_rows: int) -> tuple[Features, V1PredictRequest] | None:
    """Return the features of the row format of a large table, and the request; None for anything else."""

    def read(text: bytes) -> tuple[Features, V1PredictRequest]:
        request = read_json(PREDICT_TABLE, text)
        return _features_of_table(request, manifest, max_rows=max_rows), request

    if manifest.takes_array:
        return None
    check_count = partial(check_rows, max_rows=max_rows)
    return read_records(read, partial(read_json, PREDICT_TABLE), "instances", body, manifest, check_count)


def _features_of_table(request: V1PredictRequest, manifest: Manifest, *, max_rows: int) -> Features:
    """Return the features of a table: rows, or a list for each feature by its name, which may be absent if nullable.

    Raises `InvalidBody` or `TooLarge`.
    """
    if "instances" in request:
        unwrapped = [
            {name: unwrap(value) for name, value in row.items()} if isinstance(row, dict) else row
            for row in request["instances"]
        ]
        return to_features(unwrapped, manifest, max_rows=max_rows)
    inputs = request["inputs"]
    if isinstance(inputs, list):
        return to_features(inputs, manifest, max_rows=max_rows, place=["inputs"])
    names = [feature.name for feature in manifest.features]
    first = next((name for name in names if name in inputs), names[0])
    rows = len(inputs.get(first, ()))
    check_rows(rows, max_rows)
    given = {name: list(map(unwrap, column)) for name, column in inputs.items()}
    missing: list[Cell] = [None] * rows
    columns = by_name(given, names, ["inputs"], {each.name: missing for each in manifest.features if each.nullable})
    for name, column in zip(names, columns, strict=True):
        if len(column) != rows or not rows:
            expected = f"as many values as {first}, {rows}" if rows else "at least 1 value"
            raise invalid("column_length", ["inputs", name], f"Input should have {expected}")
    return from_columns(columns, manifest, lambda index, row: ["inputs", names[index], row])


def _rows(instances: list[list[float]] | list[dict[str, list[float]]]) -> tuple[list[list[float]], list[str]]:
    """Return the rows of the row format, and their place in the body."""
    if not instances or isinstance(instances[0], list):
        return cast(list[list[float]], instances), ["instances"]  # the schema allows one form per request
    return [_only_input(row, ["instances", index]) for index, row in enumerate(instances)], ["instances"]


def _columns(inputs: list[list[float]] | dict[str, list[list[float]]]) -> tuple[list[list[float]], list[str]]:
    """Return the rows of the columnar format, and their place in the body."""
    if isinstance(inputs, list):
        return inputs, ["inputs"]
    return _only_input(inputs, ["inputs"]), ["inputs", INPUT]


def _only_input(named: Mapping[str, T], place: Sequence[str | int]) -> T:
    """Return the tensor of the model's only input. Raises `InvalidBody` for another name."""
    unknown = next((name for name in named if name != INPUT), None)
    if unknown is not None:
        raise invalid("extra_forbidden", [*place, unknown[:MAX_KEY]], f"The model's only input is {INPUT}")
    if not named:
        raise invalid("missing", [*place, INPUT], "Field required")
    return named[INPUT]


def encode_predict(outputs: Outputs, job: PredictJob) -> bytes:
    """Return the answer to `:predict`, float32 digits that round-trip. Raises `OutputNotFinite`."""
    return b'{"%s":%s}' % (b"outputs" if job.is_columnar else b"predictions", outputs.json(job.output))


def decode_classify(body: bytes, manifest: Manifest, *, max_rows: int) -> ClassifyJob:
    """Return the job of a body of `:classify`. Raises `InvalidBody` or `TooLarge`."""
    schema = CLASSIFY_TABLE if manifest.tensors else CLASSIFY_REQUESTS[manifest.depth]
    features, request = read_rows(schema, "examples", body, manifest, max_rows=max_rows, check=_refuse_context)
    refuse_nan(body)
    output = SIGNATURES[request.get("signature_name", DEFAULT)]
    return ClassifyJob(features, manifest.version, output, manifest.labels)


def _refuse_context(request: V1ClassifyRequest) -> None:
    """Refuse shared values, which would let a small body have very many features."""
    if request.get("context"):
        raise invalid("too_long", ["context"], "Input should be empty: give each example all of its features")


def encode_classify(outputs: Outputs, job: ClassifyJob) -> bytes:
    """Return the answer to `:classify`, float32 digits that round-trip. Raises `OutputNotFinite`."""
    scores = outputs[job.output]
    texts = [
        to_json([list(zip(job.labels, row, strict=True)) for row in scores[piece]])[1:-1]
        for piece in pieces(*scores.shape)
    ]
    return b'{"results":[%s]}' % b",".join(texts)
