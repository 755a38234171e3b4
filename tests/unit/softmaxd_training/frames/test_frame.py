"""A frame has every row of its file, and a line for each column."""

from softmaxd_training.frames.columns import frame_of
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.frame import FrameColumn
from tests.support.frames import csv_table


def test_a_frame_is_as_long_as_its_file() -> None:
    table = csv_table(x=["1", "2"] * 10, y=["a", "b"] * 10)

    assert len(frame_of(table, ColumnOptions("y"))) == 20


def test_a_column_may_be_missing_if_a_value_of_the_file_is() -> None:
    assert FrameColumn("x", "number", "1 to 2", "x", missing=("NA",)).nullable
    assert not FrameColumn("x", "number", "1 to 2", "x").nullable
