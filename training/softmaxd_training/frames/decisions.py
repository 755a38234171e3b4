"""The decisions of the user about the columns of a table."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from softmaxd.models.by_name import nearest_name
from softmaxd_training.frames.wording import listed, quoted

LEAST_ROWS = 10  # of a label, so that each part of the rows has some
FEWEST_ROWS = 2  # that `min_rows` may be: one to learn from, and one to measure

Decision = Literal["category", "number", "date"]


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """The target, and the columns whose kind the user decides; other columns are judged by their values.

    The options of the command: `--target`, `--missing`, `--category`, `--number`, `--date`, `--min-rows`,
    `--merge-rare`. `missing` are further texts that stand for a missing value. Labels with fewer than `min_rows` rows
    become the label `merge_rare` if there is one, else the table is refused.
    """

    target: str
    missing: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    date: tuple[str, ...] = ()
    min_rows: int = LEAST_ROWS
    merge_rare: str | None = None

    def decision(self, name: str) -> Decision | None:
        """Return the kind that the user gave to a column."""
        return next((kind for kind, names in self._named().items() if name in names), None)

    def problems(self, names: Collection[str]) -> Iterator[str]:
        """Yield the mistakes of the options for a file with these columns."""
        if self.min_rows < FEWEST_ROWS:
            yield f"--min-rows {self.min_rows} is too few: a label needs {FEWEST_ROWS} rows or more"
        if self.target not in names:
            yield f"it has no column {quoted(self.target)} for --target{_hint(self.target, names)}"
        for kind, columns in self._named().items():
            for name in columns:
                if name == self.target:
                    yield f"column {quoted(name)} is the target, so it cannot be a {kind} as well"
                elif name not in names:
                    yield f"it has no column {quoted(name)} for --{kind}{_hint(name, names)}"
        counts = Counter(name for columns in self._named().values() for name in set(columns))
        for name in sorted(name for name, count in counts.items() if count > 1):
            yield f"column {quoted(name)} cannot be of two kinds: choose one of --category, --number and --date"

    def _named(self) -> dict[Decision, tuple[str, ...]]:
        return {"category": self.category, "number": self.number, "date": self.date}


def _hint(name: str, names: Collection[str]) -> str:
    nearest = nearest_name(name, [*names])
    return f"; did you mean {quoted(nearest)}?" if nearest else f"; its columns are {listed([*names])}"
