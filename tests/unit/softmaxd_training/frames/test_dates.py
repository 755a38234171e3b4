"""Dates are refused with the cure, or taken apart."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from softmaxd.errors import Refused
from softmaxd_training.frames.dates import check_no_dates, check_no_days, judge_dates
from softmaxd_training.frames.missing import Cells
from softmaxd_training.frames.numbers import exact_of
from tests.support.frames import csv_cells, typed_cells


@pytest.mark.parametrize(
    ("cells", "example"),
    [
        (csv_cells("2024-01-31", "2024-02-01", ""), "2024-01-31"),
        (csv_cells("31.12.2024 08:15"), "31.12.2024 08:15"),
        (csv_cells(*(f"2024-01-{day:02d}" for day in range(1, 20)), "soon"), "2024-01-01"),
        (typed_cells(pa.array([None, datetime.date(2024, 1, 31)])), "2024-01-31"),
    ],
)
def test_dates_are_refused_with_the_cure(cells: Cells, example: str) -> None:
    with pytest.raises(Refused) as refused:
        check_no_dates(cells)

    assert str(refused.value) == (
        f"column 'x' has dates, such as {example!r}: `--date x` makes year, month, weekday and day number of it,"
        " `--category x` takes the texts"
    )


def test_a_few_dates_among_texts_are_texts() -> None:
    check_no_dates(csv_cells("2024-01-31", "soon", "later"))
    check_no_dates(csv_cells("3.1.2", "3.1.3"))


@pytest.mark.parametrize(
    ("texts", "one", "other"),
    [
        (["31.01.2024", "2024-01-31"] * 10, "2024-01-31", "31.01.2024"),
        (["2024/01/31", "31.01.2024", "1.2.2024", ""], "31.01.2024", "2024/01/31"),
        (
            [*(f"{day}.1.2024" for day in range(1, 11)), *(f"2024-1-{day}" for day in range(1, 9)), "soon", "late"],
            "1.1.2024",
            "2024-1-1",
        ),
        (["01/31/2024", "31/01/2024 08:15"], "31/01/2024 08:15", "01/31/2024"),
    ],
)
def test_dates_in_mixed_forms_are_refused_with_the_cure(texts: list[str], one: str, other: str) -> None:
    with pytest.raises(Refused) as refused:
        check_no_dates(csv_cells(*texts))

    assert str(refused.value) == (
        f"column 'x' has dates in several forms, such as {one!r} and {other!r}: write them as year-month-day, or"
        " `--category x` takes the texts"
    )


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-01-31", "31.01.2024", "soon"],  # fewer than nine of ten
        ["4711-01-02", "02.01.4712"],  # codes: no such years
        ["2024-01", "31.01.", "2024"],
        ["2024-31-01", "31.31.2024"],
    ],
)
def test_texts_that_look_like_mixed_dates_are_texts(texts: list[str]) -> None:
    check_no_dates(csv_cells(*texts))


@pytest.mark.parametrize(
    ("texts", "are_days"),
    [
        (["20240131", "20231231", ""], True),
        (["19000101"], True),
        (["20240131", "20240132"], False),
        (["18991231"], False),
        (["21010101"], False),
    ],
)
def test_whole_numbers_that_are_all_days_are_refused(texts: list[str], are_days: bool) -> None:
    cells = csv_cells(*texts)
    exact = exact_of(cells.values)
    assert exact is not None

    if not are_days:
        check_no_days(cells, exact)
        return
    with pytest.raises(Refused, match=rf"^column 'x' has dates, such as '{texts[0]}': `--date x` makes "):
        check_no_days(cells, exact)


def test_a_date_becomes_year_month_weekday_and_day_number() -> None:
    parts = judge_dates(csv_cells("1969-12-28", "2024-02-29", "NA"), ".")

    assert [(part.column.name, part.column.kind, part.column.source) for part in parts] == [
        ("x_year", "date part", "x"),
        ("x_month", "date part", "x"),
        ("x_weekday", "date part", "x"),
        ("x_day", "date part", "x"),
    ]
    numbers = np.stack([part.numbers for part in parts if part.numbers is not None], axis=1)
    np.testing.assert_array_equal(numbers, np.array([[1969, 12, 7, -4], [2024, 2, 4, 19782], [np.nan] * 4], np.float32))
    assert parts[2].column.line == "the weekday from 1, Monday, 4 to 7; from 'x' (year-month-day); 1 missing ('NA')"


def test_a_time_of_day_becomes_the_hour() -> None:
    parts = judge_dates(csv_cells("2024-02-29 06:45", "2024-03-01"), ".")

    assert parts[-1].column.line == "hours since midnight, 0 to 6.75; from 'x' (year-month-day)"


def test_a_part_that_never_changes_is_dropped() -> None:
    parts = judge_dates(csv_cells("2024-02-01", "2024-02-02"), ".")

    assert [(part.column.kind, part.column.line) for part in parts[:2]] == [
        ("dropped", "has the same value in every row: 2024"),
        ("dropped", "has the same value in every row: 2"),
    ]


def test_dates_with_a_type_and_numbers_are_taken_apart() -> None:
    typed = judge_dates(typed_cells(pa.array([datetime.date(2024, 1, 31), datetime.date(2023, 1, 30)])), ".")
    numbered = judge_dates(csv_cells("1706659200", "1675036800"), ".")

    assert typed[0].column.line == "the year, 2023 to 2024; from 'x'"
    assert numbered[0].column.line == "the year, 2023 to 2024; from 'x' (seconds since 1970)"
    for one, other in zip(typed, numbered, strict=True):
        np.testing.assert_array_equal(one.numbers, other.numbers)


@pytest.mark.parametrize(
    ("texts", "count", "value", "line"),
    [
        (["2024-01-31", "soon"], "1 of 2 values are", "soon", 3),
        (["13/01/2024", "01/13/2024", "14/01/2024"], "1 of 3 values are", "01/13/2024", 3),
        (["soon", "later"], "2 of 2 values are", "soon", 2),
        (["1e30", "2"], "1 of 2 values are", "1e30", 2),
    ],
)
def test_a_value_that_is_no_date_is_told(texts: list[str], count: str, value: str, line: int) -> None:
    with pytest.raises(Refused) as refused:
        judge_dates(csv_cells(*texts), ".")

    assert str(refused.value) == (
        f"column 'x': {count} not dates, such as {value!r} (line {line}): write them as year-month-day, or"
        f" `--missing {value}` takes this text as missing"
    )


def test_dates_whose_day_may_be_the_month_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        judge_dates(csv_cells("02/03/2024", "05/06/2024"), ".")

    assert str(refused.value) == (
        "column 'x' has dates such as '02/03/2024', which may be day/month/year or month/day/year: write them as"
        " year-month-day"
    )


def test_dates_that_are_the_same_in_both_forms_are_taken() -> None:
    parts = judge_dates(csv_cells("02/02/2024", "03/03/2024"), ".")

    assert parts[1].column.line == "the month, 2 to 3; from 'x' (day/month/year)"
