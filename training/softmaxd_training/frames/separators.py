"""The lines of a CSV split into cells: the separator is found by trying each on the first lines."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import csv

from softmaxd.errors import Refused

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
WRITTEN = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "bar": "|"}
UNFIT = "\"'.+-_\r\n"  # of numbers, quotes and lines
MOST_TRIED = 500  # rows
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
DECIMAL_POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?")


def parsing(separator: str, ragged: Callable[[csv.InvalidRow], str], *, empty_lines: bool) -> csv.ParseOptions:
    """Return how lines are split: quotes are doubled within quotes, where newlines may stand, too."""
    return csv.ParseOptions(
        delimiter=separator,
        newlines_in_values=True,
        ignore_empty_lines=not empty_lines,
        invalid_row_handler=ragged,
    )


def texts_of(names: Sequence[str]) -> csv.ConvertOptions:
    """Return that all columns are text as written."""
    return csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, quoted_strings_can_be_null=False
    )


@dataclass(frozen=True, slots=True)
class Trial:
    """The first rows of a CSV as one separator splits them, without blanks around cells."""

    separator: str
    rows: Sequence[Sequence[str]]  # the first one may have the names
    ragged: int  # rows of other lengths, which are left out

    @property
    def width(self) -> int:
        """The number of columns; 0 without any row."""
        return len(self.rows[0]) if self.rows else 0

    def fit(self) -> tuple[float, ...]:
        """Return how well the separator fits; tuples that compare higher fit better."""
        whole = len(self.rows) / max(len(self.rows) + self.ragged, 1)
        cells = [cell for row in self.rows for cell in row]
        others = [other for other in SEPARATORS if other != self.separator]
        torn = sum(any(other in cell for other in others) and not DECIMAL_COMMA.fullmatch(cell) for cell in cells)
        return float(self.width > 1), round(whole, 1), -torn / max(len(cells), 1), self.width


def split(sample: bytes, separator: str | None) -> Trial:
    """Return the first lines of a CSV, split by a separator, or by the one that fits them best.

    Raises `Refused` if `separator` cannot be one.
    """
    if separator is not None:
        return _tried(sample, told(separator))
    return max((_tried(sample, each) for each in SEPARATORS), key=Trial.fit)  # the first of several that fit the same


def told(separator: str) -> str:
    """Return the character that a user calls a separator. Raises `Refused` if it cannot be one."""
    character = WRITTEN.get(separator.lower(), separator)
    if len(character) != 1 or not character.isascii() or character.isalnum() or character in UNFIT:
        raise Refused(f"{separator!r} cannot be a separator: use one of , ; | or tab")
    return character


def shown(separator: str) -> str:
    """Return a separator in words, for messages."""
    return SEPARATORS.get(separator, repr(separator))


def _tried(sample: bytes, separator: str) -> Trial:
    ragged: list[csv.InvalidRow] = []

    def count(row: csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    def parsed(width: int) -> pa.Table:
        ragged.clear()
        names = [str(number) for number in range(width)]
        return csv.read_csv(
            pa.BufferReader(sample),
            read_options=csv.ReadOptions(use_threads=False, block_size=len(sample) + 1, column_names=names),
            parse_options=parsing(separator, count, empty_lines=False),
            convert_options=texts_of(names),
        )

    try:
        table = parsed(1)
        if ragged and ragged[0].number == 1:
            table = parsed(ragged[0].actual_columns)
    except pa.ArrowInvalid:  # no line, or a quote that is not closed, which is told by its line later
        return Trial(separator, (), 0)
    columns = [[cell.strip() for cell in column.to_pylist()] for column in table.slice(0, MOST_TRIED).columns]
    return Trial(separator, [row for row in zip(*columns, strict=True) if any(row)], len(ragged))


def decimal_of(cells: Sequence[str], separator: str) -> str:
    """Return "," if more of these cells are numbers with a decimal comma than with a point, and else "."."""
    if separator == ",":
        return "."
    commas = sum(bool(DECIMAL_COMMA.fullmatch(cell)) for cell in cells)
    points = sum(bool(DECIMAL_POINT.fullmatch(cell)) for cell in cells)
    return "," if commas > points else "."
