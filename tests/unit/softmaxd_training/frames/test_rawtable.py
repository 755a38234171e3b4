import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from softmaxd_training.frames.rawtable import Places, RawTable


@pytest.mark.parametrize(("row", "place"), [(0, "line 2"), (1, "line 3"), (2, "line 6"), (3, "line 7"), (4, "line 9")])
def test_a_row_is_found_behind_quoted_newlines_and_empty_lines(row: int, place: str) -> None:
    places = Places("line", 2, np.array([2, 4]), np.array([2, 3]))

    assert places.of(row) == place


def test_rows_of_other_files_are_counted() -> None:
    table = RawTable({"x": pa.chunked_array([[1, 2], [3]])}, False, ".", (), "")

    assert (len(table), table.place(0), table.place(2)) == (3, "row 1", "row 3")


def test_a_table_without_columns_has_no_rows() -> None:
    assert len(RawTable({}, True, ".", (), "")) == 0


RELEASE = """
import resource
import pyarrow as pa
from softmaxd_training.frames.rawtable import release
def memory() -> int:
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
texts = [pa.array([str(number) for number in range(first, first + 100_000)]) for first in range(0, 4_000_000, 100_000)]
del texts
before = memory()
release()
print(before - memory())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_memory_of_a_table_that_is_gone_is_given_back() -> None:
    found = subprocess.run([sys.executable, "-c", RELEASE], capture_output=True, check=True, text=True)

    assert int(found.stdout) > 10_000_000  # of 44 MB that were in use
