"""Reads a table from a CSV or Parquet file."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from softmaxd.errors import Refused
from softmaxd.tables.reading import read_rows
from softmaxd_training.columns import Column, labels, numbers, quoted, varied
from softmaxd_training.rows import Rows

LONGEST_NAME = 200  # characters of a feature's name, in the manifest


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The rows of a table: its target column has the labels, all other columns are features."""

    rows: Rows
    names: tuple[str, ...]  # of the features
    labels: tuple[str, ...]
    sha256: str  # of the file


def read_table(path: Path, target: str) -> Table:
    """Return the table in a file, with the labels in the column `target`.

    Raises `Refused` if the table cannot be trained on, and names the column and the row.
    """
    with naming(path):
        columns, sha256 = read_columns(path, target)
        names = tuple(name for name in columns if name != target)
        features = [varied(name, numbers(name, columns[name])) for name in names]
        found, classes = labels(target, columns[target])
    return Table(Rows(np.stack(features, axis=1), classes), names, found, sha256)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Begin each refusal with the name of the file."""
    try:
        yield
    except Refused as error:
        raise Refused(f"{path.name}: {error}") from error


def read_columns(path: Path, target: str) -> tuple[Mapping[str, Column], str]:
    """Return the columns of a file by their names, and its SHA-256. Raises `Refused` if one of them is not `target`."""
    with path.open("rb") as source:
        header, found = read_rows(source)
        names = [name.strip() for name in header.names]
        _check_names(names, target)
        header.check_text(names.index(target))
        for name, (kind, shown) in zip(names, header.types, strict=False):  # which CSV has not
            if name != target and kind not in {"number", "boolean", "nothing"}:
                raise Refused(f"column {quoted(name)} is {shown}: save it as numbers")
        columns: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
        for rows in found:
            places = [rows.place(index) for index in range(len(rows))]
            for (name, column), cells in zip(columns.items(), rows.columns(len(names)), strict=True):
                texts = [(cell or b"").decode().strip() for cell in rows.checked(cells, name)]
                column.extend(zip(places, texts, strict=True))
        source.seek(0)
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    if not columns[target]:
        raise Refused("it has no rows")
    return columns, sha256


def _check_names(names: Sequence[str], target: str) -> None:
    for number, name in enumerate(names, start=1):
        if not name:
            raise Refused(f"column {number} has no name")
        if len(name) > LONGEST_NAME:
            raise Refused(f"the name of column {number} has {len(name)} characters; {LONGEST_NAME} are allowed")
        if names.index(name) != number - 1:
            raise Refused(f"columns {names.index(name) + 1} and {number} are both called {quoted(name)}")
    if target not in names:
        raise Refused(f"it has no column {quoted(target)}; its columns are {', '.join(map(quoted, names))}")
    if len(names) == 1:
        raise Refused(f"{quoted(target)} is its only column: columns of numbers are needed, too")
