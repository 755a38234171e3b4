"""Reads the text of a table: CSV with any separator."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from softmaxd.errors import Refused
from softmaxd.tables.rows import counted
from softmaxd_training.frames.decoding import Decoded
from softmaxd_training.frames.lines import Lines, line_ends
from softmaxd_training.frames.names import check_header, check_names, numbered
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.problems import MOST, Problems
from softmaxd_training.frames.rawtable import RawTable
from softmaxd_training.frames.repeated import Texts
from softmaxd_training.frames.separators import Trial, decimal_of, parsing, shown, split, texts_of
from softmaxd_training.frames.wording import quoted

SAMPLE = 2**20  # bytes that are tried
LONGEST_LINE = 2**26  # bytes of the first one
BLOCK = 2**20  # bytes that are parsed at once, and more if a line is long; a row must fit
BLANKS = b" \t\n\r\x0b\x0c"
ENDS = ("\n", "\r")
CLOSED = ('\n"', '\r"')  # before the last line end, if the last cell ends in a newline and its quote is closed
LOOKED_AT = 64  # rows of a block whose numbers show the decimal mark


def read_csv(source: BinaryIO, options: ReadOptions, sha256: str) -> RawTable:
    """Return the table in a text.

    Raises `Refused` with a line for each row of another length, and for anything else that is wrong.
    """
    stream = Decoded(source, options.encoding)
    sample = stream.sample(SAMPLE)
    if not any(end in sample[:-1] for end in (b"\n", b"\r")):
        sample = stream.sample(LONGEST_LINE)
    trial = split(sample, options.separator)
    first, names = _names(trial, options)
    reader = _Reader(stream, trial, header=len(first), block=max(BLOCK, 4 * max(map(len, sample.splitlines()))))
    columns = reader.columns()
    reader.check()
    notes = [f"separator: {shown(trial.separator)}"]
    if stream.encoding != "utf-8":
        notes.append(f"encoding: {stream.encoding.upper()}")
    if not first:
        notes.append(f"no names in the file: its columns are called {names[0]} to {names[-1]}")
    if reader.decimal == ",":
        notes.append("numbers have decimal commas")
    return RawTable(
        dict(zip(names, columns, strict=True)),
        True,
        reader.decimal,
        tuple(notes),
        sha256,
        reader.lines.places(len(first)),
    )


def _names(trial: Trial, options: ReadOptions) -> tuple[Sequence[Sequence[str]], Sequence[str]]:
    """Return the row with the names, if there is one, and the names. Raises `Refused` if they cannot be used."""
    if not trial.rows or (trial.width == 1 and line_ends(trial.rows[0][0])):
        raise Refused("its first row does not end, or it has no row: close the quote in its first line")
    if trial.width == 1:
        raise Refused(
            f"it has only one column, {quoted(trial.rows[0][0])}: name its separator, such as --separator ';',"
            " and remove lines above the names"
        )
    if options.header is False:
        return (), numbered(trial.width)
    first, *rows = trial.rows
    if options.header is None:
        check_header(first, rows, "the first row")
    problems = Problems()
    check_names(first, problems)
    problems.refuse()
    return [first], first


class _Reader:
    """Reads the rows of a CSV once."""

    def __init__(self, stream: Decoded, trial: Trial, *, header: int, block: int) -> None:
        self.lines = Lines()
        self.decimal = "."
        self._stream, self._trial, self._header, self._block_size = stream, trial, header, block
        self._ragged: list[tuple[int, csv.InvalidRow]] = []  # the first ones, and which they are
        self._widths: list[int] = []  # of all of them
        self._blank = 0  # rows of blanks alone
        self._last_ragged = ""  # the text of the last of them
        self._last_cell = ""  # of the last row that is not ragged, as it is written
        self.rows = 0

    def columns(self) -> Sequence[pa.ChunkedArray]:
        """Return the columns, without the row of names."""
        texts = [Texts() for _ in range(self._trial.width)]
        left_out = self._header
        for columns in self._blocks():
            for text, column in zip(texts, columns, strict=True):
                text.add(column.slice(left_out))
            self.rows += max(len(columns[0]) - left_out, 0)
            left_out -= min(left_out, len(columns[0]))
        return [text.column() for text in texts]

    def _blocks(self) -> Iterator[Sequence[pa.Array]]:
        names = numbered(self._trial.width)
        reading = csv.ReadOptions(use_threads=False, block_size=self._block_size, column_names=names)
        splitting = parsing(self._trial.separator, self._add_ragged, empty_lines=True)
        try:
            for block in csv.open_csv(self._stream, reading, splitting, texts_of(names)):
                if len(block):
                    yield self._block(block.columns)
        except pa.ArrowInvalid as error:
            if "straddling" in str(error):
                size, line = self._block_size >> 20, self.lines.end_line()
                raise Refused(f"line {line}: this row does not end within {size} MiB: close its quote") from error
            raise Refused(f"behind line {self.lines.end_line() - 1} it cannot be read: {error}") from error
        finally:
            self._stream.stop()  # also if the user interrupts

    def _block(self, written: Sequence[pa.Array]) -> Sequence[pa.Array]:
        """Return the columns without blanks around the cells, and without rows that have no value."""
        self._last_cell = written[-1][-1].as_py()
        columns = [_stripped(column) for column in written]
        empty = pc.equal(columns[0], "")
        for column in columns[1:]:
            if not empty.true_count:
                break
            empty = pc.and_(empty, pc.equal(column, ""))
        self.lines.add(written, np.flatnonzero(empty.to_numpy(zero_copy_only=False)))
        cells = [cell for column in columns for cell in column[:LOOKED_AT].to_pylist()]
        if decimal_of(cells, self._trial.separator) == ",":
            self.decimal = ","
        return [column.filter(pc.invert(empty)) for column in columns] if empty.true_count else columns

    def _add_ragged(self, row: csv.InvalidRow) -> str:
        index = len(self._widths) + self._blank
        self.lines.add_ragged(row.number, row.text)
        self._last_ragged = row.text
        if not row.text.strip():
            self._blank += 1
        else:
            self._widths.append(row.actual_columns)
            if len(self._ragged) < MOST:
                self._ragged.append((index, row))
        return "skip"

    def check(self) -> None:
        """Raise `Refused` if rows have another length than the first one, or a quote is never closed."""
        problems = Problems()
        is_open = self._ends_open()
        # the open quote has made the last row, which ends at the end of the file
        widths = self._widths[:-1] if is_open and self.lines.ends_ragged else self._widths
        if len({*widths}) == 1 and not self.rows and len(widths) > 1:
            problems.add(
                f"the first row has {self._trial.width} values, but all {len(widths)} others have"
                f" {widths[0]}: give every column a name"
            )
        else:
            ragged = self._ragged[: len(widths)]
            for index, row in ragged:
                problems.add(_told(row, self.lines.line_of_ragged(index), self._trial))
            problems.leave_out(len(widths) - len(ragged))
        if is_open:
            problems.add(f"line {self.lines.last_line()} opens a quote that is never closed: close it")
        problems.refuse()

    def _ends_open(self) -> bool:
        if self.lines.ends_ragged:
            return self._last_ragged.count('"') % 2 == 1
        return self._last_cell.endswith(ENDS) and not self._stream.tail.removesuffix("\n").removesuffix("\r").endswith(
            CLOSED
        )


def _told(row: csv.InvalidRow, line: int, trial: Trial) -> str:
    cure = "add the missing ones"
    if row.actual_columns > row.expected_columns:
        cure = f"put a value that has a {shown(trial.separator)} in it into quotes"
    further = line_ends(row.text)
    quote = f"; it ends on line {line + further}, as a quote does" if further else ""
    values = counted(row.actual_columns, "value")
    return f"line {line} has {values}, but the first row has {row.expected_columns}: {cure}{quote}"


def _stripped(column: pa.Array) -> pa.Array:
    """Return texts without blanks around them."""
    text = column.buffers()[2]
    written = text.to_pybytes() if text else b""
    if written.isascii() and len(written.translate(None, BLANKS)) == len(written):
        return column
    return pc.utf8_trim_whitespace(column)
