"""The bytes of a CSV file → some rows at a time, each with its line. Memory does not grow with the file."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import cast

from softmaxd.errors import Refused
from softmaxd.tables.rows import Cell, Header, Rows

BLOCK = 256 * 1024  # bytes that are read at a time
MAX_LINE = 64 * 2**20  # bytes
MAX_CELL = 8 * 2**20  # characters in quotes; where a quote is not closed, so many are kept in memory
BOM = b"\xef\xbb\xbf"


def read_text(blocks: Iterable[bytes]) -> tuple[Header, Iterator[Rows]]:
    """Return the header, and an iterator over the rows. Raises `Refused`, the iterator too."""
    records = _without_empty(_records(blocks))
    first = next(records, None)
    if first is None:
        raise Refused("it has no header: the first line should name the columns")
    names = [(cell or b"").decode() for cell in first[:1].cells()[0]]
    return Header(names), chain([first[1:]] if len(first) > 1 else [], records)


def _without_empty(records: Iterable[Rows]) -> Iterator[Rows]:
    """Leave out the empty lines."""
    for found in records:
        if all(found.rows):
            kept = found
        else:
            lines = [line for line, row in zip(found.numbers, found.rows, strict=True) if row]
            kept = Rows(lines, cast(Sequence[bytes], list(filter(None, found.rows))))
        if kept.rows:
            yield kept


def _records(blocks: Iterable[bytes]) -> Iterator[Rows]:
    """Yield all rows. Lines are split at commas later; from the first quote on, the csv module splits them."""
    remaining = iter(blocks)
    rest, line = next(remaining, b"").removeprefix(BOM), 1
    for block in chain([b""], remaining):
        text = rest + block
        if b'"' in text:
            yield from _quoted(chain([text], remaining), line)
            return
        whole, found, rest = text.rpartition(b"\n")
        if found:
            lines = (whole.replace(b"\r\n", b"\n").removesuffix(b"\r") if b"\r" in whole else whole).split(b"\n")
            _check_text(whole, line)
            yield _unquoted(range(line, line + len(lines)), lines)
            line += len(lines)
        _check_length(rest, line)
    if rest:
        _check_text(rest, line)
        yield _unquoted([line], [rest.removesuffix(b"\r")])


def _unquoted(numbers: Sequence[int], lines: Sequence[bytes]) -> Rows:
    """Return rows without quotes; they are cells if one has the end of a line of old, and so needs quotes elsewhere."""
    is_plain = not any(b"\r" in line for line in lines)
    return Rows(numbers, lines if is_plain else [line.split(b",") if line else [] for line in lines])


def _quoted(blocks: Iterable[bytes], line: int) -> Iterator[Rows]:
    """Yield the rows of text in which cells may have quotes, and so commas and ends of lines."""
    csv.field_size_limit(MAX_CELL)  # of the process
    reader = csv.reader(_lines(blocks, line), strict=True)
    lines: list[int] = []
    rows: list[list[Cell]] = []
    before = size = 0
    try:
        for cells in reader:
            lines.append(line + before)
            rows.append([cell.encode() for cell in cells])
            before, size = reader.line_num, size + sum(map(len, cells))
            if size > BLOCK:
                yield Rows(lines, rows)
                lines, rows, size = [], [], 0
    except csv.Error as error:
        raise Refused(f"line {line + before} is not CSV: {error}") from error
    yield Rows(lines, rows)


def _lines(blocks: Iterable[bytes], line: int) -> Iterator[str]:
    """Yield each line of the text with its end."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for text in lines:
            _check_text(text, line)
            yield f"{text.decode()}\n"
            line += 1
        _check_length(rest, line)
    if rest:
        _check_text(rest, line)
        yield rest.decode()


def _check_text(text: bytes, line: int) -> None:
    """Raise `Refused` if a text that begins on this line is not UTF-8."""
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            number = line + text.count(b"\n", 0, error.start)
            raise Refused(f"line {number} is not UTF-8: save the table as UTF-8") from error


def _check_length(rest: bytes, line: int) -> None:
    if len(rest) > MAX_LINE:
        raise Refused(f"line {line} has more than {MAX_LINE} bytes")
