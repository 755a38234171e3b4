"""Takes from an ONNX file that part of its graph which some outputs need, without the package onnx.

ONNX Runtime computes all nodes of a graph, whichever outputs a run asks for.
"""

from collections.abc import Collection, Iterator

from softmaxd.models.onnxfile import LENGTH, fields

# The numbers of fields in onnx.proto3:
GRAPH = 7  # of a model
NODE, INITIALIZER, INPUT, OUTPUT, VALUE_INFO = 1, 5, 11, 12, 13  # of a graph
NODE_INPUT, NODE_OUTPUT, NODE_ATTRIBUTE = 1, 2, 5
ATTRIBUTE_GRAPHS = (6, 11)  # of an attribute: one, and a list
NAME = {INITIALIZER: 8, INPUT: 1, OUTPUT: 1, VALUE_INFO: 1}


def part_of(content: bytes, outputs: Collection[str]) -> bytes:
    """Return an ONNX file with these outputs of another one, and with the nodes and the weights that they need.

    All inputs stay. Raises `ValueError` if a node holds a graph, as loops do, and `ValueError` or `IndexError` if it is
    no ONNX file.
    """
    pieces: list[bytes | memoryview] = []
    for number, value, raw in fields(memoryview(content)):
        if number == GRAPH and isinstance(value, memoryview):
            graph = b"".join(_part_of_graph(value, {name.encode() for name in outputs}))
            pieces += [_varint(GRAPH << 3 | LENGTH), _varint(len(graph)), graph]
        else:
            pieces.append(raw)
    return b"".join(pieces)


def _part_of_graph(graph: memoryview, outputs: set[bytes]) -> Iterator[memoryview]:
    """Yield the fields that are needed, as they are."""
    needed, nodes = set(outputs), []
    for node in reversed(list(_inside(graph, NODE))):  # a node comes after those whose outputs it takes
        nodes.append(not needed.isdisjoint(map(bytes, _inside(node, NODE_OUTPUT))))
        if nodes[-1]:
            needed |= _taken_by(node)
    weights = set(_names(graph, INITIALIZER))
    wanted = {
        OUTPUT: outputs,
        INITIALIZER: needed,
        INPUT: needed | (set(_names(graph, INPUT)) - weights),  # old files have the weights among the inputs
        VALUE_INFO: needed,
    }
    for number, value, raw in fields(graph):
        if number == NODE:
            if nodes.pop():
                yield raw
        elif number not in wanted or not isinstance(value, memoryview) or _name(value, number) in wanted[number]:
            yield raw


def _taken_by(node: memoryview) -> set[bytes]:
    """Return the names of the tensors that a node takes."""
    for attribute in _inside(node, NODE_ATTRIBUTE):
        if any(next(_inside(attribute, number), None) is not None for number in ATTRIBUTE_GRAPHS):
            raise ValueError("a graph in a node may take any tensor")
    return set(map(bytes, _inside(node, NODE_INPUT)))


def _names(graph: memoryview, number: int) -> Iterator[bytes]:
    return (_name(value, number) for value in _inside(graph, number))


def _name(message: memoryview, number: int) -> bytes:
    """Return the name of a message that stands in this field of a graph."""
    return next(map(bytes, _inside(message, NAME[number])), b"")


def _inside(message: memoryview, number: int) -> Iterator[memoryview]:
    """Yield the messages, or the texts, in a field."""
    return (value for found, value, _ in fields(message) if found == number and isinstance(value, memoryview))


def _varint(number: int) -> bytes:
    """Return a number as https://protobuf.dev/programming-guides/encoding/#varints has it."""
    *more, last = (number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7))
    return bytes([*(byte | 0x80 for byte in more), last])
