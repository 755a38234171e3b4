"""Finds the missing values of a column: empty cells, nulls, NaN, and the words that people write for them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from softmaxd.tables.rows import MISSING
from softmaxd_training.frames.wording import quoted
from softmaxd_training.frames.written import texts_of

WORDS = ("", *sorted(MISSING))

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The values of a column, null where one is missing, and how often each text stands for a missing one."""

    name: str
    values: pa.ChunkedArray  # never a dictionary
    missing: Mapping[str, int]
    place: Callable[[int], str]  # of a row in the file

    @property
    def are_missing(self) -> bool:
        """True if no value is there."""
        return self.present == 0

    @property
    def present(self) -> int:
        """The number of values that are there."""
        return len(self.values) - int(self.values.null_count)

    def first(self, mask: Mask) -> tuple[str, str]:
        """Return the first value in a mask [n] as text, and its place."""
        row = int(np.argmax(mask))
        return texts_of(self.values[row : row + 1])[0].as_py(), self.place(row)

    def told(self) -> str:
        """Return the number of missing values, and how they are written unless by empty cells; "" if there are none."""
        words = ", ".join("empty" if not word else quoted(word) for word in self.missing)
        count = f"{sum(self.missing.values()):,} missing"
        return "" if not self.missing else count if words == "empty" else f"{count} ({words})"


def cells_of(name: str, column: pa.ChunkedArray, place: Callable[[int], str], words: Sequence[str] = ()) -> Cells:
    """Return a column in which every missing value is null; `words` are those of the user, beside `WORDS`."""
    values = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    values = values.cast(pa.large_string()) if pa.types.is_string_view(values.type) else values
    empty = {"": values.null_count} if values.null_count else {}
    if is_string(values.type):
        known = pc.is_in(values, value_set=pa.array([*WORDS, *words], values.type))
        found = pc.value_counts(values.filter(known)).to_pylist()
        blanked = pc.if_else(known, pa.scalar(None, values.type), values)
        counts = {each["values"]: each["counts"] for each in found if each["values"] is not None}
        return Cells(name, blanked, _added(empty, counts), place)
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        return Cells(name, *_without_codes(values, empty, words), place)
    return Cells(name, values, empty, place)


def is_string(kind: pa.DataType) -> bool:
    """Return True for the type of texts in cells."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _without_codes(
    values: pa.ChunkedArray, empty: Mapping[str, int], words: Sequence[str]
) -> tuple[pa.ChunkedArray, Mapping[str, int]]:
    """Return numbers without NaN and without the codes, such as -999, that the user names as missing."""
    counts: dict[str, int] = {}
    for word in dict.fromkeys(words):
        code = _number(word)
        if code is not None:
            matching = pc.fill_null(pc.equal(pc.cast(values, pa.float64(), safe=False), code), False)
            if matched := pc.sum(matching).as_py():
                counts[word] = matched
                values = pc.if_else(matching, pa.scalar(None, values.type), values)
    if pa.types.is_floating(values.type):
        before = values.null_count
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        empty = _added(empty, {"": values.null_count - before} if values.null_count > before else {})
    return values, _added(empty, counts)


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Return the sum of two counts, in the order of the words."""
    names = sorted({*one, *other})
    return {name: one.get(name, 0) + other.get(name, 0) for name in names}
