"""Some rows of a table, each with its place in the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

Cell = bytes | None  # UTF-8 text; None is a missing value of Parquet


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a file, and the number of each: of the line on which it begins, or in Parquet of the row.

    They are lines without quotes, or the cells of each row.
    """

    numbers: Sequence[int]
    rows: Sequence[bytes] | Sequence[Sequence[Cell]]
    unit: str = "line"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> "Rows":
        return Rows(self.numbers[part], self.rows[part], self.unit)

    def place(self, index: int) -> str:
        """Return the place of a row, for messages."""
        return f"{self.unit} {self.numbers[index]}"

    def with_cells(self, rows: Sequence[Sequence[Cell]]) -> "Rows":
        """Return other cells in the same places."""
        return Rows(self.numbers, rows, self.unit)

    def cells(self) -> Sequence[Sequence[Cell]]:
        """Return the cells of each row."""
        return [row.split(b",") if isinstance(row, bytes) else row for row in self.rows]

    def texts(self) -> Sequence[bytes]:
        """Return the cells of each row with commas between them."""
        if isinstance(self.rows[0], bytes):
            return cast(Sequence[bytes], self.rows)
        return [b",".join([cell or b"" for cell in row]) for row in cast(Sequence[Sequence[Cell]], self.rows)]
