"""A column after its kind is decided, with the values that are learnt from."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from softmaxd_training.frames.frame import FrameColumn, Numbers, Texts
from softmaxd_training.frames.missing import Cells
from softmaxd_training.frames.wording import many, option


class Coded(NamedTuple):
    """Texts [n] as indices of the different ones; a missing text is that after the last one.

    Codes take a byte or two of memory each, and strings as objects eight.
    """

    codes: npt.NDArray[np.unsignedinteger[Any]]
    different: tuple[str, ...]

    def texts(self) -> Texts:
        """Return the texts as objects [n], "" for a missing one."""
        texts: Texts = np.array([*self.different, ""], dtype=object)[self.codes]
        return texts


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A column, or a part of a date, with its numbers [n] or its texts [n]; without both it is dropped."""

    column: FrameColumn
    numbers: Numbers | None = None
    texts: Coded | None = None

    @classmethod
    def dropped(cls, cells: Cells, line: str) -> Self:
        """Return a column that is left out, with the reason."""
        return cls(FrameColumn(cells.name, "dropped", line, cells.name, tuple(cells.missing)))

    @classmethod
    def identifier(cls, cells: Cells, kind: str) -> Self:
        """Return a column that names its rows, and the option that keeps it as `kind`."""
        line = f"looks like an identifier: all {many(cells.present, 'value')} are different; {option(kind, cells.name)}"
        return cls.dropped(cells, f"{line} keeps it")
