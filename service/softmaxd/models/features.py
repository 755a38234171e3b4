"""The features of a model, and the tensors in which its graph takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt

from softmaxd.models.calibration import Frozen

INPUT = "features"  # the input of every graph that has only one

MAX_DIMENSIONS = 6  # of a row
MAX_NUMBERS = 2**24  # of a row
MAX_CATEGORIES = 1000  # that `softmaxd models add` lists of a feature: so many may be the first of more

Datatype = Literal["FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"]
TableDatatype = Literal[Datatype, "BOOL", "BYTES"]  # of a feature in a table
DTYPES: Mapping[Datatype, np.dtype[Any]] = {
    name: np.dtype(name.lower().replace("fp", "float")) for name in get_args(Datatype)
}

# The types that an input may have, as ONNX and ONNX Runtime name them.
KINDS: Mapping[Datatype, str] = {
    "FP32": "float",
    "FP64": "double",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
}

TABLE_DTYPES: Mapping[str, np.dtype[Any]] = dict(DTYPES) | {"BOOL": np.dtype(bool), "BYTES": np.dtype(object)}
TABLE_KINDS: Mapping[str, str] = dict(KINDS) | {"BOOL": "bool", "BYTES": "string"}

FeatureName = Annotated[str, Field(min_length=1, max_length=200)]


class Feature(Frozen):
    """A value of each row, or a tensor of numbers, with the range that it had in the training rows.

    In a table (see `tensors_of`) it has a datatype of its own, and a place: an input of the graph, and a column there.
    """

    name: FeatureName
    min: Annotated[FiniteFloat | None, Field(description="The least number in the training rows, if known")] = None
    max: Annotated[FiniteFloat | None, Field(description="The greatest one; numbers beyond are taken, too")] = None
    shape: Annotated[
        tuple[PositiveInt, ...], Field(max_length=MAX_DIMENSIONS, description="Of the tensor; empty for one value")
    ] = ()
    datatype: Annotated[
        TableDatatype | None, Field(description="In a table, where each feature has its own; else that of the model")
    ] = None
    input: Annotated[FeatureName, Field(description="The input of the graph that has it")] = INPUT
    column: Annotated[NonNegativeInt | None, Field(description="Its column there; null stands for its position")] = None
    nullable: Annotated[bool, Field(description="True if it may be missing: `null`")] = False
    missing: Annotated[str, Field(max_length=200, description="The text that the graph takes for a missing one")] = ""
    values: Annotated[tuple[FiniteFloat, ...], Field(description="The only numbers that the graph takes, if any")] = ()
    categories: Annotated[
        tuple[str, ...], Field(description="Texts that the graph knows, as far as they are found")
    ] = ()
    only_categories: Annotated[bool, Field(description="True if the graph takes no other texts")] = False

    @cached_property
    def texts(self) -> frozenset[str | None]:
        """The values that a text may have if the graph takes only its categories."""
        return frozenset((*self.categories, self.missing, None) if self.nullable else self.categories)


@dataclass(frozen=True, slots=True, eq=False)
class InputTensor:
    """An input of a graph, [n, columns], with the features that are its columns, as indices of the model's features."""

    name: str
    datatype: TableDatatype
    columns: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type as NumPy has it: object for texts."""
        return TABLE_DTYPES[self.datatype]

    @property
    def kind(self) -> str:
        """The type as ONNX Runtime names it."""
        return TABLE_KINDS[self.datatype]

    @property
    def is_plain(self) -> bool:
        """True for numbers in the order of the features, in an input of the usual name."""
        return self.name == INPUT and self.datatype in DTYPES and self.columns == tuple(range(self.width))

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.columns)


def is_table(features: Sequence[Feature]) -> bool:
    """Return True if features are more than numbers of one type in one tensor, in its order."""
    return any(
        feature.input != INPUT
        or feature.datatype is not None
        or feature.nullable
        or feature.column not in {None, index}
        for index, feature in enumerate(features)
    )


def tensors_of(features: Sequence[Feature], datatype: Datatype) -> tuple[InputTensor, ...]:
    """Return the tensors that the features of a table are in, in the order of the features.

    `datatype` is that of features without their own. Raises `ValueError` if the columns of a tensor have several types,
    or are not 0, 1, … each once, or if a feature may be missing whose type has no value for that.
    """
    by_input: dict[str, list[int]] = {}
    for index, feature in enumerate(features):
        by_input.setdefault(feature.input, []).append(index)
    return tuple(_tensor(name, indices, features, datatype) for name, indices in by_input.items())


def _tensor(name: str, indices: Sequence[int], features: Sequence[Feature], datatype: Datatype) -> InputTensor:
    types = {features[index].datatype or datatype for index in indices}
    if len(types) > 1:
        raise ValueError(f"should have one datatype in {name}, not {' and '.join(sorted(types))}")
    ((only),) = types
    columns = {
        position if features[index].column is None else features[index].column: index
        for position, index in enumerate(indices)
    }
    if sorted(columns, key=str) != sorted(range(len(indices)), key=str):
        raise ValueError(f"should have the columns 0 to {len(indices) - 1} of {name}, each once")
    nullable = next((features[index].name for index in indices if features[index].nullable), None)
    if nullable is not None and only not in {"FP32", "FP64", "BYTES"}:
        raise ValueError(f"should not have a missing {nullable}, as {only} has no value for that")
    return InputTensor(name, only, tuple(columns[column] for column in range(len(indices))))
