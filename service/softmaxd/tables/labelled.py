"""A file with labels → its features and their classes, some rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader

from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features
from softmaxd.tables.columns import Columns, columns_beside
from softmaxd.tables.decoding import features_of
from softmaxd.tables.labels import Classes, classes_of
from softmaxd.tables.reading import read_rows
from softmaxd.tables.rows import Rows

ROWS_AT_ONCE = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Some rows of a file, their features [n, d] and the class of each [n]."""

    rows: Rows
    features: Features
    classes: Classes


def read_labelled(source: BufferedReader, target: str, manifest: Manifest) -> tuple[Columns, Iterator[Labelled]]:
    """Return the columns of a file that are the features, and an iterator over its rows.

    The column `target` has the labels. Raises `Refused` if columns, numbers or labels are not those of the model, the
    iterator too.
    """
    header, found = read_rows(source)
    columns, place = columns_beside(header, target, manifest)

    def labelled() -> Iterator[Labelled]:
        for part in found:
            for start in range(0, len(part), ROWS_AT_ONCE):
                rows = part[start : start + ROWS_AT_ONCE]
                labels = rows.checked(rows.columns(len(columns.names))[place], target)
                classes = classes_of(rows, labels, manifest.labels, target)
                yield Labelled(rows, features_of(columns.choose(rows)[0], manifest), classes)

    return columns, labelled()
