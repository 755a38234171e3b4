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
from softmaxd_training.rows import Classes

LEAST_CLASS_ROWS = 10  # each label must occur in each part, and a tenth of the rows is for validation
SHOWN = 40  # characters of a value in a message

LABEL = TypeAdapter[str](Label)

Cell = object  # a text from CSV; from Parquet a number, a text, None …
Column = Sequence[tuple[str, Cell]]  # the place in the file, for messages, and the value of each row


def numbers(name: str, column: Column) -> Array:
    """Return a column of numbers [n]. Raises `Refused` if one is missing or not finite, or if all are equal."""
    with np.errstate(over="ignore"):  # beyond float32 a number becomes inf, refused below
        values = np.array([_number(name, place, cell) for place, cell in column], dtype=np.float32)
    if not np.isfinite(values).all():
        place, cell = column[int(np.argmin(np.isfinite(values)))]
        raise Refused(f"{_where(name, place)}: {quoted(cell)} is not finite as float32")
    if (values == values[0]).all():
        raise Refused(f"column {quoted(name)} has the same value in every row: remove it, as it tells nothing")
    return values


def _number(name: str, place: str, cell: Cell) -> float:
    if cell is None or cell == "":
        raise Refused(f"{_where(name, place)}: the value is missing")
    number = _as_number(cell)
    if number is None:
        raise Refused(f"{_where(name, place)}: {quoted(cell)} is not a number")
    return number


def _as_number(cell: Cell) -> float | None:
    if isinstance(cell, bool) or "_" in str(cell):  # Python would read True as 1 and 1_000 as 1000
        return None
    try:
        return float(cell)  # type: ignore[arg-type]  # other types raise TypeError
    except (TypeError, ValueError):
        return None
    except OverflowError:  # an integer beyond float64
        return math.inf


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


def _label(name: str, place: str, cell: Cell) -> str:
    if cell is None or cell == "":
        raise Refused(f"{_where(name, place)}: the label is missing")
    try:
        return LABEL.validate_python(str(cell))
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


def quoted(cell: Cell) -> str:
    """Return a value in quotes, cut if it is long, for a message."""
    text = str(cell)
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
