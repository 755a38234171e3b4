"""Missing values are found in texts, in numbers, and in columns of other types."""

import math

import pyarrow as pa
import pytest

from softmaxd_training.frames.missing import WORDS
from tests.support.frames import csv_cells, typed_cells


def test_empty_cells_and_the_usual_words_are_missing() -> None:
    cells = csv_cells("1", *WORDS, "none", "-")

    assert cells.values.to_pylist() == ["1", *[None] * len(WORDS), "none", "-"]
    assert cells.missing == dict.fromkeys(sorted(WORDS), 1)


def test_words_of_the_user_are_missing_beside_the_usual_ones() -> None:
    cells = csv_cells("-", "-999", "NA", "5", missing=["-", "-999"])

    assert cells.values.to_pylist() == [None, None, None, "5"]
    assert cells.told() == "3 missing ('-', '-999', 'NA')"


def test_the_count_tells_how_missing_values_are_written_unless_by_empty_cells() -> None:
    assert csv_cells("1").told() == ""
    assert csv_cells("1", "", "").told() == "2 missing"
    assert csv_cells("1", "", "?", "?").told() == "3 missing (empty, '?')"


def test_nulls_nan_and_codes_are_missing_among_numbers() -> None:
    cells = typed_cells(pa.array([1.5, None, math.nan, -999.0]), missing=["-999", "unknown", "inf", "7"])

    assert cells.values.to_pylist() == [1.5, None, None, None]
    assert cells.missing == {"": 2, "-999": 1}


def test_a_code_is_missing_among_integers() -> None:
    cells = typed_cells(pa.array([1, 9, None], pa.int8()), missing=["9.0"])

    assert cells.values.to_pylist() == [1, None, None]
    assert cells.missing == {"": 1, "9.0": 1}


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_texts_of_every_type_are_searched(kind: pa.DataType) -> None:
    cells = typed_cells(pa.array(["a", "NA", None, ""]).cast(kind))

    assert cells.values.to_pylist() == ["a", None, None, None]
    assert cells.missing == {"": 2, "NA": 1}


def test_booleans_and_dates_are_missing_where_they_are_null() -> None:
    cells = typed_cells(pa.array([True, None]), missing=["true"])

    assert (cells.values.to_pylist(), cells.missing, cells.present) == ([True, None], {"": 1}, 1)


def test_a_column_without_values_is_missing_as_a_whole() -> None:
    assert csv_cells("", "NA").are_missing
    assert not csv_cells("", "NA", "x").are_missing
