"""A file → a `RawTable`, whichever kind of file it is."""

import hashlib
from dataclasses import replace
from pathlib import Path

from softmaxd.errors import Refused
from softmaxd_training.frames.columnar import read_columnar
from softmaxd_training.frames.csvfile import read_csv
from softmaxd_training.frames.excel import read_excel
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.rawtable import RawTable
from softmaxd_training.frames.sources import Kind, Source, opened


def read(path: Path, options: ReadOptions) -> RawTable:
    """Return the table in a CSV, Parquet, Feather, Arrow or Excel file, packed or not. Nothing is written.

    Raises `Refused` if there is none, with a line for each problem: its place, and the cure.
    """
    with opened(path) as source:
        _check(source.kind, options)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        table = _table(source, options, sha256)
    if not table.columns:
        raise Refused("it has no columns")
    if not len(table):
        raise Refused("it has no rows: there is nothing below the names of its columns")
    return replace(table, notes=(*source.notes, *table.notes))


def _check(kind: Kind, options: ReadOptions) -> None:
    """Raise `Refused` if an option is for another kind of file."""
    if options.sheet is not None and kind != "excel":
        raise Refused("it has no sheets: leave out --sheet, which is for workbooks of Excel")
    if kind != "text":
        for name in ("separator", "encoding"):
            if getattr(options, name) is not None:
                raise Refused(f"leave out --{name}, which is for CSV")
    if kind not in ("text", "excel") and options.header is not None:
        raise Refused("it has the names of its columns: leave out --header and --no-header")


def _table(source: Source, options: ReadOptions, sha256: str) -> RawTable:
    if source.kind == "text":
        return read_csv(source.stream, options, sha256)
    if source.kind == "excel":
        return read_excel(source.stream, options, sha256)
    return read_columnar(source.stream, source.kind, sha256)
