"""CSV and Parquet are told apart by their first bytes."""

from io import BufferedReader, BytesIO

import pyarrow
import pytest
from pyarrow import parquet

from softmaxd.tables import reading
from softmaxd.tables.reading import read_rows


def read(content: bytes) -> tuple[list[str], list[tuple[str, list[bytes]]]]:
    names, found = read_rows(BufferedReader(BytesIO(content)))
    return names, [
        (rows.place(index), [cell or b"" for cell in cells])
        for rows in found
        for index, cells in enumerate(rows.cells())
    ]


def test_a_parquet_file_has_the_rows_of_the_same_csv() -> None:
    file = BytesIO()
    parquet.write_table(pyarrow.table({"x": [1, 2], "y": ["a", "b"]}), file)

    assert read(b"x,y\n1,a\n2,b\n") == (["x", "y"], [("line 2", [b"1", b"a"]), ("line 3", [b"2", b"b"])])
    assert read(file.getvalue()) == (["x", "y"], [("row 1", [b"1", b"a"]), ("row 2", [b"2", b"b"])])


def test_a_csv_file_is_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK", 3)

    assert read(b"x\n1\n2\n")[1] == [("line 2", [b"1"]), ("line 3", [b"2"])]
