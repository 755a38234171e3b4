"""The options of one training on a table, and the command line that does it again."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from softmaxd_training.frames.decisions import LEAST_ROWS, ColumnOptions
from softmaxd_training.frames.options import ReadOptions


@dataclass(frozen=True, slots=True)
class Job:
    """One training: the table's file, how it is read and understood, the model's name, and the seed.

    `is_sampled` lets the manifest have a sample of the training rows, if they are two numbers each, and the graph some
    for the typicality.
    """

    file: str
    name: str
    columns: ColumnOptions
    reading: ReadOptions = field(default_factory=ReadOptions)
    seed: int = 0
    is_sampled: bool = True

    @property
    def command(self) -> str:
        """The command line that does this training again."""
        words = ["table", self.file, "--target", self.columns.target, "--name", self.name, *self._options()]
        return f"softmaxd train {shlex.join(words)} --seed {self.seed}{'' if self.is_sampled else ' --no-sample'}"

    def _options(self) -> Iterator[str]:
        """Yield the words of all options about the file that are not the defaults."""
        if self.reading.header is not None:
            yield "--header" if self.reading.header else "--no-header"
        for name in ("separator", "encoding", "sheet"):
            yield from _option(name, getattr(self.reading, name))
        for name in ("missing", "category", "number", "date"):
            for value in getattr(self.columns, name):
                yield from _option(name, value)
        if self.columns.min_rows != LEAST_ROWS:
            yield from _option("min-rows", str(self.columns.min_rows))
        yield from _option("merge-rare", self.columns.merge_rare)


def _option(name: str, value: str | None) -> list[str]:
    return [] if value is None else [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]
