"""A Parquet file as the CSV file of the same table, some rows at a time. Needs pyarrow, which serving does not."""

import importlib.util
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from softmaxd.errors import Refused
from softmaxd.scoring.columns import quoted

ROWS = 8192  # at a time


def blocks_of_parquet(source: BinaryIO) -> Iterator[bytes]:
    """Yield a Parquet table as CSV: line 1 is the header, and row 1 is on line 2. Raises `Refused`."""
    if importlib.util.find_spec("pyarrow") is None:
        raise Refused("it is a Parquet file, which needs pyarrow: python -m pip install pyarrow, or save it as CSV")
    import pyarrow  # noqa: PLC0415 - it is not always there
    from pyarrow import parquet  # noqa: PLC0415

    try:
        file = parquet.ParquetFile(source)
        schema = pyarrow.schema([field.with_type(_exact(field.type)) for field in file.schema_arrow])
        yield b",".join([quoted(name.encode()) for name in schema.names]) + b"\n"
        for batch in file.iter_batches(batch_size=ROWS):
            yield _as_csv(pyarrow.Table.from_batches([batch]).cast(schema))
    except pyarrow.ArrowException as error:
        raise Refused(str(error).splitlines()[0]) from error


def _exact(kind: Any) -> Any:  # Any: pyarrow has no types
    """Return float64 for a shorter float, whose shortest digits are those of another float64."""
    from pyarrow import float64, types  # noqa: PLC0415

    return float64() if types.is_floating(kind) else kind


def _as_csv(table: Any) -> bytes:
    from pyarrow import csv  # noqa: PLC0415

    if table.num_columns == 1 and table.column(0).null_count:  # an empty line counts as none
        raise Refused(f"its column {table.column_names[0]} has rows without a value")
    text = io.BytesIO()
    csv.write_csv(table, text, csv.WriteOptions(include_header=False))
    return text.getvalue()
