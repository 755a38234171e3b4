"""Rows are lines or cells, each with its place."""

import pytest

from softmaxd.errors import Refused
from softmaxd.tables.rows import Rows, counted, quoted

LINES = Rows([2, 4, 5], [b"1,2", b"3,", b"5,6"])
CELLS = Rows([1, 2, 3], [(b"1", b"2"), (b"3", None), (b"5,", b"6")], is_parquet=True)


def test_lines_are_cells_with_commas_between_them() -> None:
    assert LINES.cells() == [[b"1", b"2"], [b"3", b""], [b"5", b"6"]]
    assert CELLS.cells() == CELLS.rows


def test_a_line_of_csv_has_quotes_where_it_needs_them() -> None:
    assert LINES.lines() == LINES.rows
    assert CELLS.lines() == [b"1,2", b"3,", b'"5,",6']


def test_columns_may_be_chosen() -> None:
    first, second = LINES.columns(2)
    assert LINES.of_columns([second, first, first]) == Rows([2, 4, 5], [b"2,1,1", b",3,3", b"6,5,5"])

    first, second = CELLS.columns(2)
    assert (first, second) == ((b"1", b"3", b"5,"), (b"2", None, b"6"))
    assert CELLS.of_columns([second]) == Rows([1, 2, 3], [(b"2",), (None,), (b"6",)], is_parquet=True)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (Rows([2, 3], [b"1,2", b"3"]), "line 3 has 1 value, but the header names 2"),
        (Rows([3], [b"1,2,3"]), "line 3 has 3 values, but the header names 2"),
        (Rows([2, 3], [[b"1", b"2"], [b"3", b"4", b"5"]]), "line 3 has 3 values, but the header names 2"),
    ],
)
def test_a_row_of_another_length_is_refused(rows: Rows, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        rows.columns(2)

    assert str(refused.value) == reason


def test_a_part_keeps_the_places() -> None:
    assert (len(LINES[1:]), LINES[1:].place(1), CELLS[1:].place(1)) == (2, "line 5", "row 3")


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_a_number_stands_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "row") == text


@pytest.mark.parametrize(
    ("cell", "expected"), [(b"a b", b"a b"), (b"a,b", b'"a,b"'), (b'a"', b'"a"""'), (b"a\n", b'"a\n"')]
)
def test_a_cell_has_quotes_if_it_needs_them(cell: bytes, expected: bytes) -> None:
    assert quoted(cell) == expected
