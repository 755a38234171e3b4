import gzip
import io
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from softmaxd.errors import Refused
from softmaxd_training.frames.sources import opened

CSV = b"x,y\n1,a\n"
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def zipped(members: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "notes"),
    [
        ("rows.csv", CSV, ()),
        ("rows.csv.gz", gzip.compress(CSV), ()),
        ("rows.csv", gzip.compress(CSV), ()),
        ("rows.zip", zipped({"folder/rows.csv": CSV}), ("unpacked: 'folder/rows.csv'",)),
        ("rows.zip", zipped({"a/": b"", "a/rows.txt": CSV, "__MACOSX/a/rows.txt": b"x"}), ("unpacked: 'a/rows.txt'",)),
    ],
)
def test_text_is_unpacked(tmp_path: Path, name: str, content: bytes, notes: tuple[str, ...]) -> None:
    (tmp_path / name).write_bytes(content)

    with opened(tmp_path / name) as source:
        assert (source.kind, source.stream.read(), source.notes) == ("text", CSV, notes)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PAR1....", "parquet"),
        (b"ARROW1..", "arrow"),
        (b"\xff\xff\xff\xff", "arrow stream"),
        (zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "excel"),
    ],
)
def test_the_kind_is_known_by_the_content(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "rows.csv").write_bytes(content)

    with opened(tmp_path / "rows.csv") as source:
        assert source.kind == kind
        source.stream.seek(0)
        assert source.stream.read() == content


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "it is empty: a table needs a line with names, and rows"),
        ("a.parquet", CSV, "it is called .parquet, but is not a Parquet file: if it is CSV, call it .csv"),
        ("a.XLSX", CSV, "it is called .xlsx, but is not a workbook of Excel: if it is CSV, call it .csv"),
        ("a.gz", CSV, "it is called .gz, but is not packed by gzip: if it is CSV, call it .csv"),
        ("a.gz", gzip.compress(b""), "the file in its gzip is empty"),
        ("a.gz", gzip.compress(b"PAR1"), "its gzip holds no CSV: unpack it first"),
        ("a.gz", gzip.compress(gzip.compress(CSV)), "its gzip holds no CSV: unpack it first"),
        ("a.zip", zipped({}), "its ZIP archive holds no file"),
        (
            "a.zip",
            zipped({"a": CSV, "b": CSV}),
            "its ZIP archive holds 2 files ('a', 'b'): leave one in it, or unpack it and name one",
        ),
        (
            "a.zip",
            zipped(dict.fromkeys("abcdefg", CSV)),
            "its ZIP archive holds 7 files ('a', 'b', 'c', 'd', 'e' and 2 more):"
            " leave one in it, or unpack it and name one",
        ),
        (
            "a.zip",
            zipped({"a": CSV})[:-30],
            "its ZIP archive is broken: copy or pack the file again (File is not a zip file)",
        ),
        (
            "a.xlsx",
            zipped({"a": CSV})[:-30],
            "its workbook is broken: copy or pack the file again (File is not a zip file)",
        ),
        (
            "a.ods",
            zipped({"mimetype": b"", "content.xml": b""}),
            "it is a document of OpenDocument: save the table as .xlsx or CSV",
        ),
        (
            "a.xlsb",
            zipped({"[Content_Types].xml": b"", "xl/workbook.bin": b""}),
            "it is a binary workbook of Excel (.xlsb): save it as .xlsx or CSV",
        ),
        (
            "a.docx",
            zipped({"[Content_Types].xml": b"", "word/document.xml": b""}),
            "it is a document of Office without a table: save the table as CSV",
        ),
        ("a.xls", COMPOUND, "it is an old workbook of Excel (.xls): save it as .xlsx or CSV"),
        (
            "a.xlsx",
            COMPOUND + "EncryptedPackage".encode("utf-16-le"),
            "it is a workbook with a password: save it without one",
        ),
        ("a.pdf", b"%PDF-1.7", "it is a PDF: save the table as CSV"),
        (
            "a.xls",
            b"<!DOCTYPE html><table>",
            "it is a web page: open it in a spreadsheet, and save the table as CSV",
        ),
        ("a.json", b'[{"x": 1, "y": "a"}]', "it is JSON: save the table as CSV or Parquet"),
        ("a.jsonl", b'{"x": 1, "y": "a"}\n', "it is JSON: save the table as CSV or Parquet"),
        ("a.json", b"[\r\n  {", "it is JSON: save the table as CSV or Parquet"),
        ("a.csv", b"\x89PNG\r\n\x1a\n", "it is a picture: name a table"),
        ("a.csv", b"\xff\xd8\xff\xe0", "it is a picture: name a table"),
        ("a.pkl", pickle.dumps({"x": [1, 2]}, 5), "it is a pickle of Python: save the table as CSV or Parquet"),
        ("a.feather", b"FEA1", "it is a Feather file of version 1: write it again as version 2, or as Parquet"),
    ],
)
def test_other_files_are_refused_by_their_kind(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(Refused) as refused, opened(tmp_path / name):
        pass

    assert str(refused.value) == message


def test_a_name_may_begin_like_the_mark_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"rar!,orchid\n")

    with opened(tmp_path / "rows.csv") as source:
        assert source.kind == "text"


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (gzip.compress(CSV * 100)[:-9], "its gzip is broken: copy or pack the file again "),
        (gzip.compress(CSV * 100)[:-4] + bytes(4), "its gzip is broken: copy or pack the file again "),
        (
            zipped({"a": CSV}).replace(zipped({"a": CSV})[33:38], b"\xff" * 5, 1),
            "its ZIP archive is broken: copy or pack the file again ",
        ),
    ],
)
def test_broken_packing_is_refused_where_it_is_met(tmp_path: Path, packed: bytes, message: str) -> None:
    (tmp_path / "rows").write_bytes(packed)

    with pytest.raises(Refused, match=f"^{re.escape(message)}"), opened(tmp_path / "rows") as source:
        source.stream.read()


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped({"a": CSV}))
    content[6] |= 1  # the flag in the local header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    (tmp_path / "a.zip").write_bytes(content)

    with pytest.raises(Refused, match=r"^its ZIP archive cannot be unpacked: .*password"), opened(tmp_path / "a.zip"):
        pass


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")

    found = {}
    for name in (".", "nothing", "pipe", "a\0b", "loop"):
        with pytest.raises(Refused) as refused, opened(tmp_path / name):
            pass
        found[name] = str(refused.value)

    assert found == {
        ".": "this is a folder: name a file in it",
        "nothing": "there is no such file",
        "pipe": "this is no regular file: write the table to one",
        "a\0b": "it cannot be opened: embedded null byte",
        "loop": "it cannot be opened: Too many levels of symbolic links",
    }
