"""Turns the columns of a table into numbers and labels; a value that cannot be used is refused by column and row."""

import math
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from softmaxd.errors import Refused
from softmaxd.models.manifest import Label
from softmaxd.models.outputs import Features
from softmaxd.numerics.softmax import Floats
from softmaxd_training.rows import Classes

LEAST_CLASS_ROWS = 10  # each label must occur in each part, and a tenth of the rows is for validation
SHOWN = 40  # characters of a value in a message
NAMES_SHOWN = 10

FLOAT32 = np.dtype(np.float32)
LABEL = TypeAdapter[str](Label)

Cell = object  # a text from CSV; from Parquet a number, a text, None …
Column = Sequence[tuple[str, Cell]]  # the place in the file, for messages, and the value of each row


def numbers(name: str, column: Column, dtype: np.dtype[Any] = FLOAT32) -> Features:
    """Return a column of numbers [n] of a type. Raises `Refused` if one is missing or not a finite number of it."""
    exact = np.array([_number(name, place, cell) for place, cell in column], dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # beyond the type a number becomes another, refused below
        values: Features = exact.astype(dtype)
    fits = np.isfinite(values) if dtype.kind == "f" else _are_whole(exact, dtype)
    if not fits.all():
        place, cell = column[int(np.argmin(fits))]
        wanted = f"finite as {dtype.name}" if dtype.kind == "f" else f"a whole number of the type {dtype.name}"
        raise Refused(f"{_where(name, place)}: {quoted(cell)} is not {wanted}")
    return values


def _are_whole(exact: Floats, dtype: np.dtype[Any]) -> npt.NDArray[np.bool_]:
    """Return which numbers an integer type has."""
    limits = np.iinfo(dtype)
    whole: npt.NDArray[np.bool_] = exact == np.rint(exact)
    return whole & (exact >= float(limits.min)) & (exact < float(limits.max) + 1)


def varied(name: str, values: Features) -> Features:
    """Return a column of numbers [n]. Raises `Refused` if all are equal."""
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


def known_labels(name: str, column: Column, known: Sequence[str]) -> Classes:
    """Return the class of each row [n] of a column of labels. Raises `Refused` if one is not in `known`."""
    index = {label: number for number, label in enumerate(known)}
    values = [_label(name, place, cell) for place, cell in column]
    for (place, _), value in zip(column, values, strict=True):
        if value not in index:
            near = get_close_matches(value, known, n=1)
            end = f"; did you mean {quoted(near[0])}?" if near else f": it has {_some(known)}"
            raise Refused(f"{_where(name, place)}: {quoted(value)} is not a label of the model{end}")
    return np.array([index[value] for value in values], dtype=np.int64)


def _some(names: Sequence[str]) -> str:
    """Return the first names in quotes."""
    more = ", …" if len(names) > NAMES_SHOWN else ""
    return ", ".join(map(quoted, names[:NAMES_SHOWN])) + more


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
