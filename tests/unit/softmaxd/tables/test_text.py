"""The rows of a CSV file, a piece at a time, with their lines."""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmaxd.errors import Refused
from softmaxd.tables import text as module
from softmaxd.tables.text import read_text

CELL = st.text(st.sampled_from('a1.,"\n é-'), max_size=5)


def read(content: bytes, size: int = 7) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, and each row with its line."""
    header, found = read_text(content[at : at + size] for at in range(0, len(content), size))
    rows = [
        (line, [(cell or b"").decode() for cell in cells])
        for part in found
        for line, cells in zip(part.numbers, part.cells(), strict=True)
    ]
    return list(header.names), rows


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n\n"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("size", [3, 5, 1000])
def test_lines_are_counted_from_the_header_and_empty_ones_are_no_rows(
    end: str, newline: str, bom: bytes, quote: str, size: int
) -> None:
    lines = ["x1, x2", "1,2", "", f"{quote}3{quote},é"]

    found = read(bom + (newline.join(lines) + end).encode(), size)

    assert found == (["x1", " x2"], [(2, ["1", "2"]), (4, ["3", "é"])])


@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=9), st.integers(1, 30))
def test_what_the_csv_module_writes_is_read_again(rows: Sequence[Sequence[str]], size: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([["a", "b"], *rows])

    names, found = read(text.getvalue().encode(), size)

    assert names == ["a", "b"]
    assert [cells for _, cells in found] == [list(row) for row in rows]


def test_a_row_that_takes_several_lines_is_on_its_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 3)

    found = read(b'x,y\n1,2\n3,"a\nb\n"\n4,5\n')

    assert found == (["x", "y"], [(2, ["1", "2"]), (3, ["3", "a\nb\n"]), (6, ["4", "5"])])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has no header: the first line should name the columns"),
        (b"\n\r\n", "it has no header: the first line should name the columns"),
        (b"x\n1\n\xff\n", "line 3 is not UTF-8: save the table as UTF-8"),
        (b"x\n1\n\xff", "line 3 is not UTF-8: save the table as UTF-8"),
        (b'x\n1\n"2"\n\xff\n', "line 4 is not UTF-8: save the table as UTF-8"),
        (b'x\n1\n"2"\n\xff', "line 4 is not UTF-8: save the table as UTF-8"),
        (b'x\n1\n"2"3\n', "line 3 is not CSV: ',' expected after '\"'"),
        (b'x\n"1\n2\n', "line 2 is not CSV: unexpected end of data"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_line(content: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        read(content)

    assert str(refused.value) == reason


@pytest.mark.parametrize("start", [b"x\n1\n", b'x\n"1"\n'])
def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(module, "MAX_LINE", 50)

    with pytest.raises(Refused, match=r"^line 3 has more than 50 bytes$"):
        read(start + b"2" * 60)


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_text_may_be_long(quote: str) -> None:
    text = "é" * 200_000

    assert read(f"x,y\n{quote}{text}{quote},1\n".encode(), size=100_000) == (["x", "y"], [(2, [text, "1"])])


def test_a_quote_that_is_not_closed_is_refused_before_all_is_read() -> None:
    with pytest.raises(Refused, match=r"^line 2 is not CSV: field larger than field limit \(8388608\)$"):
        read(b'x\n"' + b"12345678\n" * 10**6, size=100_000)


def test_a_lone_carriage_return_makes_cells_of_lines() -> None:
    text = b"x,note\r\n1,old\rend\r\n\r\n2,new"

    _, found = read_text([text])

    rows = [rows for rows in found if len(rows)]
    assert [line for each in rows for line in each.lines()] == [b'1,"old\rend"', b"2,new"]
    assert [number for each in rows for number in each.numbers] == [2, 4]
