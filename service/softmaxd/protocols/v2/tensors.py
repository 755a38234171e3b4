"""Input tensors of `/v2`, as JSON or bytes → checked features. Pure functions."""

import struct
from typing import cast

import numpy as np

from softmaxd.errors import InvalidBody
from softmaxd.models.datatypes import invalid, misfit, to_type
from softmaxd.models.features import INPUT, Datatype
from softmaxd.models.hopeless import check_rows
from softmaxd.models.manifest import Layout
from softmaxd.models.outputs import Features, is_finite
from softmaxd.numerics.softmax import Floats
from softmaxd.protocols.v2.schemas import V2InputParameters


def find_place(parameters: V2InputParameters, numbers: object, expected: int | None, name: str = INPUT) -> int:
    """Return the number of bytes of an input after the JSON, 0 for numbers in the JSON.

    Raises `InvalidBody` for numbers in both places or in none, and for another size than `expected`, if that is known.
    """
    size = parameters.get("binary_data_size")
    if (numbers is None) == (size is None) or parameters.get("shared_memory_region") is not None:
        raise invalid_tensor(f"{name} should have either data or binary_data_size, and no shared memory")
    if size is not None and expected is not None and size != expected:
        raise invalid_tensor(f"The binary_data_size of {name} should be {expected}, as its shape says, not {size}")
    return size or 0


def from_json(numbers: Floats | list[float] | list[list[float]], layout: Layout, rows: int) -> Features:
    """Return JSON's numbers, an array from the fast reader or lists, as features [rows, features]."""
    width = layout.width
    if isinstance(numbers, np.ndarray):
        return _from_array(numbers, layout, rows)
    if layout.depth and numbers and isinstance(numbers[0], list):
        return _from_array(_nested(numbers, layout, rows), layout, rows)
    if numbers and isinstance(numbers[0], list):
        if len(numbers) != rows or any(len(row) != width for row in numbers):
            raise _wrong_count(numbers, layout, rows)
        numbers = [number for row in numbers for number in row]
    elif len(numbers) != rows * width:
        raise _wrong_count(numbers, layout, rows)
    if not layout.code:
        return _whole(cast(list[float], numbers), layout.datatype).reshape(rows, width)
    try:
        packed = struct.pack(f"={len(numbers)}{layout.code}", *numbers)  # faster than `np.array`
    except OverflowError as error:
        raise not_finite(layout.datatype) from error
    return np.ndarray((rows, width), layout.dtype, packed)


def _nested(numbers: list[list[float]], layout: Layout, rows: int) -> Floats:
    """Return nested lists as an array [rows, …]."""
    try:
        return np.array(numbers, dtype=np.float64)
    except ValueError as error:  # lists of one level have different lengths
        raise _wrong_count(numbers, layout, rows) from error


def _from_array(numbers: Floats, layout: Layout, rows: int) -> Features:
    if numbers.shape not in {(rows, *layout.shape), (rows * layout.width,)}:
        raise _wrong_count(numbers, layout, rows)
    if not layout.code:
        return _whole(numbers.ravel(), layout.datatype).reshape(rows, layout.width)
    features, fit = to_type(numbers.reshape(rows, layout.width), layout.datatype)
    if not fit.all():
        raise not_finite(layout.datatype)
    return features


def _wrong_count(numbers: Floats | list[float] | list[list[float]], layout: Layout, rows: int) -> InvalidBody:
    if len(numbers) and not isinstance(numbers[0], float):
        row = " × ".join(map(str, layout.shape))
        return invalid_tensor(f"The data of {INPUT} should be {rows} lists of {row} numbers, as its shape says")
    expected = f"{rows * layout.width} numbers, as its shape says"
    return invalid_tensor(f"The data of {INPUT} should be {expected}, not {len(numbers)}")


def _whole(numbers: Floats | list[float], datatype: Datatype) -> Features:
    features, fit = to_type(numbers, datatype)
    if not fit.all():
        index = int(np.argmin(fit))
        raise misfit(numbers[index], ["inputs", 0, "data", index], datatype)
    return features


def one_tensor(body: bytes, layout: Layout, *, max_rows: int) -> Features:
    """Return the features of a body with nothing but their bytes. Raises `InvalidBody` or `TooLarge`."""
    rows = count_rows(body, f"{layout.width} little-endian {layout.datatype} numbers", layout.row_bytes, max_rows)
    return from_bytes(body, layout, rows)


def count_rows(body: bytes, row: str, row_bytes: int, max_rows: int) -> int:
    """Return the rows of a body with nothing but their bytes; `row` describes one.

    Raises `InvalidBody` or `TooLarge`.
    """
    rows, rest = divmod(len(body), row_bytes)
    if rows == 0 or rest:
        raise invalid_tensor(f"The body should be rows of {row}, at least one row")
    check_rows(rows, max_rows)
    return rows


def from_bytes(tensor: bytes, layout: Layout, rows: int) -> Features:
    features = np.ndarray((rows, layout.width), layout.dtype, tensor)  # little-endian, like every supported machine
    if not is_finite(features):  # always true of integers
        raise not_finite(layout.datatype)
    return features


def not_finite(datatype: Datatype) -> InvalidBody:
    return invalid_tensor(f"{INPUT} should be finite numbers" + (", also as float32" if datatype == "FP32" else ""))


def invalid_tensor(message: str) -> InvalidBody:
    return invalid("tensor_invalid", [], message)
