"""A table that cannot be trained on is refused in one line with the place, and nothing is written."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow.parquet import write_table

from softmaxd.errors import Refused
from softmaxd.tables import parquet as reader
from softmaxd_training.splitting import split
from softmaxd_training.tablefile import Table, read_table

ROWS = [(f"{number / 7:.3f}", f"{number % 13}", "ab"[number % 2]) for number in range(100)]


def text(*, header: str = "x,y,label", rows: Sequence[tuple[str, ...]] = ROWS) -> str:
    return "\n".join([header, *(",".join(row) for row in rows)]) + "\n"


def with_cell(line: int, column: int, value: str) -> str:
    """Return the table with another value in a line of the file."""
    rows = [list(row) for row in ROWS]
    rows[line - 2][column] = value
    return text(rows=[tuple(row) for row in rows])


def with_labels(*labels: str) -> str:
    """Return a table whose rows have these labels in turn."""
    return text(rows=[(x, y, labels[number % len(labels)]) for number, (x, y, _) in enumerate(ROWS)])


def refusal(file: Path) -> str:
    """Return the one line that says why a table is not read and split."""
    with pytest.raises(Refused) as refused:
        split(read_table(file, "label"), 0)
    (line,) = str(refused.value).splitlines()
    return line


def table_of(folder: Path, content: str) -> Table:
    (folder / "plants.csv").write_text(content)
    return read_table(folder / "plants.csv", "label")


REFUSED = {
    "empty": ("", "plants.csv: it has no header: the first line should name the columns"),
    "only a header": ("x,y,label\n", "plants.csv: it has no rows"),
    "no target": (
        text(header="x,y,species"),
        "plants.csv: it has no column 'label'; its columns are 'x', 'y', 'species'",
    ),
    "semicolons": ("x;y;label\n1;2;a\n", "plants.csv: it has no column 'label'; its columns are 'x;y;label'"),
    "only the target": ("label\na\nb\n", "plants.csv: 'label' is its only column: columns of numbers are needed, too"),
    "column without a name": (text(header="x,,label"), "plants.csv: column 2 has no name"),
    "a name twice": (text(header="x,x,label"), "plants.csv: columns 1 and 2 are both called 'x'"),
    "a long name": (
        text(header=f"x,{'y' * 201},label"),
        "plants.csv: the name of column 2 has 201 characters; 200 are allowed",
    ),
    "short row": (
        with_cell(7, 2, "a").replace("\n0.714,5,a\n", "\n0.714,5\n"),
        "plants.csv: line 7 has 2 values, but the header names 3",
    ),
    "long row": (with_cell(9, 1, "7,7"), "plants.csv: line 9 has 4 values, but the header names 3"),
    "open quotes": (with_cell(50, 0, '"0.7'), "plants.csv: line 50 is not CSV: unexpected end of data"),
    "missing value": (with_cell(12, 1, ""), "plants.csv: column 'y', line 12: the value is missing"),
    "blank value": (with_cell(12, 1, "  "), "plants.csv: column 'y', line 12: the value is missing"),
    "missing label": (with_cell(3, 2, ""), "plants.csv: column 'label', line 3: the label is missing"),
    "not a number": (with_cell(4, 0, "tall"), "plants.csv: column 'x', line 4: 'tall' is not a number"),
    "a number of Python": (with_cell(4, 0, "1_000"), "plants.csv: column 'x', line 4: '1_000' is not a number"),
    "a long text": (
        with_cell(4, 0, "t" * 50),
        f"plants.csv: column 'x', line 4: '{'t' * 39}…' is not a number",
    ),
    "not a number's number": (with_cell(5, 0, "nan"), "plants.csv: column 'x', line 5: 'nan' is not finite as float32"),
    "infinite": (with_cell(5, 0, "-inf"), "plants.csv: column 'x', line 5: '-inf' is not finite as float32"),
    "beyond float32": (with_cell(101, 1, "3.5e38"), "plants.csv: column 'y', line 101: '3.5e38' is not finite"),
    "after a text of two lines": (
        with_cell(3, 1, '"\n3"').replace("0.286,2,a", "0.286,two,a"),
        "plants.csv: column 'y', line 5: 'two' is not a number",
    ),
    "constant column": (
        text(rows=[(x, "1.50" if len(x) > 4 else "1.5", label) for x, _, label in ROWS]),
        "plants.csv: column 'y' has the same value in every row: remove it, as it tells nothing",
    ),
    "constant while training": (
        text(rows=[(x, "9" if number == 31 else "1", label) for number, (x, _, label) in enumerate(ROWS)]),
        "column 'y' has the same value in every training row: remove it",
    ),
    "tiny values": (
        text(rows=[(x, f"{y}e-38", label) for x, y, label in ROWS]),
        "column 'y' has a standard deviation of 3.5e-38: use another unit",
    ),
    "one label": (with_labels("a"), "plants.csv: column 'label' has only the label 'a': two or more are needed"),
    "a rare label": (
        with_cell(20, 2, "c"),
        "plants.csv: label 'c' of column 'label' has only 1 row: every label needs 10 or more",
    ),
    "labels like numbers": (
        with_labels("1", "2", "1.0"),
        "plants.csv: labels '1' and '1.0' of column 'label' are the same number",
    ),
    "a colon": (
        with_cell(6, 2, "a:b"),
        "plants.csv: column 'label', line 6: 'a:b' cannot be a label: a label has 1 to 200 characters,"
        " without colons and control characters",
    ),
    "a control character": (
        with_cell(6, 2, "a\x07b"),
        "plants.csv: column 'label', line 6: 'a\\x07b' cannot be a label",
    ),
    "a long label": (with_cell(6, 2, "a" * 201), "plants.csv: column 'label', line 6: "),
    "few rows": (
        text(rows=ROWS[:92]),
        "92 rows are too few: 18 of them would be for calibration, and a coverage of 95 % needs 19",
    ),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_a_table_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "plants.csv").write_text(content)

    assert refusal(tmp_path / "plants.csv").startswith(message)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_of_another_encoding_is_refused(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "plants.csv"
    file.write_bytes(with_cell(8, 2, "fougère").encode(encoding))

    line = 8 if encoding == "latin-1" else 1
    assert refusal(file) == f"plants.csv: line {line} is not UTF-8: save the table as UTF-8"


def test_a_table_is_read_as_it_stands_there(tmp_path: Path) -> None:
    rows = [("-1.5e2", " 7 ", f'"{label}"') for label in ("b", "a, or not", "ü") for _ in range(9)]
    rows += [("0.1", "8", label) for label in ("b", '"a, or not"', "ü")]
    table = table_of(tmp_path, "\ufeff" + text(header='label,"y 1", x ', rows=[(c, a, b) for a, b, c in rows]) + "\n\n")

    assert table.names == ("y 1", "x")
    assert table.labels == ("a, or not", "b", "ü")
    assert table.rows.features[0].tolist() == [-150, 7]
    assert table.rows.features[-1].tolist() == [np.float32(0.1), 8]
    assert table.rows.classes.tolist() == [1] * 9 + [0] * 9 + [2] * 9 + [1, 0, 2]


def test_lines_of_windows_are_counted_as_lines(tmp_path: Path) -> None:
    (tmp_path / "plants.csv").write_bytes(with_cell(12, 1, "").replace("\n", "\r\n").encode())

    assert refusal(tmp_path / "plants.csv") == "plants.csv: column 'y', line 12: the value is missing"


@pytest.mark.parametrize(
    ("labels", "order"),
    [(("10", "9", "-1.5"), ("-1.5", "9", "10")), (("10", "9", "x"), ("10", "9", "x")), (("nan", "2"), ("2", "nan"))],
)
def test_labels_are_sorted_and_numbers_by_their_value(
    labels: tuple[str, ...], order: tuple[str, ...], tmp_path: Path
) -> None:
    table = table_of(tmp_path, with_labels(*labels))

    assert table.labels == order
    assert [order[index] for index in table.rows.classes[: len(labels)]] == list(labels)


def parquet(path: Path, **columns: list[object]) -> Path:
    write_table(pyarrow.table(columns), path)
    return path


def test_a_parquet_file_gives_the_same_table(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {
        "x": [float(x) for x, _, _ in ROWS],
        "y": [int(y) for _, y, _ in ROWS],
        "label": [label for _, _, label in ROWS],
    }
    written, read = table_of(tmp_path, text()), read_table(parquet(tmp_path / "plants.parquet", **columns), "label")

    assert (read.names, read.labels) == (written.names, written.labels)
    assert np.array_equal(read.rows.features, written.rows.features)
    assert np.array_equal(read.rows.classes, written.rows.classes)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": (None, 2.5)}, "plants.parquet: column 'x', row 1: the value is missing"),
        ({"x": (float("nan"), 2.5)}, "plants.parquet: column 'x', row 1: the value is missing"),
        ({"x": ([1], [2])}, "plants.parquet: column 'x' is list<element: int64>: save it as numbers"),
        ({"label": ([1], [2])}, "plants.parquet: its column label is list<element: int64>: save it as text"),
        ({"label": (b"\xff", b"a")}, "plants.parquet: row 1, column label is not UTF-8: save the table as UTF-8"),
        ({"y": ("2", "3")}, "plants.parquet: column 'y' is text: save it as numbers"),
        ({"y": (True, False)}, "plants.parquet: column 'y', row 1: 'true' is not a number"),
        ({"label": (None, 7)}, "plants.parquet: column 'label', row 1: the label is missing"),
        ({}, "plants.parquet: column 'label' has only the label '7'"),
    ],
)
def test_a_parquet_file_is_refused(changed: dict[str, tuple[object, object]], message: str, tmp_path: Path) -> None:
    columns: dict[str, tuple[object, object]] = {"x": (1.5, 2.5), "y": (2, 3), "label": (7, 7), **changed}
    file = parquet(
        tmp_path / "plants.parquet", **{name: [first, *[rest] * 9] for name, (first, rest) in columns.items()}
    )

    assert refusal(file).startswith(message)


def test_a_broken_parquet_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plants.parquet").write_bytes(b"PAR1 and then nothing")

    assert refusal(tmp_path / "plants.parquet").startswith("plants.parquet: it cannot be read as Parquet: ")


def test_without_pyarrow_a_parquet_file_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plants.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr(reader, "find_spec", lambda _name: None)

    assert refusal(tmp_path / "plants.parquet").startswith("plants.parquet: it is a Parquet file, which needs pyarrow")
