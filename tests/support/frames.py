"""Tables as the files of people have them, for the tests of the columns."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from softmaxd_training.frames.missing import Cells, cells_of
from softmaxd_training.frames.rawtable import Places, RawTable


def csv_table(
    named: Mapping[str, Sequence[str]] | None = None, *, decimal: str = ".", **columns: Sequence[str]
) -> RawTable:
    """Return a table as a CSV with a header has it; `named` are columns whose names are no names of Python."""
    cells = {**(named or {}), **columns}
    texts = {name: pa.chunked_array([column], pa.string()) for name, column in cells.items()}
    return RawTable(texts, is_text=True, decimal=decimal, notes=(), sha256="0" * 64, places=Places("line", 2))


def typed_table(**columns: pa.Array) -> RawTable:
    """Return a table as a file with types has it."""
    chunked = {name: pa.chunked_array([column]) for name, column in columns.items()}
    return RawTable(chunked, is_text=False, decimal=".", notes=(), sha256="0" * 64)


def csv_cells(*texts: str, missing: Sequence[str] = ()) -> Cells:
    """Return the cells of the column `x` of a CSV."""
    return cells_of("x", pa.chunked_array([texts], pa.string()), Places("line", 2).of, missing)


def typed_cells(column: pa.Array, missing: Sequence[str] = ()) -> Cells:
    """Return the cells of a column `x` with a type."""
    return cells_of("x", pa.chunked_array([column]), Places("row", 1).of, missing)
