"""Rows like those of a table that the user gives: a graph is tried with them, besides the rows of every graph."""

import numpy as np

from softmaxd.adding.graphs import CONVERTED, Input
from softmaxd.models.outputs import Features

DRAWN = 64  # rows between the least and the greatest number of each feature
OWN = 64  # rows of the table itself


def rows_like(table: Features, source: Input) -> Features:
    """Return rows like those of a table [n, width]: drawn from the range of each feature, and some of its own.

    The same table gives the same rows on every machine.
    """
    generator = np.random.default_rng(0)
    low, high, size = table.min(axis=0), table.max(axis=0), (DRAWN, source.width)
    if table.dtype.kind == "f" and source.kind != "bool":
        share = generator.random(size)
        drawn = (low * (1 - share) + high * share).astype(table.dtype)
    else:
        whole = table.dtype if table.dtype.kind in "iu" else np.int8
        drawn = generator.integers(low.astype(whole), high.astype(whole), size, dtype=whole, endpoint=True)
    own = table[np.sort(generator.choice(len(table), min(OWN, len(table)), replace=False))]
    rows = np.concatenate([drawn.astype(table.dtype), own])
    return rows.astype(source.kind).astype(table.dtype) if source.kind in CONVERTED else rows
