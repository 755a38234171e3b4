"""CSV and Parquet are told apart by their first bytes, and have the same rows."""

import csv
from collections.abc import Callable
from io import BufferedReader, BytesIO, StringIO
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from softmaxd.models.manifest import Manifest
from softmaxd.models.tables import to_table
from softmaxd.tables import reading
from softmaxd.tables.columns import columns_of
from softmaxd.tables.decoding import features_of
from softmaxd.tables.reading import read_rows
from softmaxd.tables.rows import MISSING
from tests.support import tables


def read(content: bytes) -> tuple[list[str], list[tuple[str, list[bytes]]]]:
    header, found = read_rows(BufferedReader(BytesIO(content)))
    return list(header.names), [
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


PEOPLE = Manifest(name="m", version=1, sha256="0" * 64, labels=("a", "b"), features=tables.FEATURES)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NUMBER = st.floats(allow_nan=False, allow_infinity=False, width=32)
RECORD = st.fixed_dictionaries(
    {
        "age": st.none() | NUMBER,
        "job": st.none() | TEXT.filter(lambda text: text and text.strip() not in MISSING),  # in CSV these are missing
        "income": NUMBER,
        "member": st.booleans(),
        "children": st.integers(-(2**53) + 1, 2**53 - 1),
        "city": TEXT,
    }
)


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    file = BytesIO()
    kinds = [("age", "float64"), ("job", "string"), ("income", "float32"), ("member", "bool"), ("children", "int64")]
    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in [*kinds, ("city", "string")]])
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), file)
    return file.getvalue()


@pytest.mark.parametrize("write", [as_csv, as_parquet])
@given(rows=st.lists(RECORD, min_size=1, max_size=5))
def test_any_row_of_a_table_has_the_bits_that_a_request_gives_it(
    write: Callable[[list[dict[str, Any]]], bytes], rows: list[dict[str, Any]]
) -> None:
    header, (part,) = read_rows(BufferedReader(BytesIO(write(rows))))
    columns = columns_of(header, PEOPLE, keep=False)

    found = features_of(columns.choose(part)[0], PEOPLE)

    expected = to_table(rows, PEOPLE, [])
    for name in PEOPLE.dtype.names or ():
        assert found[name].tolist() == expected[name].tolist() or found[name].tobytes() == expected[name].tobytes()
