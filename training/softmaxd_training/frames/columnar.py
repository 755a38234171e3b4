"""Reads tables that have types: Parquet, Feather and Arrow."""

import re
from collections.abc import Mapping
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc, parquet, types

from softmaxd.errors import Refused
from softmaxd_training.frames.names import check_names
from softmaxd_training.frames.problems import Problems
from softmaxd_training.frames.rawtable import RawTable
from softmaxd_training.frames.sources import Kind
from softmaxd_training.frames.wording import SHOWN, quoted

INDEX = "__index_level_"  # how pandas calls an index without a name
NOT_UTF8 = re.compile(r"Invalid UTF8 sequence at string index (\d+)")
NAMES: Mapping[Kind, str] = {"parquet": "Parquet", "arrow": "Arrow", "arrow stream": "Arrow"}


def read_columnar(source: BinaryIO, kind: Kind, sha256: str) -> RawTable:
    """Return the table in a file of columns, with the file's own types.

    Texts become `pa.string()` or stay a dictionary of them. Raises `Refused` with a line for each column that is no
    column of values, or has texts that are not UTF-8, and for a broken file.
    """
    table = _table(source, kind)
    problems = Problems()
    try:
        check_names(table.column_names, problems)
    except UnicodeDecodeError as error:
        raise Refused("the name of a column is not UTF-8: write the file again") from error
    problems.refuse()
    columns, notes = {}, []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name.startswith(INDEX):
            notes.append(f"left out: {name}, an index of pandas")
        else:
            columns[name] = _checked(name, column, problems)
    problems.refuse()
    return RawTable(columns, False, ".", tuple(notes), sha256)


def _table(source: BinaryIO, kind: Kind) -> pa.Table:
    try:
        if kind == "parquet":
            return parquet.ParquetFile(source).read()
        return (ipc.open_file if kind == "arrow" else ipc.open_stream)(source).read_all()
    except (
        Exception
    ) as error:  # pyarrow has no common class for broken files: ValueError, OSError, KeyError, MemoryError
        reason = str(error).partition("\n")[0].strip()
        raise Refused(f"this {NAMES[kind]} file is broken: write it again ({reason})") from error


def _checked(name: str, column: pa.ChunkedArray, problems: Problems) -> pa.ChunkedArray:
    """Return a column of values; if it is none, add a problem."""
    before = 0
    for chunk in column.chunks:
        try:
            chunk.validate(full=True)
        except pa.ArrowException as error:
            problems.add(f"column {quoted(name)}{_fault(str(error), chunk.type, before)}")
            return column
        before += len(chunk)
    if not _are_times(column):
        problems.add(f"column {quoted(name)} has times beyond the years 1 to 9999, or of an unknown zone: correct them")
        return column
    try:
        return _plain(column)
    except pa.ArrowInvalid:  # bytes that are no text
        problems.add(f"column {quoted(name)}, row {_undecodable(column)}, is not UTF-8: write it as UTF-8")
    except pa.ArrowException:
        problems.add(f"column {quoted(name)} is {str(column.type)[:SHOWN]}: save it as numbers or as text")
    return column


def _are_times(column: pa.ChunkedArray) -> bool:
    """Return True if Python knows all times of a column, or if it has none."""
    if not (types.is_date(column.type) or types.is_timestamp(column.type)):
        return True
    try:
        pc.min_max(column).as_py()
    except (ArithmeticError, ValueError, LookupError):
        return False
    return True


def _fault(error: str, kind: pa.DataType, before: int) -> str:
    """Return how a part of a column behind `before` rows is broken. Its values must not be looked at."""
    if not (found := NOT_UTF8.search(error)):
        return f" is broken: write the file again ({error})"
    if types.is_dictionary(kind):
        return " has a text that is not UTF-8: write it as UTF-8"
    return f", row {before + int(found[1]) + 1}, is not UTF-8: write it as UTF-8"


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with one type for texts, and one that can be computed with for numbers."""
    kind = column.type
    if types.is_dictionary(kind):
        return column if kind.value_type == pa.string() else _plain(column.cast(kind.value_type))
    if _is_text(kind):
        return column.cast(pa.string())
    if types.is_float16(kind):
        return column.cast(pa.float32())
    if (
        types.is_nested(kind)
        or isinstance(kind, pa.BaseExtensionType)
        or types.is_interval(kind)
        or types.is_duration(kind)
    ):
        raise pa.ArrowNotImplementedError("no values")
    return column


def _is_text(kind: pa.DataType) -> bool:
    texts = (types.is_large_string, types.is_string_view)
    bytes_ = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
    return any(test(kind) for test in (*texts, *bytes_))


def _undecodable(column: pa.ChunkedArray) -> int:
    """Return the number of the first row whose bytes are not UTF-8."""

    def is_utf8(cell: bytes) -> bool:
        try:
            cell.decode()
        except UnicodeDecodeError:
            return False
        return True

    return next(row for row, cell in enumerate(column, start=1) if not is_utf8(cell.as_py() or b""))
