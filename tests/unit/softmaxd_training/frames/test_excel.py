import io
import zipfile
from collections.abc import Sequence
from datetime import datetime

import openpyxl
import pytest

from softmaxd.errors import Refused, pip_install
from softmaxd_training.frames import excel
from softmaxd_training.frames.excel import read_excel
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.rawtable import RawTable

NAMESPACE = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"

Rows = Sequence[Sequence[object]]


def workbook(sheets: dict[str, Rows], merged: str = "") -> io.BytesIO:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        if merged:
            sheet.merge_cells(merged)
    target = io.BytesIO()
    book.save(target)
    return target


def read(rows: Rows, options: ReadOptions = ReadOptions(), merged: str = "") -> RawTable:  # noqa: B008 - it is frozen
    return read_excel(workbook({"Data": rows}, merged), options, "sha")


def refusal(rows: Rows, options: ReadOptions = ReadOptions(), merged: str = "") -> list[str]:  # noqa: B008
    with pytest.raises(Refused) as refused:
        read(rows, options, merged)
    return str(refused.value).splitlines()


def columns(found: RawTable) -> dict[str, list[str]]:
    return {name: column.to_pylist() for name, column in found.columns.items()}


def test_cells_are_text_and_rows_without_values_are_left_out() -> None:
    found = read(
        [
            [None, None, None],
            [None, "n", " name ", "day", "flag"],
            [None, 1, "a", datetime(2026, 11, 28), True],
            [],
            [None, 2.5, None, "#N/A", False, "  "],
        ]
    )

    assert columns(found) == {
        "n": ["1", "2.5"],
        "name": ["a", ""],
        "day": ["2026-11-28", "#N/A"],
        "flag": ["true", "false"],
    }
    assert (found.is_text, found.decimal, found.sha256, found.notes) == (True, ".", "sha", ("sheet: 'Data'",))
    assert [found.place(row) for row in range(2)] == ["row 3", "row 5"]


def test_the_first_sheet_is_read_and_the_others_are_told() -> None:
    book = workbook({"One": [["x", "y"], [1, "a"]], "Two": [["z", "y"], [2, "b"]], "Three": []})

    found = read_excel(book, ReadOptions(), "")
    second = read_excel(book, ReadOptions(sheet="Two"), "")

    assert found.notes == ("sheet: 'One'; left out: 'Two', 'Three' (--sheet)",)
    assert columns(second) == {"z": ["2"], "y": ["b"]}


def test_a_sheet_may_have_no_names() -> None:
    found = read([[1, "a"], [2, "b"]], ReadOptions(header=False))

    assert columns(found) == {"column1": ["1", "2"], "column2": ["a", "b"]}
    assert found.notes[1] == "no names in the file: its columns are called column1 to column2"
    assert found.place(0) == "row 1"


def test_more_rows_than_a_block_are_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "BLOCK", 3)
    monkeypatch.setattr(excel, "LOOKED_AT", 4)

    found = read([["x", "y"], *([row, "a"] for row in range(10))])

    assert columns(found)["x"] == [str(row) for row in range(10)]
    assert found.place(9) == "row 11"


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (
            [["x", "y", "z"], [1, "=A2+1", "#DIV/0!"]],
            [
                "cell B2: its formula has no value yet: open the workbook in a spreadsheet program, and save it",
                "cell C2 has the error #DIV/0!: correct its formula, or empty it",
            ],
        ),
        ([[], []], ["the sheet 'Data' is empty: name another by --sheet"]),
        (
            [["x", None, "x"], [1, 2, 3]],
            ["column 2 has no name: write one into the first row", "columns 1 and 3 are both called 'x': rename one"],
        ),
        (
            [[1, "a"], [2, "b"]],
            [
                "row 1 looks like values, not like names ('1', 'a'): add --no-header if the file has no names,"
                " or --header if these are the names"
            ],
        ),
    ],
)
def test_wrong_sheets_are_refused_by_cell(rows: Rows, lines: list[str]) -> None:
    assert refusal(rows) == lines


def test_merged_cells_are_refused() -> None:
    rows: Rows = [["x", "y"], [1, "a"], [2, "b"]]

    assert refusal(rows, merged="B2:B3") == ["cells B2:B3 are merged: separate them, and fill each"]


def test_a_value_outside_the_columns_is_refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "LOOKED_AT", 2)

    lines = refusal([["x", "y"], [1, "a"], [2, "b", "c"], [3, "d", "e"]])

    assert lines == ["cell C3 has a value, but column C has no name"]


def test_an_unknown_sheet_is_refused_with_the_names_of_all() -> None:
    assert refusal([["x"], [1]], ReadOptions(sheet="Rows")) == [
        "the workbook has no sheet 'Rows'; its sheets are 'Data'"
    ]


def changed(name: str, content: bytes) -> io.BytesIO:
    """A workbook with another content of one of its files."""
    target = io.BytesIO()
    with zipfile.ZipFile(workbook({"Data": [["x"], [1]]})) as before, zipfile.ZipFile(target, "w") as after:
        for member in before.namelist():
            after.writestr(member, content if member == name else before.read(member))
    return target


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        (changed("xl/workbook.xml", b"<workbook"), r" open it .* again \(ParseError: .*\)"),
        (changed(SHEET, b"<worksheet><sheetData><row>"), r" open it .* again \(ParseError: .*\)"),
        (
            changed(SHEET, b'<worksheet xmlns="%s"><sheetData><row r="9"/></sheetData></worksheet>' % NAMESPACE),
            " a sheet has no row 9",
        ),
    ],
)
def test_a_broken_workbook_is_refused(book: io.BytesIO, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "MOST_ROWS", 8)

    with pytest.raises(Refused, match=f"^this workbook is broken:{reason}$"):
        read_excel(book, ReadOptions(), "")


def test_without_openpyxl_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "find_spec", lambda _: None)

    with pytest.raises(Refused) as refused:
        read([["x"], [1]])

    install = pip_install("'softmaxd[excel]'")
    assert str(refused.value) == f"a workbook of Excel needs openpyxl: {install}, or save it as CSV"
