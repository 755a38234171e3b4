"""The rows of a Parquet file, a piece at a time, as text."""

import io
import re
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from softmaxd.errors import Refused, pip_install
from softmaxd.tables import parquet as module
from softmaxd.tables.parquet import ROWS, read_parquet
from softmaxd.tables.rows import ColumnType, Header, Rows


def read(columns: dict[str, Any]) -> tuple[Header, list[Rows]]:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)
    header, rows = read_parquet(file)
    return header, list(rows)


def test_numbers_have_the_digits_that_round_trip() -> None:
    exact = np.array([0.1, 7.0385307e-26], dtype=np.float32)

    header, (rows,) = read({"x ": exact, "y": [0.1, None], "z": [1, 2**53]})

    types = [ColumnType("number", "float"), ColumnType("number", "double"), ColumnType("number", "int64")]
    assert header == Header(["x ", "y", "z"], types)
    assert [row[1:] for row in rows.cells()] == [(b"0.1", b"1"), (None, b"9007199254740992")]
    assert [np.float32(row[0] or b"") for row in rows.cells()] == exact.tolist()
    assert [rows.place(index) for index in (0, 1)] == ["row 1", "row 2"]


def test_a_negative_zero_keeps_its_sign() -> None:
    _, (rows,) = read({"x": [-0.0, 0.0, -1.0], "text": ["-0", "", "-1"]})

    assert rows.cells() == [(b"-0.0", b"-0"), (b"0", b""), (b"-1", b"-1")]
    assert read({"x": [1.5, -0.0]})[1][0].cells() == [(b"1.5",), (b"-0.0",)]


def test_texts_stay_as_they_are_and_missing_ones_are_missing() -> None:
    columns = {
        "text": ["a,b", 'say "yes"\n', "", None],
        "category": pyarrow.array(["low", "high", None, "low"]).dictionary_encode(),
        "number": [1.0, None, 2.5, 1e22],
        "truth": [True, False, None, True],
        "day": [date(2026, 1, 2)] * 4,
        "list": [[1], [2], None, []],
        "bytes": [b"a", b"\xff", b"", None],
    }

    header, (rows,) = read(columns)

    assert [kind for kind, _ in header.types] == [
        "text",
        "text",
        "number",
        "boolean",
        "time",
        "other",
        "text",
    ]
    assert [list(column) for column in zip(*rows.cells(), strict=True)] == [
        [b"a,b", b'say "yes"\n', b"", None],
        [b"low", b"high", None, b"low"],
        [b"1", None, b"2.5", b"1e+22"],
        [b"true", b"false", None, b"true"],
        [b"2026-01-02"] * 4,
        [None] * 4,
        [b"a", b"\xff", b"", None],
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *(
            (each, "text")
            for each in (
                pyarrow.string(),
                pyarrow.large_string(),
                pyarrow.string_view(),
                pyarrow.binary(),
                pyarrow.large_binary(),
                pyarrow.binary_view(),
                pyarrow.binary(2),
                pyarrow.dictionary(pyarrow.int32(), pyarrow.large_string()),
                pyarrow.dictionary(pyarrow.int32(), pyarrow.binary()),
            )
        ),
        (pyarrow.float16(), "number"),
        (pyarrow.uint64(), "number"),
        (pyarrow.decimal128(5, 2), "number"),
        (pyarrow.timestamp("us", "UTC"), "time"),
        (pyarrow.duration("s"), "time"),
        (pyarrow.null(), "nothing"),
        (pyarrow.list_(pyarrow.string()), "other"),
        (pyarrow.struct({"a": pyarrow.int64()}), "other"),
        (pyarrow.map_(pyarrow.string(), pyarrow.int64()), "other"),
    ],
    ids=str,
)
def test_a_column_has_the_kind_of_its_type(kind: Any, expected: str) -> None:
    values = ["ab", None] if expected == "text" else [None, None]

    header, (rows,) = read(
        {"x": pyarrow.array(values, pyarrow.string()).cast(kind) if values[0] else pyarrow.nulls(2, kind)}
    )

    assert header.types[0].kind == expected
    assert rows.cells() == [(values[0] and b"ab",), (None,)]


def test_bytes_that_are_no_utf_8_spoil_no_other_cell() -> None:
    texts = pyarrow.array([b"clerk", b"\xff"])
    strings = pyarrow.Array.from_buffers(pyarrow.string(), 2, texts.buffers())

    _, (rows,) = read({"bytes": texts, "strings": strings, "category": texts.dictionary_encode()})

    assert rows.cells() == [(b"clerk",) * 3, (b"\xff",) * 3]


def test_nan_is_a_missing_number() -> None:
    assert read({"x": [1.5, np.nan]})[1][0].cells() == [(b"1.5",), (None,)]


def test_dates_beyond_those_of_python_are_told_as_such() -> None:
    days = pyarrow.array([0, 2**30], pyarrow.int32()).cast(pyarrow.date32())
    seconds = pyarrow.array([1, 2**62], pyarrow.int64()).cast(pyarrow.duration("s"))

    _, (rows,) = read({"day": days, "seconds": seconds, "tags": [["a"], []]})

    assert rows.cells() == [
        (b"1970-01-01", b"1", None),
        (b"<value out of range: 1073741824>", b"4611686018427387904", None),
    ]


def test_a_large_table_comes_in_pieces() -> None:
    _, pieces = read({"x": np.arange(20_000)})

    assert [len(rows) for rows in pieces] == [ROWS, ROWS, 20_000 - 2 * ROWS]
    assert [text for rows in pieces for text in rows.lines()] == [b"%d" % number for number in range(20_000)]
    assert pieces[1].place(0) == f"row {ROWS + 1}"


def test_rows_that_were_written_at_once_are_not_all_held_at_once(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    columns = {f"x{index}": np.random.default_rng(index).normal(size=100_000) for index in range(8)}
    parquet.write_table(pyarrow.table(columns), file, row_group_size=100_000)

    with file.open("rb") as source:
        tracemalloc.start()
        _, rows = read_parquet(source)
        next(rows)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert held < file.stat().st_size / 2


def test_a_row_without_any_value_is_a_row() -> None:
    _, (rows,) = read({"x": [1.5, None]})

    assert rows.cells() == [(b"1.5",), (None,)]


def test_a_broken_file_is_refused_in_one_line() -> None:
    with pytest.raises(Refused, match=r"^it cannot be read as Parquet: [^\n]+$"):
        read_parquet(io.BytesIO(b"PAR1 and no more"))


def test_a_file_with_a_broken_page_is_refused_in_one_line() -> None:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"x": np.arange(20_000)}), file, compression="gzip", use_dictionary=False)
    content = bytearray(file.getvalue())
    content[20:200] = bytes(180)
    _, rows = read_parquet(io.BytesIO(content))

    with pytest.raises(Refused, match=r"^it cannot be read as Parquet: [^\n]+$"):
        list(rows)


def test_without_pyarrow_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)

    with pytest.raises(Refused, match=f"needs pyarrow: {re.escape(pip_install('pyarrow'))}, or save it as CSV"):
        read_parquet(io.BytesIO())
