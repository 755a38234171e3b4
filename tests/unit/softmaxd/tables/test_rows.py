"""Rows are lines or cells, each with its place."""

import pytest

from softmaxd.tables.rows import Rows

LINES = Rows([2, 4, 5], [b"1,2", b"3,", b"5,6"])


def test_lines_are_cells_with_commas_between_them() -> None:
    assert LINES.cells() == [[b"1", b"2"], [b"3", b""], [b"5", b"6"]]
    assert LINES.with_cells([[b"1", b"2"], [b"3", None], [b"5", b"6"]]).texts() == LINES.texts()


@pytest.mark.parametrize(("unit", "place"), [("line", "line 5"), ("row", "row 5")])
def test_a_part_keeps_the_places(unit: str, place: str) -> None:
    part = Rows(LINES.numbers, LINES.rows, unit)[1:]

    assert (len(part), part.place(1), part.with_cells([[], []]).place(1)) == (2, place, place)
