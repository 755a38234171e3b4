import gzip
import hashlib
import io
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, feather, parquet

from softmaxd.errors import Refused
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.reading import read

CSV = b"x,city\n1.5,Rome\n2,Paris\n"
TABLE = pa.table({"x": [1.5, 2.0], "city": ["Rome", "Paris"]})


def zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", content)
    return target.getvalue()


def made(write: Callable[[io.BytesIO], object]) -> bytes:
    target = io.BytesIO()
    write(target)
    return target.getvalue()


def workbook(target: io.BytesIO) -> None:
    book = openpyxl.Workbook()
    for row in [("x", "city"), (1.5, "Rome"), (2, "Paris")]:
        book.active.append(row)
    book.save(target)


PARQUET = made(lambda target: parquet.write_table(TABLE, target))
FEATHER = made(lambda target: feather.write_feather(TABLE, target))
WORKBOOK = made(workbook)
FORMS = {
    "rows.csv": CSV,
    "rows.tsv": CSV.replace(b",", b"\t"),
    "rows.txt": CSV.decode().encode("utf-16"),
    "rows.csv.gz": gzip.compress(CSV),
    "rows.zip": zipped(CSV),
    "rows.parquet": PARQUET,
    "rows.feather": FEATHER,
    "rows.xlsx": WORKBOOK,
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FORMS[name])

    found = read(tmp_path / name, ReadOptions())

    assert {column: [str(value) for value in values.to_pylist()] for column, values in found.columns.items()} == {
        "x": ["1.5", "2"] if found.is_text else ["1.5", "2.0"],
        "city": ["Rome", "Paris"],
    }
    assert found.sha256 == hashlib.sha256(FORMS[name]).hexdigest()
    assert os.listdir(tmp_path) == [name]


def test_the_notes_begin_with_unpacking(tmp_path: Path) -> None:
    (tmp_path / "rows.zip").write_bytes(zipped(CSV))

    assert read(tmp_path / "rows.zip", ReadOptions()).notes == ("unpacked: 'rows.csv'", "separator: comma")


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.csv", b"x,y\n", ReadOptions(), "it has no rows: there is nothing below the names of its columns"),
        (
            "a.parquet",
            made(lambda target: parquet.write_table(TABLE.slice(0, 0), target)),
            ReadOptions(),
            "it has no rows: there is nothing below the names of its columns",
        ),
        (
            "a.parquet",
            made(lambda target: parquet.write_table(pa.table({}), target)),
            ReadOptions(),
            "it has no columns",
        ),
        (
            "a.csv",
            CSV,
            ReadOptions(sheet="One"),
            "it has no sheets: leave out --sheet, which is for workbooks of Excel",
        ),
        ("a.parquet", PARQUET, ReadOptions(separator=";"), "leave out --separator, which is for CSV"),
        ("a.xlsx", WORKBOOK, ReadOptions(encoding="utf-8"), "leave out --encoding, which is for CSV"),
        (
            "a.feather",
            FEATHER,
            ReadOptions(header=False),
            "it has the names of its columns: leave out --header and --no-header",
        ),
        (
            "a.csv",
            b'id,note\n1,"ok"\n2,"not closed\n3,ok\n',
            ReadOptions(),
            "line 3 opens a quote that is never closed: close it",
        ),
        (
            "a.csv.gz",
            gzip.compress(b"x,y\n1,caf\xe9\n"),
            ReadOptions(),
            "line 2, character 6: byte 0xe9 is not UTF-8: save the file as UTF-8, or name its encoding, such as"
            " --encoding latin-1",
        ),
        ("a.csv", b"x;x\n1,5;2\n", ReadOptions(), "columns 1 and 2 are both called 'x': rename one"),
    ],
)
def test_a_wrong_file_is_refused_with_its_cure(
    tmp_path: Path, name: str, content: bytes, options: ReadOptions, message: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(Refused) as refused:
        read(tmp_path / name, options)

    assert str(refused.value) == message


def readable(path: Path, content: bytes) -> None:
    """Read any bytes: they are a table, or refused in lines that can be printed."""
    path.write_bytes(content)
    try:
        found = read(path, ReadOptions())
    except Refused as error:
        lines = str(error).split("\n")
    else:
        lines = [found.place(row) for row in range(len(found))]
        assert {len(column) for column in found.columns.values()} == {len(lines)}
    assert all(line.strip() for line in lines)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200) | st.text('ab1.,;"\n\r\t |\0é', max_size=60).map(str.encode))
def test_random_bytes_are_a_table_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    readable(tmp_path_factory.getbasetemp() / "random.csv", content)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), changes=st.integers(1, 8))
@pytest.mark.parametrize("name", FORMS)
def test_changed_files_are_a_table_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, changes: int
) -> None:
    draw = random.Random(seed)  # noqa: S311 - no secret
    content = bytearray(FORMS[name])
    for _ in range(changes):
        place = draw.randrange(len(content))
        content[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(3))

    readable(tmp_path_factory.getbasetemp() / name, bytes(content))


PEAK = """
import resource, sys
from pathlib import Path
from softmaxd_training.frames import reading
from softmaxd_training.frames.options import ReadOptions
reading.read(Path(sys.argv[1]), ReadOptions())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = reading.read(Path(sys.argv[2]), ReadOptions())
print(len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_stays_within_three_times_the_file(tmp_path: Path) -> None:
    """Each cell needs 4 bytes for its place in place of the 1 of its separator; the blocks in work come on top."""
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    rows = 100_000
    table = pa.table(
        {f"n{column}": [(row * 7919 + column) % 99_991 / 1000 for row in range(rows)] for column in range(20)}
    )
    csv.write_csv(table, large)
    csv.write_csv(table.slice(0, rows // 10), small)

    done = subprocess.run([sys.executable, "-c", PEAK, small, large], capture_output=True, text=True, check=True)

    found, kibibytes = map(int, done.stdout.split())
    assert found == rows
    assert kibibytes * 1024 < 3 * large.stat().st_size
