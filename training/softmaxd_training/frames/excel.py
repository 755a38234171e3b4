"""Reads a sheet of a workbook of Excel."""

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from softmaxd.errors import Refused, pip_install
from softmaxd_training.frames.cells import ERRORS, faults, letters, text_of
from softmaxd_training.frames.names import check_header, check_names, numbered
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.problems import Problems
from softmaxd_training.frames.rawtable import Integers, Places, RawTable
from softmaxd_training.frames.repeated import Texts
from softmaxd_training.frames.wording import listed, quoted

LOOKED_AT = 200  # rows that show whether the first one has names
BLOCK = 2_000  # rows
MOST_ROWS = 2**20  # of a sheet

Row = tuple[int, Sequence[str]]  # its number in the sheet, from 1, and its cells


def read_excel(source: BinaryIO, options: ReadOptions, sha256: str) -> RawTable:
    """Return the table in a sheet, all cells as text. Rows without any value are left out.

    Raises `Refused` with a line for each cell that has no value of its own, and without openpyxl.
    """
    if find_spec("openpyxl") is None:
        install = pip_install("'softmaxd[excel]'")
        raise Refused(f"a workbook of Excel needs openpyxl: {install}, or save it as CSV")
    import openpyxl  # noqa: PLC0415 - it is not always there

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles, and dates that are then an error in their cell
            source.seek(0)
            book = openpyxl.load_workbook(source, read_only=True, data_only=True)
            sheet, note = _sheet(book, options.sheet)
            problems = Problems()
            with zipfile.ZipFile(source) as archive, archive.open(sheet._worksheet_path) as xml:
                for line in faults(xml):
                    problems.add(line)
            return _table(sheet, options, note, problems, sha256)
    except Refused:
        raise
    except Exception as error:  # openpyxl lets any error of broken XML through
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise Refused(
            f"this workbook is broken: open it in a spreadsheet program, and save it again ({reason})"
        ) from error


def _sheet(book: Any, name: str | None) -> tuple[Any, str]:  # Any: openpyxl has no types
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if not sheets:
        raise Refused("the workbook has no sheet with cells")
    if name is not None and name not in sheets:
        raise Refused(f"the workbook has no sheet {quoted(name)}; its sheets are {listed(list(sheets))}")
    chosen = name or next(iter(sheets))
    others = listed([title for title in sheets if title != chosen])
    return sheets[chosen], f"sheet: {quoted(chosen)}{f'; left out: {others} (--sheet)' if others else ''}"


def _table(sheet: Any, options: ReadOptions, note: str, problems: Problems, sha256: str) -> RawTable:
    rows = _rows(sheet, problems)
    start = list(islice(rows, LOOKED_AT))
    if not start:
        raise Refused(f"the sheet {quoted(sheet.title)} is empty: name another by --sheet")
    width = max(len(cells) for _, cells in start)
    padded = [[*cells, *[""] * (width - len(cells))] for _, cells in start]
    kept = [column for column, values in enumerate(zip(*padded, strict=True)) if any(values)]
    first, *below = ([row[column] for column in kept] for row in padded)
    names: Sequence[str] = numbered(len(kept))
    notes = [note]
    if options.header is False:
        notes.append(f"no names in the file: its columns are called {names[0]} to {names[-1]}")
    else:
        if options.header is None:
            check_header(first, below, f"row {start[0][0]}")
        check_names(first, problems)
        names = first
    body = chain(start[options.header is not False :], rows)
    columns, places = _columns(body, kept, problems)
    problems.refuse()
    return RawTable(dict(zip(names, columns, strict=True)), True, ".", tuple(notes), sha256, places)


def _rows(sheet: Any, problems: Problems) -> Iterator[Row]:
    """Yield the rows that have a value; add a problem for each cell with an error."""
    sheet.reset_dimensions()  # as they may be wrong
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > MOST_ROWS:
            raise Refused(f"this workbook is broken: a sheet has no row {number}")
        cells = [text_of(value) for value in values]
        for column, cell in enumerate(cells):
            if cell in ERRORS:
                problems.add(f"cell {letters(column)}{number} has the error {cell}: correct its formula, or empty it")
        if any(cells):
            yield number, cells


def _columns(rows: Iterator[Row], kept: Sequence[int], problems: Problems) -> tuple[Sequence[pa.ChunkedArray], Places]:
    texts = [Texts() for _ in kept]
    numbers = [np.empty(0, np.int64)]
    known, nameless = set(kept), set[int]()
    while block := list(islice(rows, BLOCK)):
        numbers.append(np.array([number for number, _ in block], np.int64))
        for text, column in zip(texts, kept, strict=True):
            text.add(pa.array([cells[column] if column < len(cells) else "" for _, cells in block], pa.string()))
        for number, cells in block:
            for column in range(len(cells)):
                if cells[column] and column not in known and column not in nameless:
                    nameless.add(column)
                    problems.add(
                        f"cell {letters(column)}{number} has a value, but column {letters(column)} has no name"
                    )
    return [text.column() for text in texts], _places(np.concatenate(numbers))


def _places(numbers: Integers) -> Places:
    """Return the places of rows with these numbers."""
    first = int(numbers[0]) if len(numbers) else 1
    skipped = numbers - first - np.arange(len(numbers))
    gaps = np.flatnonzero(np.diff(skipped)) + 1
    return Places("row", first, gaps, skipped[gaps])
