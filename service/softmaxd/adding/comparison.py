"""Compares the labels that a model gives for the rows of a CSV file with those that the file expects."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.manifest import PROBABILITIES, Manifest

ROWS_AT_ONCE = 1000
MOST_SHOWN = 10  # disagreements


@dataclass(frozen=True, slots=True)
class Comparison:
    """A summary with the accuracy, and one sentence for each of the first disagreements."""

    summary: str
    disagreements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    numbers: Sequence[float | int]
    expected: int  # the index of its label


def compare(content: bytes, manifest: Manifest, file: Path, target: str) -> Comparison:
    """Run an ONNX model on the rows of a CSV file, whose column `target` has the labels to expect.

    The file has a header. Its columns are the features by name, or else in order. Raises `Refused`, with the line, for
    a value or a label that the model does not have, and `OSError`.
    """
    engine = Engine(content, device="cpu")
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            table = _Table(text, manifest, target)
            disagreements: list[str] = []
            right = count = 0
            while rows := list(islice(table, ROWS_AT_ONCE)):
                found = _disagreements(engine, manifest, rows)
                disagreements += found[: MOST_SHOWN - len(disagreements)]
                right += len(rows) - len(found)
                count += len(rows)
    except UnicodeDecodeError as error:
        raise Refused(f"{file}: it is not UTF-8 text") from error
    except (Refused, csv.Error) as error:
        raise Refused(f"{file}: {error}") from error
    if not count:
        raise Refused(f"{file}: it has no rows")
    if count - right > len(disagreements):
        disagreements.append(f"and {count - right - len(disagreements)} more")
    summary = f"like {file.name}: {right} of {count} rows have the expected label, accuracy {right / count:.1%}"
    return Comparison(f"{summary}; columns {table.order}", tuple(disagreements))


def _disagreements(engine: Engine, manifest: Manifest, rows: Sequence[_Row]) -> list[str]:
    features = np.array([row.numbers for row in rows], manifest.dtype).reshape(-1, *manifest.layout.shape)
    probabilities = engine.run(features)[PROBABILITIES]
    served = probabilities.argmax(axis=1)
    finite = [bool(np.isfinite(each).all()) for each in probabilities]
    return [
        f"line {row.line}: {manifest.labels[row.expected]} expected, "
        + (f"{manifest.labels[index]} served ({each[index]:.2f})" if is_finite else "no finite answer")
        for row, index, each, is_finite in zip(rows, served, probabilities, finite, strict=True)
        if index != row.expected or not is_finite
    ]


class _Table(Iterator[_Row]):
    """The rows of a CSV file. Raises `Refused`, with the line, where the model cannot take one."""

    def __init__(self, text: Iterator[str], manifest: Manifest, target: str) -> None:
        self._reader = csv.reader(text, strict=True)
        self._manifest = manifest
        self._header = [name.strip() for name in next(self._reader, [])]
        self._target = self._place(target)
        self._columns, self.order = self._features()
        self._labels = {label: index for index, label in enumerate(manifest.labels)}

    def __next__(self) -> _Row:
        cells = next(self._reader)
        while not cells:  # an empty line
            cells = next(self._reader)
        line = self._reader.line_num
        if len(cells) != len(self._header):
            raise Refused(f"line {line} has {len(cells)} values, but the header {len(self._header)}")
        try:
            numbers = [self._number(column, cells[column]) for column in self._columns]
            return _Row(line, numbers, self._label(cells[self._target].strip()))
        except ValueError as error:
            raise Refused(f"line {line}: {error}") from error

    def _place(self, name: str) -> int:
        """Return the index of a column."""
        if self._header.count(name) > 1:
            raise Refused(f"it has the column {name!r} twice")
        if name not in self._header:
            raise Refused(f"it has no column {name!r}; its columns are {', '.join(self._header)}")
        return self._header.index(name)

    def _features(self) -> tuple[list[int], str]:
        """Return the columns of the features, and a word for how they were found."""
        names = [feature.name for feature in self._manifest.features]
        if set(names) & set(self._header) and not self._manifest.depth:
            return [self._place(name) for name in names], "by name"
        others = [index for index in range(len(self._header)) if index != self._target]
        width = self._manifest.layout.width
        if len(others) != width:
            cure = (
                "give a column for each, in order"
                if self._manifest.depth
                else "name them with --features, as in the file"
            )
            raise Refused(
                f"it has {len(others)} columns besides {self._header[self._target]!r}, but the model takes "
                f"{width} {'numbers' if self._manifest.depth else 'features'}: {cure}"
            )
        return others, "in order"

    def _number(self, column: int, text: str) -> float | int:
        """Return a number of the type that the model takes. Raises `ValueError`."""
        try:
            return _read_number(text, self._manifest.dtype)
        except ValueError:
            raise ValueError(f"{self._header[column]} is {text!r}: it should be a {self._manifest.dtype}") from None

    def _label(self, text: str) -> int:
        """Return the index of a label, where 1.0 may stand for 1, and false for 0. Raises `ValueError`."""
        spellings = (text, text.removesuffix(".0"), {"true": "1", "false": "0"}.get(text.lower(), text))
        for spelling in spellings:
            if spelling in self._labels:
                return self._labels[spelling]
        known = ", ".join(self._manifest.labels)
        raise ValueError(f"{text!r} is none of the model's labels ({known}): name these with --labels")


def _read_number(text: str, dtype: np.dtype[Any]) -> float | int:
    """Return a finite number that fits a type. Raises `ValueError`."""
    text = text.strip()
    if dtype.kind == "f":
        number = float(text)
        with np.errstate(over="ignore"):
            fits = bool(np.isfinite(dtype.type(number)))
    else:
        number = int(text.removesuffix(".0"))
        fits = np.iinfo(dtype).min <= number <= np.iinfo(dtype).max
    if not fits or "_" in text:
        raise ValueError(text)
    return number
