"""Makes the rows of a table that a graph is tried with."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd.adding.graphs import Input
from softmaxd.adding.running import Thresholds, example_rows
from softmaxd.adding.tables import Table

ROWS = 130
UNKNOWN = "a text that no model knows"

Texts = Mapping[int, Sequence[str]]  # by the index of a feature


def table_rows(table: Table, thresholds: Thresholds, known: Texts, *, only_known: bool = False) -> npt.NDArray[Any]:
    """Return the rows of a table that a graph is tried with, the same on every machine.

    Numbers are those of `example_rows`, booleans both; each column has its own. Texts are those that the graph knows,
    and the empty one and another, unless `only_known`.
    """
    rows = np.empty(ROWS, table.dtype)
    index = 0
    for source in table.inputs:
        for column in range(source.width):
            texts = known.get(index, ()) if only_known else ("", UNKNOWN, *known.get(index, ()))
            rows[source.name][:, column] = (
                _texts(texts, seed=index)
                if source.column_type == "BYTES"
                else _numbers(source, thresholds.get(index, ()), seed=index)
            )
            index += 1
    return rows


def _numbers(source: Input, thresholds: Sequence[float], *, seed: int) -> npt.NDArray[Any]:
    """Return the numbers of a column."""
    column = Input(source.name, source.kind, (1,), None)
    rows = example_rows(column, {0: thresholds} if thresholds else {}, seed=seed)
    if not thresholds:
        rows = np.concatenate([rows, rows[:1:-1]])
    return rows[:, 0]


def _texts(texts: Sequence[str], *, seed: int) -> list[str]:
    """Return the texts of a column: first each once, then in any order."""
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(texts), ROWS).tolist()
    return [texts[index if index < len(texts) else drawn[index]] for index in range(ROWS)]
