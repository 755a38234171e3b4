"""The rows of a Parquet file, some at a time, as text. Needs pyarrow, which serving does not."""

import io
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, BinaryIO, cast

import numpy as np

from softmaxd.errors import Refused, pip_install
from softmaxd.tables.rows import Cell, ColumnType, Header, Kind, Rows

ROWS = 8192  # at a time
BUFFER = 65_536  # bytes of each column at a time; by itself pyarrow takes all rows that were written at once
KINDS: dict[str, Kind] = {  # of the types of pyarrow, by its predicates
    **dict.fromkeys(("string", "large_string", "string_view"), "text"),
    **dict.fromkeys(("binary", "large_binary", "binary_view", "fixed_size_binary"), "text"),
    **dict.fromkeys(("integer", "floating", "decimal"), "number"),
    "boolean": "boolean",
    "temporal": "time",
    "null": "nothing",
}
NUMBERS = {"-0": "-0.0", "nan": None}  # as JSON has them: -0 is the whole number 0, and NaN is missing


def read_parquet(source: BinaryIO) -> tuple[Header, Iterator[Rows]]:
    """Return the header, and an iterator over the rows. Raises `Refused`, the iterator too."""
    if find_spec("pyarrow") is None:
        raise Refused(f"it is a Parquet file, which needs pyarrow: {pip_install('pyarrow')}, or save it as CSV")
    import pyarrow  # noqa: PLC0415 - it is not always there
    from pyarrow import parquet  # noqa: PLC0415

    try:
        file = parquet.ParquetFile(source, pre_buffer=False, buffer_size=BUFFER)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(error) from error
    schema = file.schema_arrow
    return Header(schema.names, list(map(_type, schema.types))), _rows(file)


def _type(kind: Any) -> ColumnType:  # Any: pyarrow has no types
    found = _kind(kind)
    return ColumnType(found, "text" if found == "text" else str(kind))


def _kind(kind: Any) -> Kind:  # Any: pyarrow has no types
    from pyarrow import types  # noqa: PLC0415 - it is not always there

    values = kind.value_type if types.is_dictionary(kind) else kind
    return next((name for test, name in KINDS.items() if getattr(types, f"is_{test}")(values)), "other")


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
    return numbers and not any(column.null_count or _has_others(column) for column in table.columns)


def _has_others(column: Any) -> bool:
    """Return True if a number is missing as NaN, or is a negative zero."""
    values = column.to_numpy()
    return bool((np.isnan(values) | (np.signbit(values) & (values == 0))).any())


def _lines(table: Any) -> Sequence[bytes]:
    """Return the rows of a table of numbers as lines of CSV."""
    import pyarrow  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    exact = pyarrow.schema([field.with_type(_exact(field.type)) for field in table.schema])
    text = io.BytesIO()
    csv.write_csv(table.cast(exact), text, csv.WriteOptions(include_header=False))
    return text.getvalue().splitlines()


def _cells(column: Any) -> Sequence[Cell]:
    """Return the values of a column as text: numbers with the digits that round-trip, truth as `true` and `false`.

    A text is taken as it stands, though it may not be UTF-8; values that have no text are left out.
    """
    import pyarrow  # noqa: PLC0415

    kind = _kind(column.type)
    if kind == "other":
        return [None] * len(column)
    if kind == "text":
        return cast(Sequence[Cell], column.cast(pyarrow.large_binary()).to_pylist())
    others = NUMBERS if kind == "number" else {}
    texts = column.cast(_exact(column.type)).cast(pyarrow.string()).to_pylist()
    return [None if (found := others.get(text, text)) is None else found.encode() for text in texts]


def _exact(kind: Any) -> Any:
    """Return float64 for a shorter float, whose shortest digits are those of another float64."""
    from pyarrow import float64, types  # noqa: PLC0415

    return float64() if types.is_floating(kind) else kind
