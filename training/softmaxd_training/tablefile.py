"""Reads a table from a CSV or Parquet file."""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from softmaxd.errors import Refused
from softmaxd_training.columns import Cell, Column, counted, labels, numbers, quoted, varied
from softmaxd_training.rows import Rows

LONGEST_NAME = 200  # characters of a feature's name, in the manifest


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The rows of a table: its target column has the labels, all other columns are features."""

    rows: Rows
    names: tuple[str, ...]  # of the features
    labels: tuple[str, ...]
    sha256: str  # of the file


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the file, and its place there, for messages."""

    place: str
    cells: Sequence[Cell]


def read_table(path: Path, target: str) -> Table:
    """Return the table in a file, with the labels in the column `target`.

    Raises `Refused` if the table cannot be trained on, and names the column and the row.
    """
    with naming(path):
        columns, sha256 = read_columns(path, target)
        given = columns.pop(target)
        features = [varied(name, numbers(name, column)) for name, column in columns.items()]
        found, classes = labels(target, given)
    return Table(Rows(np.stack(features, axis=1), classes), tuple(columns), found, sha256)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Begin each refusal with the name of the file."""
    try:
        yield
    except Refused as error:
        raise Refused(f"{path.name}: {error}") from error


def read_columns(path: Path, target: str) -> tuple[dict[str, Column], str]:
    """Return the columns of a file by their names, and its SHA-256. Raises `Refused` if one of them is not `target`."""
    content = path.read_bytes()
    header, lines = _read_parquet(content) if content.startswith(b"PAR1") else _read_csv(content)
    _check_header(header, target)
    if not lines:
        raise Refused("it has no rows")
    columns: dict[str, Column] = {
        name: [(line.place, line.cells[index]) for line in lines] for index, name in enumerate(header)
    }
    return columns, hashlib.sha256(content).hexdigest()


def _read_csv(content: bytes) -> tuple[list[str], list[_Line]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = 1 + content.count(b"\n", 0, error.start)
        raise Refused(f"line {number} is not UTF-8: save the table as UTF-8") from error
    lines = list(_csv_lines(text))
    if not lines:
        raise Refused("it has no header: the first line should name the columns")
    header = [str(cell) for cell in lines[0].cells]
    for line in lines[1:]:
        if len(line.cells) != len(header):
            raise Refused(f"{line.place} has {counted(len(line.cells), 'value')}, but the header names {len(header)}")
    return header, lines[1:]


def _csv_lines(text: str) -> Iterator[_Line]:
    """Yield the values of each line without the blanks around them; empty lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1  # a quoted value may take several lines
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Refused(f"line {start} is not CSV: {error}") from error
        if cells:
            yield _Line(f"line {start}", [cell.strip() for cell in cells])
        start = reader.line_num + 1


def _read_parquet(content: bytes) -> tuple[list[str], list[_Line]]:
    try:
        import pyarrow  # noqa: PLC0415 - only for these files
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise Refused("to read Parquet, install the package pyarrow, or give the table as CSV") from error
    try:
        table = parquet.read_table(pyarrow.BufferReader(content))
    except (pyarrow.ArrowException, OSError) as error:
        raise Refused(f"it cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    columns = [column.to_pylist() for column in table.columns]
    lines = [_Line(f"row {number}", cells) for number, cells in enumerate(zip(*columns, strict=True), start=1)]
    return [name.strip() for name in table.column_names], lines


def _check_header(header: Sequence[str], target: str) -> None:
    for number, name in enumerate(header, start=1):
        if not name:
            raise Refused(f"column {number} has no name")
        if len(name) > LONGEST_NAME:
            raise Refused(f"the name of column {number} has {len(name)} characters; {LONGEST_NAME} are allowed")
        if header.index(name) != number - 1:
            raise Refused(f"columns {header.index(name) + 1} and {number} are both called {quoted(name)}")
    if target not in header:
        raise Refused(f"it has no column {quoted(target)}; its columns are {', '.join(map(quoted, header))}")
    if len(header) == 1:
        raise Refused(f"{quoted(target)} is its only column: columns of numbers are needed, too")
