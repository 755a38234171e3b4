"""A table to measure memory with has the asked size, and two labels that its columns tell."""

import csv
from pathlib import Path

from benchmarks.large import write


def test_a_table_has_the_rows_and_columns_that_were_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "large.csv", 300, 2, 1)

    with (tmp_path / "large.csv").open() as file:
        names, *rows = csv.reader(file)
    assert names == ["n0", "n1", "t0", "y"]
    assert [len(row) for row in rows] == [4] * 300
    assert {row[3] for row in rows} == {"yes", "no"}
    assert all(row[2].startswith("text") for row in rows)
    assert len({row[0] for row in rows}) > 290, "measurements seldom repeat"
