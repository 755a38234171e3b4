"""Reads a table, CSV or Parquet, and splits it: what cannot be trained on is refused with its column and its row."""

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError
from sklearn.model_selection import train_test_split

from softmaxd.models.manifest import Label
from softmaxd.models.outputs import Array
from softmaxd.models.publishing import Refused
from softmaxd_training.rows import Classes, Parts, Rows

LONGEST_NAME = 200  # of a feature, in the manifest
LEAST_CLASS_ROWS = 10  # so that each part has some: a tenth of the rows is for validation
LEAST_CALIBRATION_ROWS = 19  # fewer cannot give prediction sets with a coverage of 95 %
SPREADS = 1e-6, 1e18  # standard deviations: Keras takes one below 1e-7 for 1e-7, and squares them in float32
SHOWN = 40  # characters of a cell, in a message

LABEL = TypeAdapter[str](Label)

Cell = object  # the text of a CSV file, or what Parquet has: a number, a text, None …


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table whose columns are numbers, but for the target, whose values are the labels."""

    rows: Rows
    names: tuple[str, ...]
    labels: tuple[str, ...]
    sha256: str  # of the file


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the file, and where it stands there, for messages."""

    place: str
    cells: Sequence[Cell]


def read_table(path: Path, target: str) -> Table:
    """Return the table of a file, with the labels of the column `target`. Raises `Refused`."""
    content = path.read_bytes()
    try:
        header, lines = _parquet(content) if content.startswith(b"PAR1") else _csv(content)
        _check_header(header, target)
        if not lines:
            raise Refused("it has no rows")
        column = header.index(target)
        features = [_numbers(name, index, lines) for index, name in enumerate(header) if index != column]
        labels, classes = _labels(target, [(line.place, line.cells[column]) for line in lines])
    except Refused as error:
        raise Refused(f"{path.name}: {error}") from error
    names = tuple(name for name in header if name != target)
    return Table(Rows(np.stack(features, axis=1), classes), names, labels, hashlib.sha256(content).hexdigest())


def split(table: Table, seed: int) -> Parts:
    """Return half of the rows for training, a tenth for validation, and a fifth each for calibration and for testing.

    Each has about the same share of every label. The same seed gives the same parts. Raises `Refused`.
    """
    classes = table.rows.classes
    train, rest = _stratified(np.arange(len(classes)), classes, 0.5, seed)
    validation, rest = _stratified(rest, classes, 0.2, seed)
    calibration, test = _stratified(rest, classes, 0.5, seed)
    if len(calibration) < LEAST_CALIBRATION_ROWS:
        raise Refused(
            f"{len(classes)} rows are too few: a fifth of them, {len(calibration)}, is for calibration,"
            f" and a coverage of 95 % needs {LEAST_CALIBRATION_ROWS}"
        )
    _check_spread(table.rows.features[train], table.names)
    return Parts(*(Rows(table.rows.features[part], classes[part]) for part in (train, validation, calibration, test)))


def _stratified(chosen: Classes, classes: Classes, share: float, seed: int) -> tuple[Classes, Classes]:
    first, second = train_test_split(chosen, train_size=share, stratify=classes[chosen], random_state=seed)
    return np.sort(first), np.sort(second)


def _check_spread(features: Array, names: Sequence[str]) -> None:
    for name, spread in zip(names, features.std(axis=0, dtype=np.float64), strict=True):
        if spread == 0:
            raise Refused(
                f"column {_quoted(name)} has only one value in the training rows, so nothing can be learnt of it"
            )
        if not SPREADS[0] <= spread <= SPREADS[1]:
            raise Refused(f"column {_quoted(name)} has a standard deviation of {spread:.1e}: give it in another unit")


