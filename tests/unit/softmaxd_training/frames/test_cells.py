import io
from datetime import date, datetime, time, timedelta

import pytest

from softmaxd_training.frames.cells import CHUNK, Cell, faults, letters, text_of


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (" a b ", "a b"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (0.1, "0.1"),
        (2.0, "2"),
        (1e300, "1e+300"),
        (datetime(2026, 11, 28), "2026-11-28"),
        (datetime(2026, 11, 28, 7, 5), "2026-11-28 07:05:00"),
        (date(2026, 11, 28), "2026-11-28"),
        (time(7, 5), "07:05:00"),
        (timedelta(hours=30), "108000"),
        (timedelta(seconds=1.5), "1.5"),
    ],
)
def test_a_cell_has_a_text(cell: Cell, text: str) -> None:
    assert text_of(cell) == text


@pytest.mark.parametrize(("column", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")])
def test_columns_have_letters(column: int, name: str) -> None:
    assert letters(column) == name


@pytest.mark.parametrize("before", [0, CHUNK - 20, CHUNK - 100])
def test_cells_that_cannot_be_used_are_found_in_the_xml(before: int) -> None:
    xml = (
        b"<worksheet>" + b" " * before + b'<c r="A2"><f>B2+1</f><v></v></c><c r="A3" s="1"><f t="shared" si="0"/></c>'
        b'<c r="A4"><f>B4</f><v>3</v></c><c r="A5" t="str"><f>B5</f><v></v></c><c r="A6" s="1"/>'
        b'<x:c r="A7"><x:f>"a"</x:f><x:v/></x:c><mergeCells count="1"><mergeCell ref="B1:C2"/></mergeCells></worksheet>'
    )

    assert list(faults(io.BytesIO(xml))) == [
        *(
            f"cell {cell}: its formula has no value yet: open the workbook in a spreadsheet program, and save it"
            for cell in ("A2", "A3", "A7")
        ),
        "cells B1:C2 are merged: separate them, and fill each",
    ]
