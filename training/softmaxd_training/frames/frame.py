"""A table of which every column is understood: arrays to fit, and one line about each column."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["number", "category", "date part", "dropped", "target"]

Numbers = npt.NDArray[np.float32]
Texts = npt.NDArray[Any]  # Any: NumPy has no type for strings as objects
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FrameColumn:
    """A column of the file, or a part of a date in it, and the reason for its kind.

    `categories` are the texts of a category, in order. `missing` are the texts of the file that stand for a missing
    value, "" among them if it is an empty cell.
    """

    name: str
    kind: Kind
    line: str
    source: str  # the column of the file; that of a date part has another name
    missing: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def nullable(self) -> bool:
        """True if a value of the file is missing."""
        return bool(self.missing)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The rows of a table: every row of the file, in its order or, once they are split, part by part.

    `numbers` are float32 [n, a] with NaN for a missing one. `texts` are strings as objects [n, b] with "" for a missing
    one. `classes` are int64 [n], as indices of `labels`. Each name is that of a column of `numbers` or `texts`, whose
    columns lie one behind the other, so that each can be sorted in its place.
    """

    numbers: Numbers
    texts: Texts
    classes: Classes
    labels: tuple[str, ...]
    number_names: tuple[str, ...]
    text_names: tuple[str, ...]
    columns: tuple[FrameColumn, ...]  # all of the file, in its order
    notes: tuple[str, ...]
    sha256: str  # of the file

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.classes)
