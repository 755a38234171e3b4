"""Rows of tables, with numbers, texts, booleans and missing values: values of JSON → checked features.

The features of a table are a record array [n] with a field [columns] for each input of the graph. If the only input is
`features` and has numbers, they are an array [n, columns] of these, as for other models. NaN stands for a missing one.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd.errors import InvalidBody, Problem
from softmaxd.models.by_name import by_name, listed
from softmaxd.models.datatypes import invalid, misfit, to_type
from softmaxd.models.features import Datatype, Feature, InputTensor
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features
from softmaxd.models.problems import MAX_PROBLEMS
from softmaxd.models.schemas import Cell

NUMBER = ({int, float}, "float_type", "Input should be a valid number")
EXPECTED: Mapping[str, tuple[set[type], str, str]] = {  # the types of values, and the error for another one
    "BYTES": ({str}, "string_type", "Input should be a valid string"),
    "BOOL": ({bool}, "bool_type", "Input should be a valid boolean"),
}

Place = Sequence[str | int]
PlaceOf = Callable[[int, int], Place]  # of the value of a feature in a row, by their indices
Fields = Mapping[str, npt.NDArray[Any]]  # the columns of each input, by its name: [n, columns]


def to_table(rows: Sequence[object], manifest: Manifest, place: Place) -> Features:
    """Return rows, lists in the order of the features or objects by feature name, as features.

    A feature that may be missing may be null, or absent in an object. `place` is the path of the rows in the body.
    Raises `InvalidBody`.
    """
    names = [feature.name for feature in manifest.features]
    absent = {feature.name: None for feature in manifest.features if feature.nullable}
    ordered: list[Any] = [
        by_name(row, names, [*place, index], absent) if isinstance(row, dict) else row for index, row in enumerate(rows)
    ]
    for index, row in enumerate(ordered):
        if not isinstance(row, list):
            raise invalid("list_type", [*place, index], "Input should be a valid array")
        if len(row) != len(names):
            expected = f"{len(names)} values ({listed(names)})"
            raise invalid("row_length", [*place, index], f"Input should be {expected}, not {len(row)}")
    array = _array(ordered, manifest) if manifest.takes_array else None
    if array is not None:
        return array
    keys = names if isinstance(rows[0], dict) else range(len(names))
    return from_columns(list(zip(*ordered, strict=True)), manifest, lambda index, row: [*place, row, keys[index]])


def _array(rows: Sequence[Sequence[Cell]], manifest: Manifest) -> Features | None:
    """Return right rows of numbers as an array, faster than column by column; None for anything else."""
    if not set(map(type, chain.from_iterable(rows))) <= {int, float, NoneType}:
        return None
    try:
        numbers = np.array(rows, dtype=np.float64)
    except OverflowError:  # a whole number beyond float64
        return None
    array, fit = to_type(numbers, manifest.layout.datatype)
    missing = sum(row.count(None) for row in rows)
    if not missing:
        return array if fit.all() else None
    is_missing = np.isnan(numbers)
    nullable = np.array([feature.nullable for feature in manifest.features])
    is_right = (fit | (is_missing & nullable)).all() and np.count_nonzero(is_missing) == missing
    return array if is_right else None


def from_columns(columns: Sequence[Sequence[Cell]], manifest: Manifest, place: PlaceOf) -> Features:
    """Return the values of each feature, as many for each, as features.

    Raises `InvalidBody` with the first wrong value of each feature.
    """
    table, fields = empty(manifest, len(columns[0]))
    problems: list[Problem] = []
    for tensor in manifest.tensors:
        for column, index in enumerate(tensor.columns):
            try:
                found = column_of(columns[index], tensor, manifest.features[index], partial(place, index))
            except InvalidBody as error:
                problems += error.problems
            else:
                fields[tensor.name][:, column] = found
    if problems:
        raise InvalidBody(*problems[:MAX_PROBLEMS])
    return table


def empty(manifest: Manifest, rows: int) -> tuple[Features, Fields]:
    """Return features to be filled, and the columns of each input in them."""
    if manifest.takes_array:
        array: Features = np.empty((rows, manifest.layout.width), manifest.dtype)
        return array, {manifest.tensors[0].name: array}
    table: Features = np.empty(rows, manifest.dtype)
    return table, {tensor.name: table[tensor.name] for tensor in manifest.tensors}


def column_of(
    values: Sequence[Cell], tensor: InputTensor, feature: Feature, place: Callable[[int], Place]
) -> npt.NDArray[Any]:
    """Return the values of a feature [n] in the type of its input. `place` is that of a row. Raises `InvalidBody`."""
    types, kind, message = EXPECTED.get(tensor.datatype, NUMBER)
    found = set(map(type, values))
    if wrong := found - types - ({NoneType} if feature.nullable else set()):
        row = next(row for row, value in enumerate(values) if type(value) in wrong)
        raise invalid(kind, place(row), f"{message} or null" if feature.nullable else message)
    if tensor.datatype == "BYTES":
        if feature.only_categories and (unknown := set(values) - feature.texts):
            row = next(row for row, value in enumerate(values) if value in unknown)
            raise invalid("category", place(row), f"Input should be one of the categories {listed(feature.categories)}")
        filled = [feature.missing if value is None else value for value in values] if NoneType in found else values
        return np.array(filled, dtype=object)
    if tensor.datatype == "BOOL":
        return np.array(values, dtype=bool)
    return _numbers(values, tensor.datatype, place)


def _numbers(values: Sequence[float | None], datatype: Datatype, place: Callable[[int], Place]) -> npt.NDArray[Any]:
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:  # a whole number beyond float64
        numbers = np.array([_as_float(value) for value in values])
    column, fit = to_type(numbers, datatype)
    for row in np.flatnonzero(~fit).tolist():
        if values[row] is not None:
            raise misfit(float(numbers[row]), place(row), datatype)
    return column


def _as_float(value: float | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:
        return np.inf