def _csv(content: bytes) -> tuple[list[str], list[_Line]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = 1 + content.count(b"\n", 0, error.start)
        raise Refused(f"line {number} is not UTF-8") from error
    lines = list(_csv_lines(text))
    if not lines:
        raise Refused("it has no header")
    header = [str(cell) for cell in lines[0].cells]
    for line in lines[1:]:
        if len(line.cells) != len(header):
            raise Refused(f"{line.place} has {_counted(len(line.cells), 'value')}, but the header has {len(header)}")
    return header, lines[1:]


def _csv_lines(text: str) -> Iterator[_Line]:
    """Give what stands in each line, without blanks around it; empty lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1  # a value in quotes may go over several lines
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Refused(f"line {start} is not CSV: {error}") from error
        if cells:
            yield _Line(f"line {start}", [cell.strip() for cell in cells])
        start = reader.line_num + 1


def _parquet(content: bytes) -> tuple[list[str], list[_Line]]:
    try:
        import pyarrow  # noqa: PLC0415 - only for these files
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise Refused("to read Parquet, install the package pyarrow, or give the table as CSV") from error
    try:
        table = parquet.read_table(pyarrow.BufferReader(content))
    except (pyarrow.ArrowException, OSError) as error:
        raise Refused(f"it cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    columns = [column.to_pylist() for column in table.columns]
    lines = [_Line(f"row {number}", cells) for number, cells in enumerate(zip(*columns, strict=True), start=1)]
    return [name.strip() for name in table.column_names], lines


def _check_header(header: Sequence[str], target: str) -> None:
    for number, name in enumerate(header, start=1):
        if not name:
            raise Refused(f"column {number} has no name")
        if len(name) > LONGEST_NAME:
            raise Refused(f"the name of column {number} has {len(name)} characters; {LONGEST_NAME} are allowed")
        if header.index(name) != number - 1:
            raise Refused(f"columns {header.index(name) + 1} and {number} are both called {_quoted(name)}")
    if target not in header:
        raise Refused(f"it has no column {_quoted(target)}; it has {', '.join(map(_quoted, header))}")
    if len(header) == 1:
        raise Refused(f"it has no other column than {_quoted(target)}")


def _numbers(name: str, column: int, lines: Sequence[_Line]) -> Array:
    """Return the values of a column of numbers."""
    with np.errstate(over="ignore"):  # beyond float32 becomes inf, refused below
        values = np.array([_number(name, line.place, line.cells[column]) for line in lines], dtype=np.float32)
    if not np.isfinite(values).all():
        line = lines[int(np.argmin(np.isfinite(values)))]
        raise Refused(f"{_where(name, line.place)}: {_quoted(line.cells[column])} is not finite as float32")
    if (values == values[0]).all():
        raise Refused(f"column {_quoted(name)} has the same value in every row, so nothing can be learnt of it")
    return values


def _number(name: str, place: str, cell: Cell) -> float:
    if cell is None or cell == "":
        raise Refused(f"{_where(name, place)}: there is no value")
    number = _as_number(cell)
    if number is None:
        raise Refused(f"{_where(name, place)}: {_quoted(cell)} is not a number")
    return number


def _as_number(cell: Cell) -> float | None:
    if isinstance(cell, bool) or "_" in str(cell):  # Python reads True as 1 and 1_000 as 1000
        return None
    try:
        return float(cell)  # type: ignore[arg-type]  # or it raises
    except (TypeError, ValueError):
        return None
    except OverflowError:  # of a whole number beyond float64
        return math.inf


def _labels(target: str, cells: Sequence[tuple[str, Cell]]) -> tuple[tuple[str, ...], Classes]:
    """Return the labels in order, and the class of each row."""
    values = [_label(target, place, cell) for place, cell in cells]
    counts = Counter(values)
    if len(counts) == 1:
        raise Refused(f"column {_quoted(target)} has only one label, {_quoted(values[0])}; there must be two or more")
    rarest = min(counts, key=lambda label: counts[label])
    if counts[rarest] < LEAST_CLASS_ROWS:
        raise Refused(
            f"label {_quoted(rarest)} of column {_quoted(target)} has {_counted(counts[rarest], 'row')}; each of its"
            f" {len(counts)} labels needs {LEAST_CLASS_ROWS}"
        )
    labels = _in_order(target, list(counts))
    index = {label: number for number, label in enumerate(labels)}
    return labels, np.array([index[value] for value in values], dtype=np.int64)


def _label(target: str, place: str, cell: Cell) -> str:
    if cell is None or cell == "":
        raise Refused(f"{_where(target, place)}: there is no label")
    try:
        return LABEL.validate_python(str(cell))
    except ValidationError as error:
        raise Refused(
            f"{_where(target, place)}: {_quoted(cell)} cannot be a label, which has 1 to 200 characters,"
            " without colons and control characters"
        ) from error


def _in_order(target: str, labels: list[str]) -> tuple[str, ...]:
    """Return the labels sorted, by their value where all are numbers."""
    numbers = {label: _as_number(label) for label in labels}
    if any(number is None or not math.isfinite(number) for number in numbers.values()):
        return tuple(sorted(labels))
    ordered = sorted(labels, key=lambda label: (float(label), label))
    for one, other in pairwise(ordered):
        if numbers[one] == numbers[other]:
            raise Refused(f"the labels {_quoted(one)} and {_quoted(other)} of column {_quoted(target)} are one number")
    return tuple(ordered)


def _where(column: str, place: str) -> str:
    return f"column {_quoted(column)}, {place}"


def _quoted(cell: Cell) -> str:
    text = str(cell)
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
