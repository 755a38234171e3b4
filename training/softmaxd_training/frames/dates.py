"""Judges a column of dates: refused with the cure, or taken apart into numbers."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from softmaxd.errors import Refused
from softmaxd_training.frames.calendar import (
    NO_DATE,
    Dates,
    Moments,
    dates_by_form,
    numbered_dates,
    read_dates,
    typed_dates,
)
from softmaxd_training.frames.frame import FrameColumn
from softmaxd_training.frames.judged import Judged
from softmaxd_training.frames.missing import Cells, Mask
from softmaxd_training.frames.numbers import Exact, exact_of
from softmaxd_training.frames.wording import many, option, quoted, sentence, shown
from softmaxd_training.frames.written import texts_of

MOSTLY = 0.9  # of the different texts: if more are dates, the column has dates
TRIED = 100  # texts that tell quickly whether a column may have dates
DAYS = range(1900_01_01, 2101_01_01)  # numbers that may be days
FIRST, END = np.datetime64("1900-01-01"), np.datetime64("2101-01-01")  # of dates in mixed forms: codes have any years
HOUR = 3_600_000_000  # microseconds


def check_no_dates(cells: Cells) -> None:
    """Raise `Refused`, with the cure, if the values of a column are dates."""
    if pa.types.is_temporal(cells.values.type):
        raise Refused(_cure(cells.name, texts_of(cells.values.drop_null()[:1])[0].as_py()))
    different = pc.unique(cells.values.drop_null())
    if (~np.isnat(_by_form(different[:TRIED]))).any(axis=0).mean() <= MOSTLY / 2:
        return
    moments = _by_form(different)
    are_dates = ~np.isnat(moments)
    if are_dates.mean(axis=1).max() >= MOSTLY:
        raise Refused(_cure(cells.name, different[0].as_py()))
    are_dates &= (moments >= FIRST) & (moments < END)
    if are_dates.any(axis=0).mean() >= MOSTLY:
        raise Refused(_cure_of_mixed(cells.name, different, are_dates))


def check_no_days(cells: Cells, exact: Exact) -> None:
    """Raise `Refused`, with the cure, if all numbers are days such as 20240131."""
    numbers = exact.values[~np.isnan(exact.values)]
    if numbers.min() >= DAYS.start and numbers.max() < DAYS.stop and numbered_dates(numbers).form == "yearmonthday":
        raise Refused(_cure(cells.name, texts_of(cells.values.drop_null()[:1])[0].as_py()))


def _by_form(texts: pa.Array) -> Moments:
    """Return the dates of texts [n] in each form: [forms, n]."""
    return np.stack([dates.moments for dates in dates_by_form(texts)])


def _cure(name: str, example: str) -> str:
    return (
        f"column {quoted(name)} has dates, such as {quoted(example)}: {option('date', name)} makes year, month, weekday"
        f" and day number of it, {option('category', name)} takes the texts"
    )


def _cure_of_mixed(name: str, texts: pa.Array, are_dates: Mask) -> str:
    """Return the problem of texts [n] that are dates of several forms: [forms, n]; the commonest is named first."""
    is_most = are_dates[are_dates.sum(axis=1).argmax()]
    places = np.argmax(is_most), np.argmax(are_dates.any(axis=0) & ~is_most)
    one, other = (quoted(texts[int(place)].as_py()) for place in places)
    return (
        f"column {quoted(name)} has dates in several forms, such as {one} and {other}: write them as year-month-day, or"
        f" {option('category', name)} takes the texts"
    )


def judge_dates(cells: Cells, decimal: str) -> tuple[Judged, ...]:
    """Return the parts of the dates of a column. Raises `Refused` if a value is no date."""
    dates = _dates(cells, decimal)
    wrong = np.isnat(dates.moments) & np.asarray(pc.is_valid(cells.values))
    if wrong.any():
        value, place = cells.first(wrong)
        raise Refused(
            f"column {quoted(cells.name)}: {np.count_nonzero(wrong):,} of {many(cells.present, 'value')} are not dates,"
            f" such as {quoted(value)} ({place}): write them as year-month-day, or {option('missing', value)} takes"
            " this text as missing"
        )
    return tuple(_part(cells, part, values, dates.form) for part, values in _parts(dates.moments))


def _dates(cells: Cells, decimal: str) -> Dates:
    if pa.types.is_date(cells.values.type) or pa.types.is_timestamp(cells.values.type):
        return typed_dates(cells.values)
    if (exact := exact_of(cells.values, decimal)) is not None:
        return numbered_dates(exact.values)
    encoded = pc.dictionary_encode(cells.values).combine_chunks()
    found = read_dates(encoded.dictionary) or (Dates(np.full(len(encoded.dictionary), "NaT", "datetime64[us]"), ""),)
    if len(found) > 1 and any(not np.array_equal(found[0].moments, other.moments, equal_nan=True) for other in found):
        raise Refused(
            f"column {quoted(cells.name)} has dates such as {quoted(encoded.dictionary[0].as_py())}, which may be"
            f" {found[0].form} or {found[1].form}: write them as year-month-day"
        )
    places = pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy()
    return Dates(np.append(found[0].moments, NO_DATE)[places], found[0].form)


def _parts(moments: Moments) -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    """Yield the name and the numbers of each part, NaN for a missing date; the hour only if a time is not midnight."""
    days, months = moments.astype("datetime64[D]"), moments.astype("datetime64[M]")
    missing = np.isnat(moments)
    day = days.astype(np.int64)
    month = months.astype(np.int64)
    since = (moments - days).astype(np.int64)
    parts = {"year": 1970 + month // 12, "month": 1 + month % 12, "weekday": 1 + (day + 3) % 7, "day": day}
    if since[~missing].any():
        parts["hour"] = since / HOUR
    for part, values in parts.items():
        yield part, np.where(missing, np.nan, values)


def _part(cells: Cells, part: str, values: npt.NDArray[np.float64], form: str) -> Judged:
    name = f"{cells.name}_{part}"
    low, high = np.nanmin(values), np.nanmax(values)
    missing = tuple(cells.missing)
    if low == high and not missing:
        line = f"has the same value in every row: {shown(low)}"
        return Judged(FrameColumn(name, "dropped", line, cells.name))
    told = f"{MEANINGS[part]}, {shown(low)} to {shown(high)}"
    line = sentence([told, f"from {quoted(cells.name)}{f' ({form})' if form else ''}", cells.told()])
    return Judged(FrameColumn(name, "date part", line, cells.name, missing), numbers=values.astype(np.float32))


MEANINGS = {
    "year": "the year",
    "month": "the month",
    "weekday": "the weekday from 1, Monday",
    "day": "days since 1970-01-01",
    "hour": "hours since midnight",
}
