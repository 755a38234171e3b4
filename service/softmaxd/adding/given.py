"""Rows like those of a table that the user gives: a graph is tried with them, besides the rows of every graph."""

import numpy as np

from softmaxd.adding.graphs import CONVERTED, Input
from softmaxd.adding.tables import Source
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features

DRAWN = 64  # rows between the least and the greatest number of each feature
OWN = 64  # rows of the table itself
EXACT = {"FP32": "FP64"}


def with_all_digits(manifest: Manifest) -> Manifest:
    """Return a manifest with float64 in the place of float32, to read the rows of a table with all their digits."""
    features = [
        feature.model_copy(update={"datatype": EXACT.get(feature.datatype, feature.datatype)})
        if feature.datatype
        else feature
        for feature in manifest.features
    ]
    datatype = EXACT.get(manifest.datatype, manifest.datatype)
    return Manifest.model_validate(manifest.model_dump() | {"features": features, "datatype": datatype})


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


def own_rows(table: Features, source: Source, most: int = OWN) -> Features:
    """Return some rows of a table with its digits, so many at most: records as those of the graph, or [n, width].

    Records of the table have a field for each input that is served.
    """
    own = _own(table, np.random.default_rng(0), most)
    if isinstance(source, Input):
        return own
    names = source.served_names
    rows = np.empty(len(own), [(name, own.dtype[served]) for name, served in names.items()])
    for name, served in names.items():
        rows[name] = own[served]
    return rows


def _own(table: Features, generator: np.random.Generator, most: int = OWN) -> Features:
    chosen: Features = table[np.sort(generator.choice(len(table), min(most, len(table)), replace=False))]
    return chosen
