"""Dense networks of any size as ONNX files, written without the package onnx: an environment for GPUs has none.

The messages are those of onnx.proto3, in the wire format of protocol buffers.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

IR_VERSION, OPSET = 8, 13
FLOAT = 1


def write_dense(path: Path, widths: Sequence[int]) -> None:
    """Write a classifier with layers of these widths, the features first and the classes last; ReLU between them."""
    generator = np.random.default_rng(7)
    value, nodes, tensors = "features", [], []
    for layer, (inputs, outputs) in enumerate(pairwise(widths)):
        weights = generator.normal(scale=np.sqrt(2 / inputs), size=(inputs, outputs))
        tensors += [_tensor(f"w{layer}", weights), _tensor(f"b{layer}", np.zeros(outputs))]
        is_last = layer == len(widths) - 2
        total = "logits" if is_last else f"sum{layer}"
        nodes.append(_node("Gemm", [value, f"w{layer}", f"b{layer}"], total))
        value = f"value{layer}"
        nodes.append(_node("Softmax", [total], "probabilities") if is_last else _node("Relu", [total], value))
    answers = [_value(name, widths[-1]) for name in ("logits", "probabilities")]
    graph = b"".join(
        (
            *(_part(1, node) for node in nodes),
            _part(2, b"dense"),
            *(_part(5, tensor) for tensor in tensors),
            _part(11, _value("features", widths[0])),
            *(_part(12, answer) for answer in answers),
        )
    )
    path.write_bytes(_number(1, IR_VERSION) + _part(7, graph) + _part(8, _number(2, OPSET)))


def products(widths: Sequence[int]) -> int:
    """Return the multiplications that a row takes."""
    return sum(inputs * outputs for inputs, outputs in pairwise(widths))


def _node(kind: str, inputs: Sequence[str], output: str) -> bytes:
    return b"".join(_part(1, name.encode()) for name in inputs) + _part(2, output.encode()) + _part(4, kind.encode())


def _tensor(name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bytes:
    sides = b"".join(_number(1, side) for side in values.shape)
    return sides + _number(2, FLOAT) + _part(8, name.encode()) + _part(9, values.astype("<f4").tobytes())


def _value(name: str, width: int) -> bytes:
    """Return the value [n, width]."""
    shape = _part(1, _part(2, b"n")) + _part(1, _number(1, width))
    return _part(1, name.encode()) + _part(2, _part(1, _number(1, FLOAT) + _part(2, shape)))


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits each
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
