"""A fast reader of large bodies. It answers only if it can prove that the schema would give the same, bit for bit.

simdjson parses the array of numbers; the schema reads the rest of the body.
"""

import math
from collections.abc import Callable, Iterator
from typing import TypeVar, cast

import numpy as np
import simdjson

from softmaxd.errors import InvalidBody
from softmaxd.numerics.softmax import Floats

PIECE = 64 * 1024  # bytes that simdjson parses at a time, because it needs many times as much memory
NUMBER_BYTES = b"+-.0123456789Ee \t\n\r"  # all bytes of an array of numbers but brackets and commas

T = TypeVar("T")


def _at_top(request: T, field: str) -> object:
    return cast(dict[str, object], request).get(field)


def read_numbers(
    read_rest: Callable[[bytes], T],
    field: str,
    body: bytes,
    check: Callable[[int, int, T], None],
    find: Callable[[T, str], object] = _at_top,
) -> tuple[Floats, T] | None:
    """Return a field's numbers as a matrix [rows, columns] or a vector, and the request with `[]` in their place.

    None means that there is no proof. `check` takes rows, columns and request, and may raise before numbers are read.
    `find` returns the value of the field in a request.

    The array is cut out of the body, and `read_rest` reads the rest by the schema: so only the array needs a proof.
    """
    key = f'"{field}"'.encode()
    found = body.find(key)
    start = body.find(b"[", found)
    ends = [body.find(b'"', found + len(key)), body.find(b"}", found)]  # the next field, or the end of the object
    stop = body.rfind(b"]", found, min((end for end in ends if end > 0), default=len(body))) + 1
    if not found < start < stop:  # no array to cut out
        return None
    rest = body[:start] + b"[]" + body[stop:]
    if (
        b"\\" in rest or rest.count(key) > 1
    ):  # without escapes, each quote delimits a text, and the field stands here only
        return None
    try:
        request = read_rest(rest)
    except InvalidBody:
        return None
    if find(request, field) != []:  # it is part of a field that the schema ignores
        return None
    array = body[start:stop]
    shape = _shape(array)
    if shape is None:
        return None
    check(shape[0] if len(shape) > 1 else 1, shape[-1], request)
    numbers = _to_floats(array, shape)
    return None if numbers is None else (numbers, request)


def _shape(array: bytes) -> tuple[int, ...] | None:
    """Return the shape of a JSON array of numbers, or of rows of them, all of one length; None for anything else.

    Without the bytes of numbers and blanks, brackets and commas remain, and show the shape: `[[,],[,]]` is 2 × 2.
    `[]` has one number or none.
    """
    skeleton = array.translate(None, delete=NUMBER_BYTES)
    if sum(map(skeleton.count, (b"[", b",", b"]"))) < len(skeleton):  # something else than numbers
        return None
    commas = len(skeleton) - len(b"[]")
    if skeleton == b"[" + b"," * commas + b"]":
        return (commas + 1,)
    width = skeleton.find(b"]") - 1
    rows = (len(skeleton) - 1) // (width + 2)
    row = b"[" + b"," * (width - 1) + b"]"
    return (rows, width) if skeleton == b"[" + (row + b",") * (rows - 1) + row + b"]" else None


def _to_floats(array: bytes, shape: tuple[int, ...]) -> Floats | None:
    """Return a JSON array of this shape; None means that there is no proof.

    simdjson accepts it as JSON, so a number stands on both sides of each comma between two numbers.
    """
    parser = simdjson.Parser()  # for this thread; each piece is converted before the next is parsed
    try:
        buffers = [
            cast(simdjson.Array, parser.parse(piece)).as_buffer(of_type="d")
            for piece in _pieces(array, b"," if len(shape) == 1 else b"]")
        ]
    except (ValueError, RuntimeError):  # not JSON, or a number that float64 or 64 bits cannot hold
        return None
    parts = [np.frombuffer(buffer, dtype=np.float64) for buffer in buffers]
    numbers = np.concatenate(parts) if parts else np.empty(0)
    return numbers.reshape(shape) if numbers.size == math.prod(shape) else None


def _pieces(array: bytes, last: bytes) -> Iterator[bytes]:
    """Cut an array into arrays of about PIECE bytes, at a comma that is, or follows, the `last` byte of an item."""
    start, end = 1, len(array) - 1
    while start < end:
        comma = array.find(b",", array.find(last, start + PIECE))
        stop = comma if comma > 0 else end
        yield b"[" + array[start:stop] + b"]"
        start = stop + 1
