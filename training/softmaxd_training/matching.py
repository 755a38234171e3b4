"""Reads rows for a model that exists: the columns of a file as its features, and their labels as its labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from softmaxd.errors import Refused
from softmaxd.models.manifest import Manifest
from softmaxd_training.columns import Column, counted, known_labels, numbers, quoted
from softmaxd_training.rows import Rows
from softmaxd_training.tablefile import naming, read_columns


@dataclass(frozen=True, slots=True)
class Matched:
    """Rows of a file, as a model takes them."""

    rows: Rows
    sha256: str  # of the file
    by_order: bool  # whether the columns are taken in their order, not by name


def read_rows(path: Path, target: str, manifest: Manifest) -> Matched:
    """Return the rows of a file, with the labels in the column `target`.

    Columns are found by the names of the features, in any order; others are ignored. If no column has such a name and
    there are as many as features, they are taken in order, and so are the numbers of a tensor. Raises `Refused` if
    columns or values are not those that the model takes, or if a label is not one of its labels; the message names the
    place.
    """
    with naming(path):
        columns, sha256 = read_columns(path, target)
        classes = known_labels(target, columns.pop(target), manifest.labels)
        features, by_order = _features(columns, manifest)
        values = [numbers(name, column, manifest.dtype) for name, column in features.items()]
    return Matched(Rows(np.stack(values, axis=1), classes), sha256, by_order)


def _features(columns: Mapping[str, Column], manifest: Manifest) -> tuple[Mapping[str, Column], bool]:
    """Return the columns that are the features, in the model's order, and whether they are taken by their order."""
    width = manifest.layout.width
    if manifest.depth and len(columns) == width:
        return columns, True
    if manifest.depth:
        raise Refused(
            f"it has {counted(len(columns), 'column')} besides the target, but a row of {manifest.name} has"
            f" {counted(width, 'number')}: the file should have a column for each, in order"
        )
    wanted = [feature.name for feature in manifest.features]
    missing = [name for name in wanted if name not in columns]
    if not missing:
        return {name: columns[name] for name in wanted}, False
    if len(missing) == len(wanted) == len(columns):
        return columns, True
    raise Refused(
        f"it has no column {quoted(missing[0])}: {manifest.name} has {counted(len(wanted), 'feature')}, and the file"
        f" should have a column for each, by name, or else as many columns in the same order"
    )
