"""A path → a stream of bytes and the kind of table in it, unpacked; files of other kinds are refused by name."""

import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Literal, cast

from softmaxd.errors import Refused
from softmaxd_training.frames.wording import listed, quoted

Kind = Literal["text", "parquet", "arrow", "arrow stream", "excel"]

STARTS: dict[bytes, Kind] = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow stream"}
GZIP = b"\x1f\x8b"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # of old Office files, and of new ones with a password
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # the name of a stream in it
OTHERS = {
    b"FEA1": "a Feather file of version 1: write it again as version 2, or as Parquet",
    b"%PDF": "a PDF: save the table as CSV",
    b"SQLite format 3": "a database of SQLite: save the table as CSV",
    b"\x89HDF": "an HDF5 file: save the table as CSV or Parquet",
    b"\x93NUMPY": "an array of NumPy: save the table as CSV or Parquet",
    b"Obj\x01": "an Avro file: save the table as CSV or Parquet",
    b"BZh": "packed by bzip2: unpack it, or pack it by gzip",
    b"\xfd7zXZ": "packed by xz: unpack it, or pack it by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it, or pack it by gzip",
    b"7z\xbc\xaf": "an archive of 7-Zip: unpack it",
    b"Rar!": "an archive of RAR: unpack it",
    b"<!doctype html": "a web page: open it in a spreadsheet, and save the table as CSV",
    b"<html": "a web page: open it in a spreadsheet, and save the table as CSV",
    b"<?xml": "XML: open it in a spreadsheet, and save the table as CSV",
    b"\x89PNG": "a picture: name a table",
    b"\xff\xd8\xff": "a picture: name a table",
    b"\x80\x04\x95": "a pickle of Python: save the table as CSV or Parquet",
    b"\x80\x05\x95": "a pickle of Python: save the table as CSV or Parquet",
    **dict.fromkeys((b"[{", b"[\n", b"[\r\n", b'{"', b"{\n", b"{\r\n"), "JSON: save the table as CSV or Parquet"),
}
SUFFIXES = {
    ".parquet": "a Parquet file",
    ".feather": "a Feather file",
    ".arrow": "an Arrow file",
    ".xlsx": "a workbook of Excel",
    ".xlsm": "a workbook of Excel",
    ".gz": "packed by gzip",
    ".zip": "a ZIP archive",
}
WORKBOOKS = (".xlsx", ".xlsm")
LONGEST_START = 20  # bytes
BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, ValueError)
HIDDEN = ("__MACOSX/", ".DS_Store")  # in archives made on macOS


@dataclass(frozen=True, slots=True)
class Source:
    """An open file: the kind of table in it, its bytes, and lines about unpacking."""

    kind: Kind
    stream: BinaryIO
    notes: tuple[str, ...] = ()


class Unpacked(io.RawIOBase):
    """A stream that is unpacked while it is read. Raises `Refused` where it is broken."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        super().__init__()
        self._stream, self._name = stream, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # its buffer has no other type here
        try:
            part = self._stream.read(len(buffer))
        except BROKEN as error:
            raise Refused(f"its {self._name} is broken: copy or pack the file again ({error})") from error
        buffer[: len(part)] = part
        return len(part)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a file, unpacked if it is packed.

    Raises `Refused` if it cannot be opened, or has no table; the stream too, where its packing is broken.
    """
    try:
        if path.is_dir():
            raise Refused("this is a folder: name a file in it")
        if path.exists() and not path.is_file():
            raise Refused("this is no regular file: write the table to one")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise Refused("there is no such file") from error
    except (OSError, ValueError) as error:  # ValueError for a NUL in the name
        raise Refused(f"it cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    with file:
        yield _source(path, file)


def _source(path: Path, file: io.BufferedReader) -> Source:
    start = file.peek(LONGEST_START)
    if not start:
        raise Refused("it is empty: a table needs a line with names, and rows")
    if start.startswith(GZIP):
        return _unpacked(cast(IO[bytes], gzip.GzipFile(fileobj=file)), "gzip")
    if start.startswith(ZIP):
        return _zipped(file, "workbook" if path.suffix.lower() in WORKBOOKS else "ZIP archive")
    if start.startswith(COMPOUND):
        raise Refused(_compound(file.read()))
    source = Source(_kind(start), file)
    suffix = path.suffix.lower()
    if source.kind == "text" and suffix in SUFFIXES:
        raise Refused(f"it is called {suffix}, but is not {SUFFIXES[suffix]}: if it is CSV, call it .csv")
    return source


def _kind(start: bytes) -> Kind:
    for mark, words in OTHERS.items():
        if (start.lower() if mark.startswith(b"<") else start).startswith(mark):
            raise Refused(f"it is {words}")
    return next((kind for mark, kind in STARTS.items() if start.startswith(mark)), "text")


def _unpacked(stream: IO[bytes], packing: str, note: str = "") -> Source:
    unpacked = io.BufferedReader(Unpacked(stream, packing))
    start = unpacked.peek(LONGEST_START)
    if not start:
        raise Refused(f"the file in its {packing} is empty")
    if _kind(start) != "text" or start.startswith((*ZIP, GZIP, COMPOUND)):
        raise Refused(f"its {packing} holds no CSV: unpack it first")
    return Source("text", unpacked, (note,) if note else ())


def _zipped(file: io.BufferedReader, word: str) -> Source:
    try:
        archive = zipfile.ZipFile(file)
        names = archive.namelist()
        if "[Content_Types].xml" in names:
            return Source(_workbook(names), file)
        members = [name for name in names if not name.endswith("/") and not any(part in name for part in HIDDEN)]
        if "mimetype" in members:
            raise Refused("it is a document of OpenDocument: save the table as .xlsx or CSV")
        if len(members) != 1:
            raise Refused(_members(members))
        return _unpacked(archive.open(members[0]), "ZIP archive", f"unpacked: {quoted(members[0])}")
    except RuntimeError as error:
        raise Refused(f"its ZIP archive cannot be unpacked: unpack it yourself ({error})") from error
    except BROKEN as error:
        raise Refused(f"its {word} is broken: copy or pack the file again ({error})") from error


def _members(members: Sequence[str]) -> str:
    if not members:
        return "its ZIP archive holds no file"
    return f"its ZIP archive holds {len(members)} files ({listed(members)}): leave one in it, or unpack it and name one"


def _workbook(names: Sequence[str]) -> Kind:
    if "xl/workbook.xml" in names:
        return "excel"
    if "xl/workbook.bin" in names:
        raise Refused("it is a binary workbook of Excel (.xlsb): save it as .xlsx or CSV")
    raise Refused("it is a document of Office without a table: save the table as CSV")


def _compound(content: bytes) -> str:
    if ENCRYPTED in content:
        return "it is a workbook with a password: save it without one"
    return "it is an old workbook of Excel (.xls): save it as .xlsx or CSV"
