"""Columns that do not vary in the training rows are left out."""

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_digits

from softmaxd_training.frames.columns import frame_of
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.varying import without_constant
from tests.support.frames import csv_table, typed_table

N = 40
TABLE = csv_table(
    flag=["0"] * (N - 1) + ["1"],
    gap=["2.5", ""] * (N // 2),
    late=[""] * (N // 2) + ["1.5", "2.5"] * (N // 4),
    rare=["no"] * (N - 1) + ["yes"],
    job=["clerk", "nurse"] * (N // 2),
    y=["a", "b"] * (N // 2),
)


def test_columns_that_are_constant_in_the_rows_are_dropped_with_a_line() -> None:
    frame = frame_of(TABLE, ColumnOptions("y"))

    found = without_constant(frame, np.arange(N // 2))

    assert (found.number_names, found.text_names) == (("gap",), ("job",))
    assert (found.numbers.shape, found.texts.shape, len(found)) == ((N, 1), (N, 1), N)
    np.testing.assert_array_equal(found.numbers[:2, 0], np.array([2.5, np.nan], np.float32))
    assert [(each.name, each.kind) for each in found.columns] == [
        ("flag", "dropped"),
        ("gap", "number"),
        ("late", "dropped"),
        ("rare", "dropped"),
        ("job", "category"),
        ("y", "target"),
    ]
    assert found.columns[3].line == "has the same value in every row of the training part"
    assert found.columns[3].categories == ()


def test_a_frame_whose_columns_all_vary_is_left_as_it_is() -> None:
    frame = frame_of(TABLE, ColumnOptions("y"))

    assert without_constant(frame, np.arange(N)) is frame


def test_the_columns_of_digits_that_are_constant_in_some_rows_are_told_in_one_run() -> None:
    pixels, digits = load_digits(return_X_y=True)
    columns = {f"pixel_{place}": pa.array(column) for place, column in enumerate(pixels.T)}
    frame = frame_of(typed_table(**columns, digit=pa.array(digits)), ColumnOptions("digit"))
    varying = np.flatnonzero(np.ptp(pixels[:200], axis=0))

    found = without_constant(frame, np.arange(200))

    assert found.number_names == tuple(f"pixel_{place}" for place in varying)
    lines = {column.line for column in found.columns if column.kind == "dropped"}
    assert lines == {"has the same value in every row: 0", "has the same value in every row of the training part"}


def test_a_column_that_begins_with_a_gap_varies_if_a_value_follows() -> None:
    table = csv_table(
        number=["", *["1.5"] * (N - 1)],
        text=["", *["red"] * (N - 1)],
        late=["", "", *["1.5", "2.5"] * (N // 2 - 1)],
        last=["", "", *["red", "blue"] * (N // 2 - 1)],
        y=["a", "b"] * (N // 2),
    )

    found = without_constant(frame_of(table, ColumnOptions("y")), np.arange(2))
    other = without_constant(frame_of(table, ColumnOptions("y")), np.arange(3))

    assert (found.number_names, found.text_names) == (("number",), ("text",))
    assert (other.number_names, other.text_names) == (("number", "late"), ("text", "last"))
