"""Reads rows for a model that exists: the columns of a file as its features, and their labels as its labels."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from softmaxd.errors import Refused
from softmaxd.models.manifest import Manifest
from softmaxd.tables.labelled import read_labelled
from softmaxd_training.frames.problems import naming
from softmaxd_training.rows import Rows


@dataclass(frozen=True, slots=True)
class Matched:
    """Rows of a file, as a model takes them."""

    rows: Rows
    sha256: str  # of the file
    by_order: bool  # whether the columns are taken in their order, not by name


def read_rows(path: Path, target: str, manifest: Manifest) -> Matched:
    """Return the rows of a file, with the labels in the column `target`.

    Raises `Refused` if columns or values are not those that the model takes, or if a label is not one of its labels;
    the message names the place.
    """
    with naming(path), path.open("rb") as source:
        columns, found = read_labelled(source, target, manifest)
        parts = [(part.features, part.classes) for part in found if len(part.classes)]
        if not parts:
            raise Refused("it has no rows")
        features, classes = map(np.concatenate, zip(*parts, strict=True))
        source.seek(0)
        return Matched(Rows(features, classes), hashlib.file_digest(source, "sha256").hexdigest(), columns.are_by_order)
