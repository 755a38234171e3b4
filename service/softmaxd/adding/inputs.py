"""Finds the inputs of a graph, and the names of their columns."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from softmaxd.adding.graphs import CONVERTED, Graph, Input
from softmaxd.adding.running import TO_FLOAT32, shape_text
from softmaxd.adding.tables import Source, Table
from softmaxd.errors import Refused
from softmaxd.models.by_name import listed
from softmaxd.models.engine import Nodes
from softmaxd.models.features import KINDS, MAX_DIMENSIONS, MAX_NUMBERS, TABLE_KINDS

MAX_FEATURES = 2**18  # each has a description in the manifest

ROWS_AND_FEATURES = 2  # dimensions
RUNTIME_REFUSES = "ONNX Runtime cannot "  # how such a refusal begins
INNER_NAME = re.compile(r".+:\d+")  # of a tensor of TensorFlow, which tf2onnx gives to no input of a signature

Names = Sequence[str]


def check_inputs(model: Graph) -> None:
    """Raise `Refused` if tf2onnx made inputs of a network's constants, whose values are not in the file then."""
    names = [each.name for each in model.graph.input]
    constants = [name for name in names if INNER_NAME.fullmatch(name)]
    if model.producer_name == "tf2onnx" and 0 < len(constants) < len(names):
        raise Refused(
            f"tf2onnx made inputs of constants ({listed(constants)}), such as those of a Normalization layer, and left "
            "their values out: add the network's own file instead, of network.save('model.keras')"
        )


@contextmanager
def fitting(model: Graph, features: Names | None) -> Iterator[None]:
    """Name --features where ONNX Runtime refuses a graph of which nothing else says how many features a row has."""
    shapes = [each.type.tensor_type.shape.dim for each in model.graph.input]
    is_told = any(len(shape) == ROWS_AND_FEATURES and not shape[1].HasField("dim_value") for shape in shapes)
    try:
        yield
    except Refused as error:
        if not features or not is_told or not str(error).startswith(RUNTIME_REFUSES):
            raise
        raise Refused(
            f"a row of {len(features)} features, as --features says, does not fit it: give as many as it was trained "
            f"on ({error})"
        ) from error


def find_inputs(inputs: Nodes, features: Names | None) -> Source:
    """Return the one of these inputs of a graph, or the table of them if there are several or one takes texts.

    Raises `Refused` if they are not of a kind that is served, or if there are more or fewer names of features.
    """
    is_table = len(inputs) > 1
    found = tuple(_input(name, *node, features, in_table=is_table) for name, node in inputs.items())
    width, most = sum(source.width for source in found), MAX_NUMBERS if found[0].is_tensor else MAX_FEATURES
    if width > most:
        widest = max(found, key=lambda source: source.width)
        shape = shape_text(["n", *widest.shape])
        raise Refused(f"input {widest.name} has the shape {shape}: a row may have at most {most:,} values in all")
    if not is_table and found[0].kind != TABLE_KINDS["BYTES"]:
        return found[0]
    if features and len(features) != width:
        raise Refused(f"--features needs {width} names, one per column of its inputs, but has {len(features)}")
    return Table(found)


def column_names(source: Source, features: Names | None) -> list[str]:
    """Return the names of the features: those given, or else numbered, or the inputs' own in a table.

    In a table, an input with several columns numbers them after its name: `numeric.0`.
    """
    if features:
        return list(features)
    if isinstance(source, Input):
        return [source.name] if source.is_tensor else [f"x{index}" for index in range(source.width)]
    return [
        each.name if each.width == 1 else f"{each.name}.{column}"
        for each in source.inputs
        for column in range(each.width)
    ]


def _input(name: str, tensor: str, shape: Sequence[object], features: Names | None, *, in_table: bool) -> Input:
    kind = tensor.removeprefix("tensor(").removesuffix(")")
    if not name:
        raise Refused("an input has no name: name it in the export")
    if kind == "bfloat16":
        raise Refused(f"input {name} is bfloat16, which NumPy does not have: export it as float32 ({TO_FLOAT32})")
    if kind not in {*TABLE_KINDS.values(), *CONVERTED}:
        raise Refused(f"input {name} is {tensor}, but only numbers, booleans and texts are supported")
    first, *row = shape or [0]
    rows = first if isinstance(first, int) else None
    if in_table or kind not in {*KINDS.values(), *CONVERTED}:
        return Input(name, kind, _columns(name, shape, features, in_table=in_table), rows)
    if not 1 <= len(row) <= MAX_DIMENSIONS or 0 in row:
        raise Refused(f"input {name} has the shape {shape_text(shape)}: it must be rows of numbers, [n, features]")
    numbers = (_width(row[0], features),) if len(row) == 1 else _tensor(name, row, features)
    return Input(name, kind, numbers, rows)


def _columns(name: str, shape: Sequence[object], features: Names | None, *, in_table: bool) -> tuple[int, ...]:
    """Return the shape of a row in an input of a table: its columns, or nothing for one number or text per row."""
    row = tuple(shape[1:])
    if not shape or len(row) > 1 or 0 in row:
        beside = "beside other inputs it must be columns" if in_table else "texts must be columns"
        raise Refused(f"input {name} has the shape {shape_text(shape)}: {beside}, [n, features] or [n]")
    if in_table and not all(isinstance(size, int) for size in row):
        raise Refused(f"input {name} has the shape {shape_text(shape)}: export it with its number of columns")
    return (_width(row[0], None if in_table else features),) if row else ()


def _tensor(name: str, row: Sequence[object], features: Names | None) -> tuple[int, ...]:
    """Return the shape of a row that is a tensor."""
    sizes = tuple(size for size in row if isinstance(size, int))
    if len(sizes) < len(row):
        raise Refused(f"input {name} has the shape {shape_text(['n', *row])}: export it with a fixed shape of a row")
    if features and len(features) != 1:
        raise Refused(f"--features needs one name, that of the tensor, but has {len(features)}")
    return sizes


def _width(declared: object, features: Names | None) -> int:
    """Return the number of features of a row, from the graph or else from their names."""
    if not isinstance(declared, int):
        if not features:
            raise Refused(
                "it does not say how many features a row has: give their names or their number with --features"
            )
        return len(features)
    if features and len(features) != declared:
        raise Refused(f"--features needs {declared} names, one per feature, but has {len(features)}")
    return declared
