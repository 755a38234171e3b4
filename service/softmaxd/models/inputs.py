"""Bytes of JSON numbers → checked array. The pydantic schema is the contract; past this module nobody checks again.

Large bodies try a fast reader first (`large_json`), which gives the same features, bit for bit.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
from pydantic import TypeAdapter, ValidationError

from softmaxd.errors import InvalidBody
from softmaxd.models.by_name import by_name, listed
from softmaxd.models.datatypes import invalid, misfit, to_type
from softmaxd.models.hopeless import MIB, check_columns, check_openings, check_rows, check_values
from softmaxd.models.large_json import read_numbers
from softmaxd.models.large_records import PIECE, read_records
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features
from softmaxd.models.problems import problems_of
from softmaxd.models.schemas import HasInstances, HasLogits
from softmaxd.models.tables import to_table
from softmaxd.models.tensors import to_tensors
from softmaxd.numerics.softmax import FEW_CLASSES, Floats

LARGE_BODY = 1024  # bytes; the fast reader pays from here

T = TypeVar("T")
R = TypeVar("R", bound=HasInstances)
L = TypeVar("L", bound=HasLogits)


def read_features(
    schema: TypeAdapter[R], body: bytes, manifest: Manifest, *, max_rows: int, fast_from: int = LARGE_BODY
) -> tuple[Features, R]:
    """Return the checked features [rows, features], and the request for its other fields.

    Raises `InvalidBody` or `TooLarge`. Bodies of `fast_from` bytes or more try the fast reader first.
    """
    fast = read_large(schema, "instances", body, manifest, max_rows=max_rows, fast_from=fast_from)
    if fast is not None:
        return fast
    if len(body) > PIECE:
        return read_rows(schema, "instances", body, manifest, max_rows=max_rows)
    request = read_json(schema, body)
    return to_features(request["instances"], manifest, max_rows=max_rows), request


def read_rows(
    schema: TypeAdapter[T],
    field: str,
    body: bytes,
    manifest: Manifest,
    *,
    max_rows: int,
    check: Callable[[T], None] = lambda _request: None,  # refuses other fields
) -> tuple[Features, T]:
    """Return the features [rows, features] of a body's field by its schema, and the request; records piece by piece."""

    def read(text: bytes) -> tuple[Features, T]:
        request = read_json(schema, text)
        check(request)
        rows = cast(dict[str, list[list[float]]], request)[field]
        return to_features(rows, manifest, max_rows=max_rows, place=[field]), request

    check_count = partial(check_rows, max_rows=max_rows)
    found = read_records(read, partial(read_json, schema), field, body, manifest, check_count)
    if found is not None:
        return found
    if not manifest.tensors:  # texts may have brackets
        check_openings(body, max_rows)
    return read(body)


def read_large(
    schema: TypeAdapter[T], field: str, body: bytes, manifest: Manifest, *, max_rows: int, fast_from: int = LARGE_BODY
) -> tuple[Features, T] | None:
    """Return the features [rows, features] of a large body's field, and the request; None if the schema must read it.

    Raises `TooLarge`, which the schema would find a second later in a body of 8 MiB.
    """
    if len(body) < fast_from or not manifest.takes_array:
        return None

    def check(rows: int, columns: int, _request: T) -> None:
        check_rows(rows, max_rows)
        check_columns(body, field, columns, layout.width)

    layout = manifest.layout
    proved = read_numbers(partial(read_json, schema), field, body, check, row=layout.shape)
    if proved is None or proved[0].shape[1:] != layout.shape:
        return None
    features, fit = to_type(proved[0].reshape(-1, layout.width), layout.datatype)
    return (features, proved[1]) if fit.all() else None


def read_logits(
    schema: TypeAdapter[L], body: bytes, check: Callable[[int, int, L], None], *, fast_from: int = LARGE_BODY
) -> tuple[Floats | list[list[float]], bool, L]:
    """Return float64 rows of one length, True if they came as one vector, and the request for its other fields.

    Only the fast reader returns an array: for a few short rows, lists are faster. `check` takes rows, columns and
    request, and may raise before the numbers are read. Raises `InvalidBody`.
    """
    if len(body) >= fast_from and (proved := read_numbers(partial(read_json, schema), "logits", body, check)):
        numbers, request = proved
        if numbers.ndim > 1 or numbers.size > FEW_CLASSES:
            return numbers.reshape(-1, numbers.shape[-1]), numbers.ndim == 1, request
    request = read_json(schema, body)
    logits = request["logits"]
    is_vector = not logits or not isinstance(logits[0], list)
    rows = cast("list[list[float]]", [logits] if is_vector else logits)
    check(len(rows), len(rows[0]), request)
    for index, row in enumerate(rows):
        loc: list[str | int] = ["logits"] if is_vector else ["logits", index]
        if not row:
            raise invalid("too_short", loc, "Input should have at least 1 number")
        if len(row) != len(rows[0]):
            raise invalid("row_length", loc, f"Input should have {len(rows[0])} numbers as row 0, not {len(row)}")
    return rows, is_vector, request


def read_json(schema: TypeAdapter[T], body: bytes) -> T:
    """Return the body as its schema describes it. A duplicate key takes its last value. Raises `InvalidBody`."""
    if len(body) > MIB:
        check_values(body)
    try:
        found: T = schema.validator.validate_json(body)  # faster than `TypeAdapter.validate_json`
    except ValidationError as error:
        raise InvalidBody(*problems_of(error)) from error
    return found


def to_features(
    instances: Sequence[Any],  # lists, or objects, of numbers; of a table with other values, too
    manifest: Manifest,
    *,
    max_rows: int,
    place: Sequence[str | int] = ("instances",),
) -> Features:
    """Return the features [rows, features] of rows in the model's feature order, or by feature name.

    `place` is the path of the rows in the body. Raises `InvalidBody` or `TooLarge`.
    """
    width = len(manifest.features)
    row_struct = manifest.row_struct  # None for a table
    if row_struct and len(instances) == 1 and isinstance(instances[0], list) and len(instances[0]) == width:
        try:  # one row, the most frequent case: far faster than NumPy with its checks
            return np.ndarray((1, width), manifest.dtype, row_struct.pack(*instances[0]))
        except OverflowError:
            pass  # too large for float32: refused below, with its place
    if not instances:
        raise invalid("too_short", place, "Input should have at least 1 row")
    check_rows(len(instances), max_rows)
    if manifest.tensors:
        return to_table(instances, manifest, place)
    if manifest.depth:
        return to_tensors(instances, manifest, place)
    names = [feature.name for feature in manifest.features]
    rows = [
        by_name(row, names, [*place, index]) if isinstance(row, dict) else row for index, row in enumerate(instances)
    ]
    for index, row in enumerate(rows):
        if len(row) != len(names):
            expected = f"{len(names)} numbers ({listed(names)})"
            raise invalid("row_length", [*place, index], f"Input should be {expected}, not {len(row)}")
    features, fit = to_type(rows, manifest.datatype)
    if not fit.all():
        row_index, column = np.argwhere(~fit)[0].tolist()
        loc = [*place, row_index, names[column] if isinstance(instances[0], dict) else column]
        raise misfit(rows[row_index][column], loc, manifest.datatype)
    return features
