"""Rows like those of a table that the user gives: a graph is tried with them, besides the rows of every graph."""

import numpy as np

from softmaxd.adding.graphs import CONVERTED, Input
from softmaxd.adding.tables import Table
from softmaxd.models.outputs import Features

DRAWN = 64  # rows between the least and the greatest number of each feature
OWN = 64  # rows of the table itself


def rows_like(table: Features, source: Input) -> Features:
    """Return rows like those of a table [n, width]: drawn from the range of each feature, and some of its own.

    The same table gives the same rows on every machine.
    """
    generator = np.random.default_rng(0)
    low, high, size = np.fmin.reduce(table), np.fmax.reduce(table), (DRAWN, source.width)  # but for missing numbers
    if table.dtype.kind == "f" and source.kind != "bool":
        share = generator.random(size)
        drawn = (low * (1 - share) + high * share).astype(table.dtype)
    else:
        whole = table.dtype if table.dtype.kind in "iu" else np.int8
        drawn = generator.integers(low.astype(whole), high.astype(whole), size, dtype=whole, endpoint=True)
    rows = np.concatenate([drawn.astype(table.dtype), _own(table, generator)])
    return rows.astype(source.kind).astype(table.dtype) if source.kind in CONVERTED else rows


def rows_of(table: Features, source: Table) -> Features:
    """Return some rows of a table, records with a field for each input that is served, as those of the graph."""
    own = _own(table, np.random.default_rng(0))
    rows = np.empty(len(own), source.dtype)
    for name, served in source.served_names.items():
        rows[name] = own[served]
    return rows


def _own(table: Features, generator: np.random.Generator) -> Features:
    chosen: Features = table[np.sort(generator.choice(len(table), min(OWN, len(table)), replace=False))]
    return chosen
