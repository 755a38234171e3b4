"""The rows of a Parquet file, some at a time, as text. Needs pyarrow, which serving does not."""

import io
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, BinaryIO

import numpy as np

from softmaxd.errors import Refused, pip_install
from softmaxd.tables.rows import Cell, Header, Rows

ROWS = 8192  # at a time
TEXTS = {f"{size}{kind}" for kind in ("string", "binary") for size in ("", "large_")}  # types, as pyarrow names them
MINUS_ZERO = {"-0": "-0.0"}  # as JSON has it: -0 is the whole number 0


def read_parquet(source: BinaryIO) -> tuple[Header, Iterator[Rows]]:
    """Return the header, and an iterator over the rows. Raises `Refused`, the iterator too."""
    if find_spec("pyarrow") is None:
        raise Refused(f"it is a Parquet file, which needs pyarrow: {pip_install('pyarrow')}, or save it as CSV")
    import pyarrow  # noqa: PLC0415 - it is not always there
    from pyarrow import parquet  # noqa: PLC0415

    try:
        file = parquet.ParquetFile(source)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(error) from error
    texts = frozenset(index for index, kind in enumerate(file.schema_arrow.types) if _is_text(kind))
    return Header(file.schema_arrow.names, texts), _rows(file)


def _is_text(kind: Any) -> bool:  # Any: pyarrow has no types
    from pyarrow import types  # noqa: PLC0415 - it is not always there

    values = kind.value_type if types.is_dictionary(kind) else kind
    return str(values) in TEXTS


def _unreadable(error: Exception) -> Refused:
    return Refused(f"it cannot be read as Parquet: {str(error).splitlines()[0]}")


def _rows(file: Any) -> Iterator[Rows]:  # Any: pyarrow has no types
    import pyarrow  # noqa: PLC0415

    number = 1
    try:
        for batch in file.iter_batches(batch_size=ROWS):
            table = pyarrow.Table.from_batches([batch])
            rows = _lines(table) if _is_plain(table) else list(zip(*map(_cells, table.columns), strict=True))
            yield Rows(range(number, number + len(rows)), rows, is_parquet=True)
            number += len(rows)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(error) from error


def _is_plain(table: Any) -> bool:
    """Return True if all cells are numbers, so that none needs quotes, and pyarrow's text of each is right."""
    from pyarrow import types  # noqa: PLC0415

    numbers = all(types.is_floating(kind) or types.is_integer(kind) for kind in table.schema.types)
    return numbers and not any(column.null_count or _has_minus_zero(column) for column in table.columns)


def _has_minus_zero(column: Any) -> bool:
    values = column.to_numpy()
    return bool((np.signbit(values) & (values == 0)).any())


def _lines(table: Any) -> Sequence[bytes]:
    """Return the rows of a table of numbers as lines of CSV."""
    import pyarrow  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    exact = pyarrow.schema([field.with_type(_exact(field.type)) for field in table.schema])
    text = io.BytesIO()
    csv.write_csv(table.cast(exact), text, csv.WriteOptions(include_header=False))
    return text.getvalue().splitlines()


def _cells(column: Any) -> Sequence[Cell]:
    """Return the values of a column as text: numbers with the digits that round-trip, truth as `true` and `false`."""
    import pyarrow  # noqa: PLC0415

    others = MINUS_ZERO if pyarrow.types.is_floating(column.type) else {}
    try:
        texts = column.cast(_exact(column.type)).cast(pyarrow.string()).to_pylist()
    except pyarrow.ArrowException:  # such as a list, or bytes that are no text
        texts = [None if value is None else str(value) for value in column.to_pylist()]
    return [None if text is None else others.get(text, text).encode() for text in texts]


def _exact(kind: Any) -> Any:
    """Return float64 for a shorter float, whose shortest digits are those of another float64."""
    from pyarrow import float64, types  # noqa: PLC0415

    return float64() if types.is_floating(kind) else kind
