"""Columns after their kind is decided."""

import numpy as np

from softmaxd_training.frames.judged import Coded, Judged
from tests.support.frames import csv_cells


def test_codes_become_texts_and_the_last_one_a_missing_text() -> None:
    texts = Coded(np.array([1, 0, 2], np.uint8), ("a", "b")).texts()

    assert texts.tolist() == ["b", "a", ""]
    assert texts.dtype == object


def test_a_column_that_is_left_out_keeps_its_reason() -> None:
    judged = Judged.dropped(csv_cells("1", ""), "has no values")

    assert (judged.column.kind, judged.column.line, judged.column.missing) == ("dropped", "has no values", ("",))
    assert judged.numbers is None
    assert judged.texts is None


def test_an_identifier_can_be_kept() -> None:
    judged = Judged.identifier(csv_cells("17", "18"), "number")

    assert judged.column.line == "looks like an identifier: all 2 values are different; `--number x` keeps it"
