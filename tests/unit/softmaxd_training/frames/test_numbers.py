"""Numbers are read as they are written, and judged by their values."""

import decimal

import numpy as np
import pyarrow as pa
import pytest

from softmaxd.errors import Refused
from softmaxd_training.frames.judged import Judged
from softmaxd_training.frames.missing import Cells
from softmaxd_training.frames.numbers import exact_of, judge_numbers
from tests.support.frames import csv_cells, typed_cells


def judged(cells: Cells, *, is_decided: bool = False) -> Judged:
    exact = exact_of(cells.values)
    assert exact is not None
    return judge_numbers(cells, exact, is_decided=is_decided)


@pytest.mark.parametrize(
    ("texts", "mark", "numbers", "are_whole"),
    [
        (["1", "-2", "007"], ".", [1, -2, 7], True),
        (["+1", "2"], ".", [1, 2], True),
        (["99999999999999999999", "1"], ".", [1e20, 1], True),
        (["1.0", "2"], ".", [1, 2], False),
        ([".5", "5.", "1e3", "-1.5E-2"], ".", [0.5, 5, 1000, -0.015], False),
        (["1,5", "2"], ",", [1.5, 2], False),
        (["1,5"], ".", None, False),
        (["1.234,5"], ",", None, False),
        (["0x10"], ".", None, False),
        (["1_000"], ".", None, False),
        (["１"], ".", None, False),  # a digit of another script
        (["1"] * 200 + ["x"], ".", None, False),
        (["1"] * 200 + ["1.5"], ".", [1] * 200 + [1.5], False),
        (["+1"] * 200 + ["1.5"], ".", [1] * 200 + [1.5], False),
    ],
)
def test_texts_are_numbers_as_people_write_them(
    texts: list[str], mark: str, numbers: list[float] | None, are_whole: bool
) -> None:
    exact = exact_of(csv_cells(*texts).values, mark)

    assert (None if exact is None else exact.values.tolist()) == numbers
    assert exact is None or exact.are_whole == are_whole


@pytest.mark.parametrize(
    ("column", "are_whole"),
    [
        (pa.array([1, 2], pa.uint64()), True),
        (pa.array([1, 2], pa.int8()), True),
        (pa.array([1.0, 2.0]), False),
        (pa.array([1, 2], pa.float16()), False),
        (pa.array([decimal.Decimal("1.00"), decimal.Decimal("2.00")]), False),
    ],
)
def test_numbers_of_every_type_are_read(column: pa.Array, are_whole: bool) -> None:
    exact = exact_of(typed_cells(column).values)

    assert exact is not None
    assert exact.values.tolist() == [1, 2]
    assert exact.are_whole == are_whole


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["1.5", "2", "1.5"], "1.5 to 2"),
        (["17", "90", "NA", ""], "whole numbers, 17 to 90; 2 missing (empty, 'NA')"),
        (["7", ""], "7; 1 missing"),
        (["0.1", "0.1", ""], "0.1; 1 missing"),
        (
            ["1", "2", "3", "3"],
            "whole numbers, 1 to 3; 3 different ones: if they are codes, `--category x` takes them as such",
        ),
        (
            ["0", "16777216", "16777217", "5", "5"],
            "whole numbers, 0 to 16777217; 4 different ones: if they are codes, `--category x` takes them as such;"
            " 2 of 5 values share a float32 with another one",
        ),
    ],
)
def test_the_line_tells_the_values_of_a_number(texts: list[str], line: str) -> None:
    found = judged(csv_cells(*texts))

    assert (found.column.kind, found.column.line) == ("number", line)


def test_missing_numbers_are_nan_in_float32() -> None:
    found = judged(csv_cells("0.1", "", "3"))

    assert found.numbers is not None
    assert found.numbers.dtype == np.float32
    np.testing.assert_array_equal(found.numbers, np.array([0.1, np.nan, 3], np.float32))


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["7", "7"], "has the same value in every row: 7"),
        (["0.50", "0.5"], "has the same value in every row: 0.5"),
        (["4900000000001"] * 2, "has the same value in every row: 4900000000001"),
        (
            [str(4_900_000_000_000 + row) for row in range(1000)],
            "looks like an identifier: all 1,000 values are different; `--number x` keeps it",
        ),
    ],
)
def test_a_number_from_which_nothing_can_be_learnt_is_dropped(texts: list[str], line: str) -> None:
    found = judged(csv_cells(*texts))

    assert (found.column.kind, found.column.line) == ("dropped", line)


def test_measurements_are_no_identifiers_though_all_are_different() -> None:
    found = judged(csv_cells(*(f"{row}.5" for row in range(100))))

    assert found.column.kind == "number"


def test_the_user_decides_that_an_identifier_is_a_number() -> None:
    found = judged(csv_cells(*map(str, range(100))), is_decided=True)

    assert (found.column.kind, found.column.line) == ("number", "whole numbers, 0 to 99")


@pytest.mark.parametrize("value", ["inf", "-1e39", "1e999"])
def test_a_number_beyond_float32_is_refused(value: str) -> None:
    with pytest.raises(Refused) as refused:
        judged(csv_cells("1", value))

    line = f"column 'x', line 3: {value!r} is not finite as float32: leave the cell empty if it is unknown"
    assert str(refused.value) == line


def test_numbers_that_float32_does_not_tell_apart_are_refused_truthfully() -> None:
    seconds = [1_700_000_000 + 10 * (row // 2) for row in range(720)]

    with pytest.raises(Refused) as refused:
        judged(csv_cells(*map(str, seconds)))

    assert str(refused.value) == (
        "column 'x' loses too much in float32, in which a model takes numbers: 720 of 720 values would share a float32"
        " with another one. Subtract a constant from all of them, or use `--category x`, or `--date x` if they count"
        " seconds since 1970"
    )
