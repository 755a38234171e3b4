"""The columns of a table: which are features, in which order, and which are passed through."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from softmaxd.errors import Refused
from softmaxd.scoring.table import Rows


@dataclass(frozen=True, slots=True)
class Columns:
    """The places of the model's features in a row, and of the other columns that are kept."""

    names: Sequence[str]  # of the file
    features: Sequence[int]
    kept: Sequence[int]

    @property
    def kept_names(self) -> list[str]:
        """The names of the columns that are passed through."""
        return [self.names[index] for index in self.kept]

    def choose(self, found: Rows) -> tuple[Rows, list[bytes] | None]:
        """Return the features of each row, and its other cells as CSV, None if none are kept. Raises `Refused`."""
        if not self.kept and list(self.features) == list(range(len(self.names))):
            return found, None
        cells = found.cells()
        if {*map(len, cells)} > {len(self.names)}:
            line, count = next(
                (line, len(row)) for line, row in zip(found.lines, cells, strict=True) if len(row) != len(self.names)
            )
            raise Refused(f"line {line} has {count} values, but the header names {len(self.names)}")
        rows = [[row[index] for index in self.features] for row in cells]
        kept = [b",".join([quoted(row[index]) for index in self.kept]) for row in cells] if self.kept else None
        return Rows(found.lines, rows), kept


def columns_of_tensor(names: Sequence[str], numbers: int) -> Columns:
    """Return the columns of a file whose rows are the numbers of a tensor, the last dimension fastest.

    Raises `Refused` if it has others.
    """
    if len(names) != numbers:
        raise Refused(f"it has {len(names)} columns, but a row of the model has {numbers} numbers")
    return Columns(names, range(numbers), [])


def columns_of(names: Sequence[str], features: Sequence[str], *, keep: bool) -> Columns:
    """Return the columns of a file whose header has these names. Raises `Refused` if a feature is missing."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Refused(f"the header names {twice} twice")
    others = [name for name in names if name not in features]
    folded = {name.casefold(): name for name in others}
    for feature in features:
        if feature not in names:
            near = get_close_matches(feature.casefold(), folded, n=1)
            hint = f"; did you mean {folded[near[0]]}?" if near else f"; its columns are {', '.join(names)}"
            raise Refused(f"it has no column {feature}{hint}")
    kept = [names.index(name) for name in others] if keep else []
    return Columns(names, [names.index(feature) for feature in features], kept)


def quoted(cell: bytes) -> bytes:
    """Return a cell as CSV, in quotes if it needs them."""
    if any(mark in cell for mark in (b",", b'"', b"\n", b"\r")):
        return b'"%s"' % cell.replace(b'"', b'""')
    return cell
