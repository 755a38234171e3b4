"""The inputs of `/v2` for a table, one tensor for each input of the graph → checked features. Pure functions."""

import math
import struct
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from softmaxd.errors import InvalidBody, Problem
from softmaxd.models.by_name import listed
from softmaxd.models.datatypes import invalid
from softmaxd.models.features import InputTensor
from softmaxd.models.hopeless import check_rows
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features
from softmaxd.models.schemas import Cell
from softmaxd.models.tables import column_of, empty
from softmaxd.protocols.v2.schemas import V2TableTensor
from softmaxd.protocols.v2.tensors import count_rows, find_place, invalid_tensor

LENGTH = struct.Struct("<I")  # before each text in bytes

Values = npt.NDArray[Any]  # [rows, columns] of an input


def from_inputs(inputs: Sequence[V2TableTensor], tail: bytes, manifest: Manifest, *, max_rows: int) -> Features:
    """Return the features of a request's tensors, whose bytes, if they are no JSON, are in `tail` in their order.

    Raises `InvalidBody` or `TooLarge`.
    """
    expected = {tensor.name: tensor for tensor in manifest.tensors}
    if sorted(given["name"] for given in inputs) != sorted(expected):
        raise invalid_tensor(f"inputs should be {listed([*expected])}, each once")
    rows = _rows_of(inputs[0])
    check_rows(rows, max_rows)
    table, fields = empty(manifest, rows)
    start = 0
    for given in inputs:
        tensor = expected[given["name"]]
        _check_form(given, tensor, rows)
        cells = given.get("data")
        size = find_place(given.get("parameters") or {}, cells, _bytes_of(tensor, rows), tensor.name)
        if cells is None and tensor.datatype == "BYTES":
            cells = _texts(tail[start : start + size], rows * tensor.width, tensor.name)
        if cells is None:
            fields[tensor.name][:] = _from_bytes(tail[start : start + size], tensor, manifest, rows)
        else:
            _fill(fields[tensor.name], cells, tensor, manifest)
        start += size
    if start != len(tail):
        expectation = f"{start} bytes should follow the JSON, as its binary_data_size says"
        raise invalid_tensor(f"{expectation}, not {len(tail)}")
    return table


def from_only_bytes(body: bytes, manifest: Manifest, *, max_rows: int) -> Features:
    """Return the features of a body with nothing but the bytes of the only input.

    Raises `InvalidBody` or `TooLarge`.
    """
    tensor = manifest.tensors[0]
    if len(manifest.tensors) > 1 or tensor.datatype == "BYTES":
        raise invalid_tensor(
            "The body should have JSON before the bytes: the model takes more than one tensor of numbers"
        )
    row_bytes = tensor.width * tensor.dtype.itemsize
    rows = count_rows(body, f"{tensor.width} little-endian {tensor.datatype} numbers", row_bytes, max_rows)
    table, fields = empty(manifest, rows)
    fields[tensor.name][:] = _from_bytes(body, tensor, manifest, rows)
    return table


def _rows_of(given: V2TableTensor) -> int:
    shape = given["shape"]
    return shape[0] if shape else 0


def _check_form(given: V2TableTensor, tensor: InputTensor, rows: int) -> None:
    """Refuse a tensor of another datatype or shape. A tensor of one column may have the shape [rows]."""
    if given["datatype"] != tensor.datatype:
        raise invalid_tensor(f"The datatype of {tensor.name} should be {tensor.datatype}, as the model takes it")
    shapes = [[rows, tensor.width], *([[rows]] if tensor.width == 1 else [])]
    if rows < 1 or given["shape"] not in shapes:
        expected = f"[rows, {tensor.width}], with at least one row and as many as the other inputs"
        raise invalid_tensor(f"The shape of {tensor.name} should be {expected}")


def _bytes_of(tensor: InputTensor, rows: int) -> int | None:
    """Return the bytes of a tensor, None for texts: each has its own length."""
    return None if tensor.datatype == "BYTES" else rows * tensor.width * tensor.dtype.itemsize


def _fill(field: Values, cells: Sequence[Cell], tensor: InputTensor, manifest: Manifest) -> None:
    """Write the values of JSON, flat or with a list for each row, into the field of an input. Raises `InvalidBody`."""
    rows, width = field.shape
    if isinstance(cells[0] if cells else None, list):
        lists = [row for row in cells if isinstance(row, list) and len(row) == width]
        if len(lists) < len(cells) or len(cells) != rows:
            raise invalid_tensor(f"The data of {tensor.name} should be {rows} lists of {width}, as its shape says")
        cells = [cell for row in lists for cell in row]
    if len(cells) != rows * width:
        raise invalid_tensor(f"The data of {tensor.name} should be {rows * width} values, not {len(cells)}")
    for column, index in enumerate(tensor.columns):
        feature = manifest.features[index]
        try:
            field[:, column] = column_of(cells[column::width], tensor, feature, lambda row: [row])
        except InvalidBody as error:
            raise _of_cell(error.problems[0], tensor, column, feature.name) from error


def _of_cell(problem: Problem, tensor: InputTensor, column: int, feature: str) -> InvalidBody:
    """Return the error for a value, with its index in the tensor, and the row and feature if these are not the same."""
    (row,) = cast(Sequence[int], problem["loc"])
    message = problem["msg"] if tensor.width == 1 else f"{problem['msg']} ({feature} of row {row})"
    return invalid(problem["type"], [tensor.name, "data", row * tensor.width + column], message)


def _from_bytes(content: bytes, tensor: InputTensor, manifest: Manifest, rows: int) -> Values:
    shape = (rows, tensor.width)
    if len(content) != math.prod(shape) * tensor.dtype.itemsize:
        raise _cut_off(tensor.name)
    if tensor.datatype == "BOOL":
        if content.translate(None, b"\x00\x01"):
            raise invalid_tensor(f"The bytes of {tensor.name} should be 0 or 1")
        return np.ndarray(shape, np.bool_, content)
    values: Values = np.ndarray(shape, tensor.dtype, content)
    if tensor.dtype.kind == "f":
        nullable = np.array([manifest.features[index].nullable for index in tensor.columns])
        right = np.isfinite(values) | (np.isnan(values) & nullable)
        if not right.all():
            row, column = np.argwhere(~right)[0].tolist()
            expected = f"{tensor.name} should be finite numbers, or NaN for a missing one that may be missing"
            raise invalid_tensor(f"{expected} ({manifest.features[tensor.columns[column]].name} of row {row} is not)")
    return values


def _texts(content: bytes, count: int, name: str) -> list[str]:
    """Return texts that follow each other, each after its length of four bytes. Raises `InvalidBody`."""
    texts = []
    start = 0
    try:
        for _ in range(count):
            (length,) = LENGTH.unpack_from(content, start)
            start += LENGTH.size + cast(int, length)
            text = content[start - length : start]
            if len(text) < length:
                raise _cut_off(name)
            texts.append(text.decode())
    except struct.error as error:
        raise _cut_off(name) from error
    except UnicodeDecodeError as error:
        raise invalid_tensor(f"The texts of {name} should be UTF-8") from error
    if start != len(content):
        raise invalid_tensor(f"The bytes of {name} should be {count} texts, each after its length, and nothing more")
    return texts


def _cut_off(name: str) -> InvalidBody:
    return invalid_tensor(f"The bytes of {name} are cut off")
