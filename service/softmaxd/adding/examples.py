"""Makes the rows of a table that a graph is tried with."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd.adding.graphs import Input
from softmaxd.adding.running import Thresholds, example_rows
from softmaxd.adding.tables import Source, Table

ROWS = 130
UNKNOWN = "a text that no model knows"

Known = Mapping[int, Sequence[str] | Sequence[float]]
Texts = Mapping[int, Sequence[str]]  # by the index of a feature


def table_rows(table: Table, thresholds: Thresholds, known: Texts) -> npt.NDArray[Any]:
    """Return the rows of a table that a graph is tried with, the same on every machine.

    Numbers are those of `example_rows`, booleans both; each column has its own. Texts are the empty one, an unknown
    one, and those that the graph knows.
    """
    rows = np.empty(ROWS, table.dtype)
    index = 0
    for source in table.inputs:
        for column in range(source.width):
            rows[source.name][:, column] = (
                _drawn(("", UNKNOWN, *known.get(index, ())), ROWS, seed=index)
                if source.column_type == "BYTES"
                else _numbers(source, thresholds.get(index, ()), seed=index)
            )
            index += 1
    return rows


def with_known(source: Source, rows: npt.NDArray[Any], known: Known) -> npt.NDArray[Any]:
    """Return rows in which features that have known values have only these."""
    drawn = {index: _drawn(values, len(rows), seed=index) for index, values in known.items() if values}
    return source.with_values(rows, drawn)


def _numbers(source: Input, thresholds: Sequence[float], *, seed: int) -> npt.NDArray[Any]:
    """Return the numbers of a column."""
    column = Input(source.name, source.kind, (1,), None)
    rows = example_rows(column, {0: thresholds} if thresholds else {}, seed=seed)
    if not thresholds:
        rows = np.concatenate([rows, rows[:1:-1]])
    return rows[:, 0]


def _drawn(values: Sequence[str] | Sequence[float], count: int, *, seed: int) -> list[str | float]:
    """Return so many of these values: first each once, then in any order."""
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(values), count).tolist()
    return [values[index if index < len(values) else drawn[index]] for index in range(count)]
