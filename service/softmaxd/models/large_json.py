"""A fast reader of large bodies. It answers only if it can prove that the schema would give the same, bit for bit.

simdjson parses the array of numbers; the schema reads the rest of the body.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeVar, cast

import numpy as np
import simdjson

from softmaxd.errors import InvalidBody
from softmaxd.numerics.softmax import Floats

PIECE = 64 * 1024  # bytes that simdjson parses at a time, because it needs many times as much memory
NUMBER_BYTES = b"+-.0123456789Ee \t\n\r"  # all bytes of an array of numbers but brackets and commas

ROWS_AND_COLUMNS = 2
WITHOUT_BRACKETS = bytes.maketrans(b"[]", b"  ")

T = TypeVar("T")


def _at_top(request: T, field: str) -> object:
    return cast(dict[str, object], request).get(field)


def read_numbers(
    read_rest: Callable[[bytes], T],
    field: str,
    body: bytes,
    check: Callable[[int, int, T], None],
    find: Callable[[T, str], object] = _at_top,
    row: tuple[int, ...] = (),
) -> tuple[Floats, T] | None:
    """Return a field's numbers as a matrix [rows, columns] or a vector, and the request with `[]` in their place.

    With the shape of a row of several dimensions, they may be a tensor [rows, *row], too. None means that there is no
    proof. `check` takes rows, numbers of a row and request, and may raise before numbers are read. `find` returns the
    value of the field in a request.

    The array is cut out of the body, and `read_rest` reads the rest by the schema: so only the array needs a proof.
    """
    key = f'"{field}"'.encode()
    found = body.find(key)
    start = body.find(b"[", found)
    ends = [body.find(b'"', found + len(key)), body.find(b"}", found)]  # the next field, or the end of the object
    stop = body.rfind(b"]", found, min((end for end in ends if end > 0), default=len(body))) + 1
    if not found < start < stop:  # no array to cut out
        return None
    request = read_without(read_rest, field, key, body[:start] + b"[]" + body[stop:], find)
    if request is None:
        return None
    shape = _shape(body, start, stop, row)
    if shape is None:
        return None
    rows = shape[0] if len(shape) > 1 else 1
    check(rows, math.prod(shape) // rows, request)
    numbers = _to_floats(body, start, stop, shape)
    return None if numbers is None else (numbers, request)


def read_without(
    read_rest: Callable[[bytes], T], field: str, key: bytes, rest: bytes, find: Callable[[T, str], object] = _at_top
) -> T | None:
    """Return the request of a body in which `[]` stands for an array, if that is the value of the field.

    `key` is the field in quotes.
    """
    if b"\\" in rest or rest.count(key) > 1:
        return None  # without escapes, each quote delimits a text, and the field stands here only
    try:
        request = read_rest(rest)
    except InvalidBody:
        return None
    return request if find(request, field) == [] else None  # or it is part of a field that the schema ignores


def _shape(body: bytes, start: int, stop: int, row: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of a JSON array of numbers, of rows of one length, or of tensors; None for anything else.

    Without the bytes of numbers and blanks, brackets and commas remain, and show the shape: `[[,],[,]]` is 2 × 2.
    `[]` has one number or none.
    """
    pieces = [body[at : min(at + PIECE, stop)].translate(None, NUMBER_BYTES) for at in range(start, stop, PIECE)]
    skeleton = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if sum(map(skeleton.count, (b"[", b",", b"]"))) < len(skeleton):  # something else than numbers
        return None
    end = len(skeleton) - 1
    if skeleton[1:2] != b"[":
        return (end,) if _repeats(skeleton, b",", 1, end) else None
    is_tensor = skeleton[2:3] == b"["
    if is_tensor and len(row) < ROWS_AND_COLUMNS:
        return None
    if not is_tensor:
        row = (skeleton.find(b"]") - 1,)
    unit = (_skeleton_of_model if is_tensor else _skeleton)(row)
    return (end // len(unit), *row) if end % len(unit) == 0 and _repeats(skeleton, unit, 1, end) else None


def _skeleton(shape: tuple[int, ...]) -> bytes:
    """Return the brackets and commas of an array of this shape, and the comma after it."""
    skeleton = b"," * shape[-1]
    for size in reversed(shape[:-1]):
        skeleton = b"[%s]," % skeleton[:-1] * size
    return b"[%s]," % skeleton[:-1]


_skeleton_of_model = lru_cache(_skeleton)


def _repeats(text: bytes, unit: bytes, start: int, end: int) -> bool:
    """Return True if the text from start to end is the unit again and again; the last one may be cut."""
    block = unit * (min(PIECE, end) // len(unit) + 1)
    for at in range(start, end, len(block)):  # noqa: SIM110 - `all` is slower
        if not block.startswith(text[at : min(at + len(block), end)]):
            return False
    return True


def _to_floats(body: bytes, start: int, stop: int, shape: tuple[int, ...]) -> Floats | None:
    """Return a JSON array of this shape; None means that there is no proof.

    simdjson accepts it as JSON, so a number stands on both sides of each comma between two numbers. Tensors become
    vectors: blanks take the place of their brackets.
    """
    parser = simdjson.Parser()  # for this thread; each piece is converted before the next is parsed
    pieces = _pieces(body, start + 1, stop - 1, b"]" if len(shape) == ROWS_AND_COLUMNS else b",")
    if len(shape) > ROWS_AND_COLUMNS:
        pieces = (b"[%s]" % piece.translate(WITHOUT_BRACKETS) for piece in pieces)
    try:
        buffers = [cast(simdjson.Array, parser.parse(piece)).as_buffer(of_type="d") for piece in pieces]
    except (ValueError, RuntimeError):  # not JSON, or a number that float64 or 64 bits cannot hold
        return None
    parts = [np.frombuffer(buffer, dtype=np.float64) for buffer in buffers]
    numbers = np.concatenate(parts) if parts else np.empty(0)
    return numbers.reshape(shape) if numbers.size == math.prod(shape) else None


def _pieces(body: bytes, start: int, end: int, last: bytes) -> Iterator[bytes]:
    """Cut the items into arrays of about PIECE bytes, at a comma that is, or follows, the `last` byte of an item."""
    while start < end:
        item_end = body.find(last, start + PIECE, end)
        comma = body.find(b",", item_end, end) if item_end > 0 else -1
        stop = comma if comma > 0 else end
        yield b"[" + body[start:stop] + b"]"
        start = stop + 1
