"""Reads the cells of a column as numbers, and judges a column of numbers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from softmaxd.errors import Refused
from softmaxd_training.frames.frame import FrameColumn
from softmaxd_training.frames.identifiers import are_identifiers
from softmaxd_training.frames.judged import Judged
from softmaxd_training.frames.missing import Cells
from softmaxd_training.frames.precision import rounding_of
from softmaxd_training.frames.wording import many, option, quoted, sentence, shown

FEW = range(3, 21)  # different whole numbers that may be codes
TRIED = 100  # texts that tell quickly whether a column has numbers
INTEGER = r"^[+-]?\d+$"


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """The numbers of a column as float64 [n], NaN where one is missing.

    `written` tells two numbers apart that are the same in float64. `are_whole` is True if they are written as integers.
    """

    values: npt.NDArray[np.float64]
    written: pa.ChunkedArray
    are_whole: bool


def exact_of(values: pa.ChunkedArray, decimal: str = ".") -> Exact | None:
    """Return a column of texts or of numbers as numbers; None if one is no number.

    `decimal` is the mark in texts. A text with another mark, such as that of thousands, is no number.
    """
    if pa.types.is_integer(values.type):
        return Exact(_floats(values), values, are_whole=True)
    if pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        return Exact(_floats(values), pc.cast(values, pa.float64(), safe=False), are_whole=False)
    if decimal == ".":
        return _exact_texts(values)
    has_points = pc.any(pc.match_substring(values, ".")).as_py()
    return None if has_points else _exact_texts(pc.replace_substring(values, decimal, "."))


def _exact_texts(pointed: pa.ChunkedArray) -> Exact | None:
    if (floats := _parsed(pointed, pa.float64())) is None:
        return None
    values: npt.NDArray[np.float64] = floats.to_numpy()
    if np.count_nonzero(np.isnan(values)) > pointed.null_count:  # a word for NaN that is not read as missing
        return None
    if (whole := _parsed(pointed, pa.int64())) is not None:
        return Exact(values, whole, are_whole=True)
    if pc.all(pc.match_substring_regex(pointed.drop_null()[:TRIED], INTEGER)).as_py():
        are_whole = pc.all(pc.match_substring_regex(pointed, INTEGER)).as_py()
        return Exact(values, pointed if are_whole else floats, bool(are_whole))
    return Exact(values, floats, are_whole=False)


def _parsed(texts: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """Return texts as numbers of a type; None if one is none. Some are tried first, as mistakes take long."""
    try:
        pc.cast(texts.drop_null()[:TRIED], kind)
        return pc.cast(texts, kind)
    except pa.ArrowInvalid:
        return None


def _floats(values: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = pc.cast(values, pa.float64(), safe=False).to_numpy()
    return found


def judge_numbers(cells: Cells, exact: Exact, *, is_decided: bool) -> Judged:
    """Return the kind of a column of numbers, and its values; `is_decided` if the user wants numbers.

    Raises `Refused` if a number is not finite in float32, or if float32 does not tell the numbers apart.
    """
    with np.errstate(over="ignore"):  # becomes infinite, refused below
        rounded = exact.values.astype(np.float32)
    if np.isinf(rounded).any():
        value, place = cells.first(np.isinf(rounded))
        raise Refused(
            f"column {quoted(cells.name)}, {place}: {quoted(value)} is not finite as float32: leave the cell empty if"
            " it is unknown"
        )
    low, high = (shown_exactly(pc.min_max(exact.written)[end].as_py(), exact) for end in ("min", "max"))
    different = pc.count_distinct(exact.written).as_py()
    if different == 1 and not cells.missing:
        return Judged.dropped(cells, f"has the same value in every row: {low}")
    if not is_decided and exact.are_whole and are_identifiers(different, cells.present):
        return Judged.identifier(cells, "number")
    shared, is_too_coarse = rounding_of(exact.values, rounded, exact.written)
    if is_too_coarse:
        raise Refused(_too_coarse(cells, shared))
    line = sentence(
        [
            low if different == 1 else f"{'whole numbers, ' if exact.are_whole else ''}{low} to {high}",
            _codes(cells.name, different) if exact.are_whole and not is_decided and different in FEW else "",
            f"{shared:,} of {many(cells.present, 'value')} share a float32 with another one" if shared else "",
            cells.told(),
        ]
    )
    return Judged(FrameColumn(cells.name, "number", line, cells.name, tuple(cells.missing)), numbers=rounded)


def shown_exactly(value: object, exact: Exact) -> str:
    """Return a number of a column for a message: a whole one with all its digits."""
    return str(value) if exact.are_whole else shown(float(str(value)))


def _codes(name: str, different: int) -> str:
    return f"{different} different ones: if they are codes, {option('category', name)} takes them as such"


def _too_coarse(cells: Cells, shared: int) -> str:
    count = f"{shared:,} of {many(cells.present, 'value')}"
    return (
        f"column {quoted(cells.name)} loses too much in float32, in which a model takes numbers: {count} would share a"
        f" float32 with another one. Subtract a constant from all of them, or use {option('category', cells.name)},"
        f" or {option('date', cells.name)} if they count seconds since 1970"
    )
