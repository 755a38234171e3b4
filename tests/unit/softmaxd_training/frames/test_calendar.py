"""Dates are read in the usual forms, and told from texts that only look like dates."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from softmaxd_training.frames.calendar import numbered_dates, read_dates, typed_dates


@pytest.mark.parametrize(
    ("text", "form", "moment"),
    [
        ("2024-01-31", "year-month-day", "2024-01-31"),
        ("2024/2/29", "year/month/day", "2024-02-29"),
        ("31.1.2024", "day.month.year", "2024-01-31"),
        ("31/01/2024", "day/month/year", "2024-01-31"),
        ("01/31/2024", "month/day/year", "2024-01-31"),
        ("31-01-2024", "day-month-year", "2024-01-31"),
        ("1-31-2024 9:05", "month-day-year", "2024-01-31T09:05"),
        ("2024-01-31T23:59:58.5Z", "year-month-day", "2024-01-31T23:59:58.5"),
        ("2024-01-31 23:59 +01:00", "year-month-day", "2024-01-31T23:59"),
        ("2016-12-31 23:59:60", "year-month-day", "2017-01-01"),
        ("0001-01-01", "year-month-day", "0001-01-01"),
    ],
)
def test_a_date_is_read_in_its_form(text: str, form: str, moment: str) -> None:
    (dates,) = read_dates(pa.array([text]))

    assert dates.form == form
    assert dates.moments.tolist() == [datetime.datetime.fromisoformat(moment)]


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30",
        "2024-13-01",
        "2024-00-10",
        "2024-01-00",
        "2024-01-01 24:00",
        "2024-01-01 10:60",
        "24-01-01",
        "2024-01",
        "1.2.3",
        "2024-01-01 in May",
        "",
    ],
)
def test_a_text_that_no_calendar_has_is_no_date(text: str) -> None:
    assert read_dates(pa.array([text])) == ()


def test_the_form_of_most_dates_is_taken() -> None:
    (dates,) = read_dates(pa.array(["13/01/2024", "02/03/2024", "x"]))

    assert dates.form == "day/month/year"
    assert np.isnat(dates.moments).tolist() == [False, False, True]


def test_day_and_month_may_not_be_told_apart() -> None:
    assert [dates.form for dates in read_dates(pa.array(["02/03/2024"]))] == ["day/month/year", "month/day/year"]


@pytest.mark.parametrize(
    ("column", "form"),
    [
        (pa.array([datetime.date(2024, 1, 31), None]), ""),
        (pa.array([datetime.date(2024, 1, 31), None], pa.date64()), ""),
        (pa.array([datetime.datetime(2024, 1, 31), None], pa.timestamp("ns")), ""),
        (pa.array([datetime.datetime(2024, 1, 31), None], pa.timestamp("s", "Europe/Berlin")), "UTC"),
    ],
)
def test_dates_with_a_type_are_read(column: pa.Array, form: str) -> None:
    dates = typed_dates(pa.chunked_array([column]))

    assert dates.form == form
    assert dates.moments.tolist() == [datetime.datetime(2024, 1, 31), None]


@pytest.mark.parametrize(
    ("numbers", "form", "moments"),
    [
        ([20240131, np.nan], "yearmonthday", ["2024-01-31", "NaT"]),
        ([20240199], "seconds since 1970", ["1970-08-23T06:16:39"]),
        ([1706659200], "seconds since 1970", ["2024-01-31"]),
        ([1706659200.5, -1], "seconds since 1970", ["2024-01-31T00:00:00.5", "1969-12-31T23:59:59"]),
        ([1706659200000, 0], "milliseconds since 1970", ["2024-01-31", "1970-01-01"]),
        ([1706659200000000], "microseconds since 1970", ["2024-01-31"]),
        ([1706659200000000000, 1e19], "nanoseconds since 1970", ["2024-01-31", "NaT"]),
    ],
)
def test_numbers_are_dates_by_their_size(numbers: list[float], form: str, moments: list[str]) -> None:
    dates = numbered_dates(np.array(numbers))

    assert dates.form == form
    np.testing.assert_array_equal(dates.moments, np.array(moments, "datetime64[us]"))
