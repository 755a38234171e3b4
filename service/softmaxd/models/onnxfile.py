"""Looks into an ONNX file without loading it: a model file is untrusted input.

Reads the protocol buffer's wire format (https://protobuf.dev/programming-guides/encoding) as far as the messages of
onnx.proto3 go that can hold tensors and operators.
"""

from collections.abc import Iterator
from pathlib import Path

from softmaxd.errors import ModelError
from softmaxd.models.files import read_regular

MAX_MODEL_BYTES = 512 * 2**20
MAX_DEPTH = 64  # of nested messages, such as graphs in the attributes of nodes
OPERATOR_DOMAINS = {b"", b"ai.onnx", b"ai.onnx.ml", b"com.microsoft"}  # ONNX's and ONNX Runtime's own

# The fields to look into: by message, the number of a field and the message that it holds.
INSIDE = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
NODE_DOMAIN = 7
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # of a tensor; location 1 is another file
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


def check_size(path: Path) -> None:
    """Raise `ModelError` when the file is too large to be looked at."""
    size = path.stat().st_size
    if size > MAX_MODEL_BYTES:
        raise ModelError(f"{path.name} has {size} bytes, more than the {MAX_MODEL_BYTES} that a model may have")


def check_content(path: Path) -> None:
    """Raise `ModelError` unless it is an ONNX file that needs no other files and only known operators."""
    try:
        _check(memoryview(read_regular(path, max_bytes=MAX_MODEL_BYTES)), "model", 0)
    except (IndexError, ValueError) as error:
        raise ModelError(f"{path.name} is not an ONNX file, or not all of it") from error


def _check(message: memoryview, kind: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deep")
    for number, value, _ in fields(message):
        if kind == "tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value == 1)):
            raise ModelError("it has external data: weights in other files are not loaded")
        if kind == "node" and number == NODE_DOMAIN and isinstance(value, memoryview):
            domain = bytes(value)
            if domain not in OPERATOR_DOMAINS:
                raise ModelError(f"it has operators of the domain {domain.decode(errors='replace')!r}")
        inside = INSIDE[kind].get(number)
        if inside and isinstance(value, memoryview):
            _check(value, inside, depth + 1)


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview, memoryview]]:
    """Yield the number and the value of each field of a message, and all bytes of the field.

    Raises `ValueError` or `IndexError` if it is no message.
    """
    position = 0
    while position < len(message):
        start = position
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise ValueError("field 0")
        if wire_type == VARINT:
            value, position = _varint(message, position)
            yield number, value, message[start:position]
            continue
        if wire_type == LENGTH:
            length, position = _varint(message, position)
        elif wire_type in {FIXED64, FIXED32}:
            length = 8 if wire_type == FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        stop = position + length
        if stop > len(message):
            raise ValueError("cut off")
        yield number, message[position:stop], message[start:stop]
        position = stop


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return a number of at most 64 bits, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte of it
            return value, position
    raise ValueError("a number of more than 64 bits")
