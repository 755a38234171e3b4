"""Turns the columns of a table into numbers and labels; a value that cannot be used is refused by column and row."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from pydantic import TypeAdapter, ValidationError

from softmaxd.errors import Refused
from softmaxd.models.manifest import Label
from softmaxd.models.outputs import Array
from softmaxd.tables.rows import counted
from softmaxd_training.rows import Classes

LEAST_CLASS_ROWS = 10  # each label must occur in each part, and a tenth of the rows is for validation
SHOWN = 40  # characters of a value in a message

LABEL = TypeAdapter[str](Label)

Column = Sequence[tuple[str, str]]  # the place in the file, for messages, and the text of each row


def numbers(name: str, column: Column) -> Array:
    """Return a column of float32 numbers [n]. Raises `Refused` if one is missing or not a finite number."""
    exact = np.array([_number(name, place, cell) for place, cell in column], dtype=np.float64)
    with np.errstate(over="ignore"):  # beyond the type a number becomes infinite, refused below
        values: Array = exact.astype(np.float32)
    fits = np.isfinite(values)
    if not fits.all():
        place, cell = column[int(np.argmin(fits))]
        raise Refused(f"{_where(name, place)}: {quoted(cell)} is not finite as float32")
    return values


def varied(name: str, values: Array) -> Array:
    """Return a column of numbers [n]. Raises `Refused` if all are equal."""
    if (values == values[0]).all():
        raise Refused(f"column {quoted(name)} has the same value in every row: remove it, as it tells nothing")
    return values


def _number(name: str, place: str, cell: str) -> float:
    if not cell:
        raise Refused(f"{_where(name, place)}: the value is missing")
    number = _as_number(cell)
    if number is None:
        raise Refused(f"{_where(name, place)}: {quoted(cell)} is not a number")
    return number


def _as_number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)  # Python would read 1_000 as 1000
    except ValueError:
        return None


def labels(name: str, column: Column) -> tuple[tuple[str, ...], Classes]:
    """Return the labels of a column in order, and the class of each row [n].

    Raises `Refused` if a label is missing, not allowed or rare, or if there is only one.
    """
    values = [_label(name, place, cell) for place, cell in column]
    counts = Counter(values)
    if len(counts) == 1:
        raise Refused(f"column {quoted(name)} has only the label {quoted(values[0])}: two or more are needed")
    rarest = min(counts, key=lambda label: counts[label])
    if counts[rarest] < LEAST_CLASS_ROWS:
        raise Refused(
            f"label {quoted(rarest)} of column {quoted(name)} has only {counted(counts[rarest], 'row')}:"
            f" every label needs {LEAST_CLASS_ROWS} or more"
        )
    ordered = _in_order(name, list(counts))
    index = {label: number for number, label in enumerate(ordered)}
    return ordered, np.array([index[value] for value in values], dtype=np.int64)


def _label(name: str, place: str, cell: str) -> str:
    if not cell:
        raise Refused(f"{_where(name, place)}: the label is missing")
    try:
        return LABEL.validate_python(cell)
    except ValidationError as error:
        raise Refused(
            f"{_where(name, place)}: {quoted(cell)} cannot be a label: a label has 1 to 200 characters,"
            " without colons and control characters"
        ) from error


def _in_order(name: str, found: list[str]) -> tuple[str, ...]:
    """Return the labels sorted: by value if all are numbers, else as text."""
    values = {label: _as_number(label) for label in found}
    if any(value is None or not math.isfinite(value) for value in values.values()):
        return tuple(sorted(found))
    ordered = sorted(found, key=lambda label: (float(label), label))
    for one, other in pairwise(ordered):
        if values[one] == values[other]:
            raise Refused(f"labels {quoted(one)} and {quoted(other)} of column {quoted(name)} are the same number")
    return tuple(ordered)


def _where(name: str, place: str) -> str:
    return f"column {quoted(name)}, {place}"


def quoted(cell: str) -> str:
    """Return a value in quotes, cut if it is long, for a message."""
    return repr(cell if len(cell) <= SHOWN else cell[: SHOWN - 1] + "…")
