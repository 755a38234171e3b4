"""A table as its file has it: columns by name, nothing understood yet."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from softmaxd.models.memory import return_freed_memory

Integers = npt.NDArray[np.int64]


def release() -> None:
    """Give the memory of tables that are gone back to the system, which Arrow and glibc would keep for others."""
    pa.default_memory_pool().release_unused()
    return_freed_memory()


def _none() -> Integers:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """The place of each row in its file: the line on which it begins, or its number.

    Some rows are farther apart than one: a quoted text has several lines, and empty lines are not rows.
    """

    word: Literal["line", "row"]
    first: int  # the number of the first row
    rows: Integers = field(default_factory=_none)  # in order: the rows before which there are further lines
    skipped: Integers = field(default_factory=_none)  # up to each of them, the number of all such lines

    def of(self, row: int) -> str:
        """Return the place of a row, counted from 0: `line 17`."""
        index = int(np.searchsorted(self.rows, row, side="right"))
        return f"{self.word} {self.first + row + (int(self.skipped[index - 1]) if index else 0)}"


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """The columns of a file in its order.

    Texts are `pa.string()`, or a dictionary of it where few repeat. If `is_text`, all columns are texts as written,
    without blanks around them, and an empty cell is "". Otherwise they have the file's own types, and a missing value
    is null.
    """

    columns: dict[str, pa.ChunkedArray]  # all of one length
    is_text: bool  # True for CSV, and for workbooks, whose columns have no types
    decimal: str  # "." or ",": how numbers are written in texts
    notes: tuple[str, ...]  # lines for the user, such as the separator that was found
    sha256: str  # of the file as it is
    places: Places = Places("row", 1)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def taken(self) -> Iterator[tuple[str, pa.ChunkedArray]]:
        """Yield each column with its name, and let go of it, so that its memory is free for the next ones."""
        while self.columns:
            name = next(iter(self.columns))
            yield name, self.columns.pop(name)

    def place(self, row: int) -> str:
        """Return the place of a row in the file, for messages: `line 17` of a CSV, `row 17` elsewhere."""
        return self.places.of(row)
