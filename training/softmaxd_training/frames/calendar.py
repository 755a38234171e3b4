"""Reads dates: texts in the usual forms, dates of a file with types, and numbers that count from 1970."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

TIME = (
    r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?"
    r"(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?$"  # the time is taken as written, whatever its zone
)
YEAR, MONTH, DAY = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
FORMS: Mapping[str, str] = {
    "year-month-day": rf"^{YEAR}-{MONTH}-{DAY}{TIME}",
    "year/month/day": rf"^{YEAR}/{MONTH}/{DAY}{TIME}",
    "day.month.year": rf"^{DAY}\.{MONTH}\.{YEAR}{TIME}",
    "day/month/year": rf"^{DAY}/{MONTH}/{YEAR}{TIME}",
    "month/day/year": rf"^{MONTH}/{DAY}/{YEAR}{TIME}",
    "day-month-year": rf"^{DAY}-{MONTH}-{YEAR}{TIME}",
    "month-day-year": rf"^{MONTH}-{DAY}-{YEAR}{TIME}",
}
MICROSECONDS = 1_000_000  # of a second
DIGITS = 99_999_999  # the greatest number of eight digits, as in 20240131
SECONDS = {10**11: 1, 10**14: 10**3, 10**17: 10**6, 2**63: 10**9}  # below each number, the units of a second
UNITS = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}

Moments = npt.NDArray[np.datetime64]  # in microseconds, NaT where there is no date
NO_DATE = np.datetime64("NaT", "us")


class Dates(NamedTuple):
    """The moments of a column [n], and the form in which they are written."""

    moments: Moments
    form: str


def read_dates(texts: pa.Array) -> tuple[Dates, ...]:
    """Return the dates of texts in each form that fits the most of them: two if day and month cannot be told apart."""
    found = dates_by_form(texts)
    counts = [int(np.count_nonzero(~np.isnat(dates.moments))) for dates in found]
    best = max(counts)
    return tuple(dates for dates, count in zip(found, counts, strict=True) if best and count == best)


def dates_by_form(texts: pa.Array) -> list[Dates]:
    """Return the dates of texts [n] in each form."""
    return [Dates(_moments(texts, form), name) for name, form in FORMS.items()]


def _moments(texts: pa.Array, form: str) -> Moments:
    """Return the dates of texts in one form; a day that no calendar has is no date."""
    parts = pc.extract_regex(texts, form)
    matched = np.asarray(pc.is_valid(parts))

    def number(part: str) -> npt.NDArray[np.float64]:
        found = pc.fill_null(pc.struct_field(parts, part), "0")
        return np.asarray(pc.cast(pc.if_else(pc.equal(found, ""), "0", found), pa.float64()))

    month, day, hour, minute, second = map(number, ("month", "day", "hour", "minute", "second"))
    months = (number("year") * 12 - 1970 * 12 + month - 1).astype(np.int64).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1).astype(np.int64).astype("timedelta64[D]")
    is_right = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == months)  # noqa: PLR2004
    is_right &= (hour < 24) & (minute < 60) & (second < 61)  # noqa: PLR2004 - a leap second is the next one
    seconds = hour * 3600 + minute * 60 + second
    moments: Moments = days.astype("datetime64[us]") + np.rint(seconds * MICROSECONDS).astype(np.int64).astype(
        "timedelta64[us]"
    )
    moments[~(matched & is_right)] = NO_DATE
    return moments


def typed_dates(values: pa.ChunkedArray) -> Dates:
    """Return the dates of a column of dates or timestamps, which are in UTC if they have a zone."""
    stamps = pc.cast(values, pa.timestamp("us", getattr(values.type, "tz", None)), safe=False)
    return Dates(stamps.to_numpy().astype("datetime64[us]"), "UTC" if getattr(values.type, "tz", None) else "")


def numbered_dates(numbers: npt.NDArray[np.float64]) -> Dates:
    """Return the dates of numbers [n] with NaN for missing ones: 20240131, or a time since 1970.

    Numbers are seconds, milliseconds, microseconds or nanoseconds by the size of the greatest one.
    """
    present = np.abs(numbers) < max(SECONDS)
    filled = np.where(present, numbers, 0)
    if (filled <= DIGITS).all() and (filled == np.rint(filled)).all():
        written = pc.replace_substring_regex(
            pa.array(filled.astype(np.int64)).cast(pa.string()), r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3"
        )
        moments = _moments(written, FORMS["year-month-day"])
        if not np.isnat(moments[present]).any():
            return Dates(moments, "yearmonthday")
    largest = np.abs(filled).max(initial=0)
    unit = next(unit for limit, unit in SECONDS.items() if largest < limit)
    moments = np.rint(filled / unit * MICROSECONDS).astype(np.int64).astype("datetime64[us]")
    moments[~present] = NO_DATE
    return Dates(moments, f"{UNITS[unit]} since 1970")
