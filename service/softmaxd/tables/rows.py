"""Some rows of a table, each with its place in the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from softmaxd.errors import Refused

Cell = bytes | None  # UTF-8 text; None is a missing value of Parquet


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns of a file as they stand there, and which columns of Parquet are text by their type."""

    names: Sequence[str]
    texts: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a file, and the number of each: of the line on which it begins, or in Parquet of the row.

    They are lines without quotes, or the cells of each row. A missing value is an empty cell in CSV, None in Parquet.
    """

    numbers: Sequence[int]
    rows: Sequence[bytes] | Sequence[Sequence[Cell]]
    is_parquet: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> "Rows":
        return Rows(self.numbers[part], self.rows[part], self.is_parquet)

    def place(self, index: int) -> str:
        """Return the place of a row, for messages."""
        return f"{'row' if self.is_parquet else 'line'} {self.numbers[index]}"

    def cells(self) -> Sequence[Sequence[Cell]]:
        """Return the cells of each row."""
        return [row.split(b",") if isinstance(row, bytes) else row for row in self.rows]

    def lines(self) -> Sequence[bytes]:
        """Return each row as a line of CSV."""
        if self._are_lines():
            return cast(Sequence[bytes], self.rows)
        return [b",".join([quoted(cell or b"") for cell in row]) for row in cast(Sequence[Sequence[Cell]], self.rows)]

    def columns(self, width: int) -> Sequence[Sequence[Cell]]:
        """Return the cells of each column. Raises `Refused` if a row has more or fewer than `width`."""
        if self._are_lines():
            lines = cast(Sequence[bytes], self.rows)
            self._check([line.count(b",") + 1 for line in lines], width)
            cells = b",".join(lines).split(b",")
            return [cells[place::width] for place in range(width)]
        self._check(list(map(len, self.rows)), width)
        return list(zip(*cast(Sequence[Sequence[Cell]], self.rows), strict=True))

    def of_columns(self, columns: Sequence[Sequence[Cell]]) -> "Rows":
        """Return rows of other columns in the same places; they are lines if these are."""
        if self._are_lines():
            texts = cast(Sequence[Sequence[bytes]], columns)
            return Rows(self.numbers, list(map(b",".join, zip(*texts, strict=True))), self.is_parquet)
        return Rows(self.numbers, list(zip(*columns, strict=True)), self.is_parquet)

    def _are_lines(self) -> bool:
        return isinstance(self.rows[0], bytes)

    def _check(self, lengths: Sequence[int], width: int) -> None:
        if {*lengths} - {width}:
            index, length = next((index, length) for index, length in enumerate(lengths) if length != width)
            raise Refused(f"{self.place(index)} has {counted(length, 'value')}, but the header names {width}")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def quoted(cell: bytes) -> bytes:
    """Return a cell as CSV, in quotes if it needs them."""
    if any(mark in cell for mark in (b",", b'"', b"\n", b"\r")):
        return b'"%s"' % cell.replace(b'"', b'""')
    return cell
