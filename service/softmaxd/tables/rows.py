"""Some rows of a table, each with its place in the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from softmaxd.errors import Refused

Cell = bytes | None  # UTF-8 text, in Parquet once it is checked; None is a missing value of Parquet

# Words for a missing value: those that pandas reads as one, and a few more.
PANDAS = "#N/A,#N/A N/A,#NA,-1.#IND,-1.#QNAN,-NaN,-nan,1.#IND,1.#QNAN,<NA>,N/A,NA,NULL,NaN,None,n/a,nan,null"
MISSING = frozenset({"?", "NAN", "NaT", "Null", *PANDAS.split(",")})

Kind = Literal["text", "number", "boolean", "time", "nothing", "other"]  # "nothing" is a column of missing values


class ColumnType(NamedTuple):
    """The type of a column of Parquet, and its name for messages."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns of a file as they stand there, and in Parquet their types."""

    names: Sequence[str]
    types: Sequence[ColumnType] = ()

    def check_text(self, place: int) -> None:
        """Raise `Refused` if the values of a column, such as lists, have no text."""
        if self.types and self.types[place].kind == "other":
            raise Refused(f"its column {self.names[place]} is {self.types[place].name}: save it as text")


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

    @property
    def are_utf8(self) -> bool:
        """True if all texts are known to be UTF-8; cells of Parquet are not yet."""
        return not self.is_parquet or self._are_lines()

    def checked(self, column: Sequence[Cell], name: str) -> Sequence[Cell]:
        """Return a column of these rows. Raises `Refused` if a text of it is not UTF-8, as only Parquet may have it."""
        for index, cell in enumerate(() if self.are_utf8 else column):
            try:
                (cell or b"").decode()
            except UnicodeDecodeError as error:
                raise Refused(f"{self.place(index)}, column {name} is not UTF-8: save the table as UTF-8") from error
        return column

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
