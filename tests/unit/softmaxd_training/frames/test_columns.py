"""Every column of a table is understood, and all problems are told at once."""

import datetime
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from softmaxd.errors import Refused
from softmaxd_training.frames.columns import frame_of, read_frame
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.missing import WORDS
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.plan import plan_lines
from softmaxd_training.frames.rawtable import RawTable
from tests.support.frames import csv_table, csv_tables, options_of, typed_table
from tests.support.paths import REPOSITORY

OPTIONS = ColumnOptions("y")
Y = ["a", "b"] * 10


def refusal(table: RawTable, options: ColumnOptions = OPTIONS) -> list[str]:
    with pytest.raises(Refused) as refused:
        frame_of(table, options)
    return str(refused.value).splitlines()


def test_the_frame_of_a_file_has_the_notes_of_its_reading(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("age;job;y\n" + "17;nurse;a\n90;clerk;b\n" * 10)

    frame = read_frame(tmp_path / "jobs.csv", ReadOptions(), OPTIONS)

    assert (frame.notes, frame.number_names, frame.text_names) == (("separator: semicolon",), ("age",), ("job",))
    assert (frame.numbers[:2].tolist(), frame.texts[:2].tolist()) == ([[17], [90]], [["nurse"], ["clerk"]])


def test_a_frame_has_numbers_texts_and_classes_of_every_row() -> None:
    table = csv_table(age=["17", "NA", "90", "17"] * 5, y=["b", "a"] * 10, job=["nurse", "clerk", "?", ""] * 5)

    frame = frame_of(table, OPTIONS)

    np.testing.assert_array_equal(frame.numbers, np.array([[17], [np.nan], [90], [17]] * 5, np.float32))
    assert frame.texts.tolist() == [["nurse"], ["clerk"], [""], [""]] * 5
    assert frame.classes.tolist() == [1, 0] * 10
    assert (frame.labels, frame.number_names, frame.text_names) == (("a", "b"), ("age",), ("job",))
    assert [each.dtype.name for each in (frame.numbers, frame.texts, frame.classes)] == ["float32", "object", "int64"]
    assert [(each.name, each.kind, each.missing, each.categories) for each in frame.columns] == [
        ("age", "number", ("NA",), ()),
        ("y", "target", (), ()),
        ("job", "category", ("", "?"), ("clerk", "nurse")),
    ]
    assert frame.sha256 == table.sha256


def test_the_constant_columns_of_the_digits_are_told_in_one_run() -> None:
    pixels, digits = load_digits(return_X_y=True)
    columns = {f"pixel_{place}": pa.array(column) for place, column in enumerate(pixels.T)}

    frame = frame_of(typed_table(**columns, digit=pa.array(digits)), ColumnOptions("digit"))

    dropped = {each.name: each.line for each in frame.columns if each.kind == "dropped"}
    assert dropped == dict.fromkeys(("pixel_0", "pixel_32", "pixel_39"), "has the same value in every row: 0")
    assert frame.numbers.shape == (1797, 61)
    assert frame.labels == tuple("0123456789")


@pytest.mark.parametrize(
    ("texts", "kind", "line"),
    [
        (["true", "false"] * 10, "category", "2 texts: 'false', 'true'"),
        (["0", "1"] * 10, "number", "whole numbers, 0 to 1"),
        ([""] * 20, "dropped", "has no values"),
        (["no"] * 19 + ["yes"], "category", "2 texts: 'no', 'yes'"),
        (
            ["007", "012"] * 10,
            "category",
            "2 texts: '007', '012'; has leading zeros as codes have: `--number x` makes it a number",
        ),
        (["0.5", "0"] * 10, "number", "0 to 0.5"),
    ],
)
def test_texts_of_a_csv_are_judged_by_their_values(texts: list[str], kind: str, line: str) -> None:
    column = frame_of(csv_table(x=texts, z=["1", "2"] * 10, y=Y), OPTIONS).columns[0]

    assert (column.kind, column.line) == (kind, line)


@pytest.mark.parametrize(
    ("column", "kind", "line"),
    [
        (pa.array([True, False, None, True] * 5), "category", "2 texts: 'false', 'true'; 5 missing"),
        (pa.array(["1", "2"] * 10), "category", "2 texts: '1', '2'"),
        (pa.array([1.5, None] * 10), "number", "1.5; 10 missing"),
        (pa.array([1, 2] * 10, pa.int8()), "number", "whole numbers, 1 to 2"),
        (pa.nulls(20), "dropped", "has no values"),
        (pa.array(["1", "2"] * 10).dictionary_encode(), "category", "2 texts: '1', '2'"),
    ],
)
def test_columns_with_a_type_keep_it(column: pa.Array, kind: str, line: str) -> None:
    found = frame_of(typed_table(x=column, z=pa.array([1, 2] * 10), y=pa.array(Y)), OPTIONS).columns[0]

    assert (found.kind, found.line) == (kind, line)


def test_the_user_decides_the_kind_of_a_column() -> None:
    table = csv_table(
        grade=["1", "2"] * 10,
        zip=["007", "008"] * 10,
        seen=["20240131", "20230130"] * 10,
        id=[*map(str, range(20))],
        y=Y,
    )

    frame = frame_of(table, ColumnOptions("y", category=("grade",), number=("zip", "id"), date=("seen",)))

    assert frame.text_names == ("grade",)
    assert frame.number_names == ("zip", "seen_year", "seen_weekday", "seen_day", "id")


@pytest.mark.parametrize(
    ("column", "options", "names"),
    [
        (pa.array([True, False] * 10), ColumnOptions("y", number=("x",)), (("x",), ())),
        (pa.array([1, 2] * 10), ColumnOptions("y", category=("x",)), ((), ("x",))),
        (pa.array(["1,", "2"] * 10), ColumnOptions("y", category=("x",)), ((), ("x",))),
        (pa.array(["1", "2"] * 10), ColumnOptions("y", number=("x",)), (("x",), ())),
        (pa.array([datetime.date(2024, 1, 1), None] * 10), ColumnOptions("y", category=("x",)), ((), ("x",))),
    ],
)
def test_the_user_decides_against_a_type(
    column: pa.Array, options: ColumnOptions, names: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    frame = frame_of(typed_table(x=column, y=pa.array(Y)), options)

    assert (frame.number_names, frame.text_names) == names


def test_decimal_commas_are_numbers() -> None:
    frame = frame_of(csv_table(x=["1,5", "2"] * 10, y=Y, decimal=","), OPTIONS)

    assert frame.numbers[:2].tolist() == [[1.5], [2]]


def test_all_problems_of_a_table_are_told_at_once() -> None:
    table = csv_table(
        age=["17"] * 19 + ["old"],
        born=["2001-02-03", "2002-03-04"] * 10,
        seen=["20010203", "20020304"] * 10,
        left=["2001-02-03", "03.02.2001"] * 10,
        size=["1e99"] + ["1"] * 19,
        y=["a"] * 19 + ["b"],
    )

    assert refusal(table) == [
        "column 'age': 1 of 20 values are not numbers, such as 'old' (line 21): correct them; or `--missing old` takes"
        " this text as missing; or `--category age` takes all as texts",
        "column 'born' has dates, such as '2001-02-03': `--date born` makes year, month, weekday and day number of it,"
        " `--category born` takes the texts",
        "column 'seen' has dates, such as '20010203': `--date seen` makes year, month, weekday and day number of it,"
        " `--category seen` takes the texts",
        "column 'left' has dates in several forms, such as '2001-02-03' and '03.02.2001': write them as year-month-day,"
        " or `--category left` takes the texts",
        "column 'size', line 2: '1e99' is not finite as float32: leave the cell empty if it is unknown",
        "column 'y' has labels with fewer than 10 rows, 'b' (1): add rows, `--merge-rare OTHER` makes one label of"
        " them",
    ]


@pytest.mark.parametrize(
    ("table", "options", "problems"),
    [
        (
            csv_table(x=["1"], y=["a"]),
            ColumnOptions("z"),
            ["it has no column 'z' for --target; its columns are 'x', 'y'"],
        ),
        (csv_table(x=[], y=[]), OPTIONS, ["it has no rows"]),
        (
            csv_table(x=["1"] * 20, z=[""] * 20, y=Y),
            OPTIONS,
            [
                "no column is left to learn from: 'x' has the same value in every row: 1; 'z' has no values",
            ],
        ),
        (csv_table(y=Y), OPTIONS, ["no column is left to learn from: the target is the only one"]),
        (
            csv_table(seen=["2024-01-31", "2023-01-30"] * 10, seen_year=["1", "2"] * 10, y=Y),
            ColumnOptions("y", date=("seen",)),
            ["a part of a date would be called 'seen_year' as another column is: rename that column"],
        ),
        (
            csv_table({"n" * 201: ["1", "2"] * 10}, y=Y),
            OPTIONS,
            [f"the name '{'n' * 39}…' has 201 characters; 200 are allowed"],
        ),
        (
            typed_table(x=pa.array([[1], [2]] * 10), t=pa.array([datetime.time(1), None] * 10), y=pa.array(Y)),
            OPTIONS,
            [
                "column 'x' is list<item: int64>: save it as numbers or as text, or leave it out",
                "column 't' is time64[us]: save it as numbers or as text, or leave it out",
            ],
        ),
        (
            typed_table(x=pa.array([datetime.date(2024, 1, 1), None] * 10), y=pa.array(Y)),
            ColumnOptions("y", number=("x",)),
            [
                "column 'x' has dates, such as '2024-01-01': `--date x` makes year, month, weekday and day number of"
                " it, `--category x` takes the texts"
            ],
        ),
        (
            typed_table(x=pa.array(["1,234.50", "7%"] * 10), y=pa.array(Y)),
            OPTIONS,
            [
                "column 'x' has numbers such as '1,234.50' (row 1): write them without marks of thousands and percent"
                " signs; or `--category x` takes the texts"
            ],
        ),
        (
            typed_table(x=pa.array([True, None] * 10), y=pa.array(Y)),
            ColumnOptions("y", date=("x",)),
            [
                "column 'x': 10 of 10 values are not dates, such as 'true' (row 1): write them as year-month-day, or"
                " `--missing true` takes this text as missing"
            ],
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(table: RawTable, options: ColumnOptions, problems: list[str]) -> None:
    assert refusal(table, options) == problems


PEAK = """
import resource
import numpy as np, pyarrow as pa
from softmaxd_training.frames.columns import frame_of
from softmaxd_training.frames.decisions import ColumnOptions
from tests.support.frames import csv_table

def table(rows):
    numbers = pa.array(np.arange(rows) % 9973 / 8).cast(pa.string())
    texts = pa.array([f"text {place}" for place in range(20)]).take(pa.array(np.arange(rows) % 20))
    columns = {f"n{place}": numbers for place in range(10)} | {f"t{place}": texts for place in range(10)}
    return csv_table(columns, y=pa.array(["a", "b"]).take(pa.array(np.arange(rows) % 2)))

frame_of(table(1000), ColumnOptions("y"))
large = table(300_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
frame = frame_of(large, ColumnOptions("y"))
print(frame.numbers.nbytes + frame.texts.nbytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_is_that_of_the_frame_and_of_the_columns_at_work() -> None:
    """The numbers exist twice when they are put together, and a column at work has 20 copies of 8 bytes a cell."""
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True, cwd=REPOSITORY)

    frame_bytes, kibibytes = map(int, done.stdout.split())
    assert frame_bytes == 300_000 * (10 * 4 + 10 * 8)
    assert kibibytes * 1024 < frame_bytes + 300_000 * (10 * 4 + 10 + 20 * 8)


@given(st.data())
def test_every_table_is_either_refused_or_kept_row_by_row(data: st.DataObject) -> None:
    table = data.draw(csv_tables())
    options = data.draw(options_of(table))

    try:
        frame = frame_of(table, options)
    except Refused as refused:
        assert str(refused)  # noqa: PT017 - either is right
        return

    missing = {*WORDS, *options.missing}
    cells = {name: column.to_pylist() for name, column in table.columns.items()}
    assert list(dict.fromkeys(column.source for column in frame.columns)) == list(cells)
    assert [frame.labels[place] for place in frame.classes] == cells["y"] or options.merge_rare
    for name, texts in zip(frame.text_names, frame.texts.T, strict=True):
        assert texts.tolist() == ["" if cell in missing else cell for cell in cells[name]]
    for name, numbers in zip(frame.number_names, frame.numbers.T, strict=True):
        if name in cells:  # else it is a part of a date
            pointed = ["nan" if cell in missing else cell.replace(table.decimal, ".") for cell in cells[name]]
            np.testing.assert_array_equal(numbers, np.array(pointed, np.float64).astype(np.float32))
    assert len(plan_lines(frame)) == 1 + len(frame.columns)
