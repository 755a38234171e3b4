"""A file → its header, and its rows some at a time. Memory does not grow with the file."""

from collections.abc import Iterator
from io import BufferedReader

from softmaxd.tables.parquet import read_parquet
from softmaxd.tables.rows import Header, Rows
from softmaxd.tables.text import BLOCK, read_text

PARQUET = b"PAR1"  # at the start of such a file


def read_rows(source: BufferedReader) -> tuple[Header, Iterator[Rows]]:
    """Return the header of a CSV or Parquet file, and an iterator over its rows.

    Raises `Refused` with the place, the iterator too.
    """
    if source.peek(len(PARQUET)).startswith(PARQUET):
        return read_parquet(source)
    return read_text(iter(lambda: source.read(BLOCK), b""))
