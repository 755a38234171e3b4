"""A Parquet file is read as the CSV file of the same table."""

import importlib.util
import io
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from softmaxd.errors import Refused
from softmaxd.scoring.parquet import blocks_of_parquet


def written(columns: dict[str, Any]) -> io.BytesIO:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)
    return file


def test_a_table_is_csv_with_the_digits_that_round_trip() -> None:
    exact = np.array([0.1, 7.0385307e-26], dtype=np.float32)
    file = written({"x": exact, "y": [0.1, None], "z": [1, 2**53], "a,b": ["no", 'say "yes"']})

    header, *lines = b"".join(blocks_of_parquet(file)).decode().splitlines()

    assert header == 'x,y,z,"a,b"'
    assert [line.split(",")[1:] for line in lines] == [
        ["0.1", "1", '"no"'],
        ["", "9007199254740992", '"say ""yes"""'],
    ]
    assert [np.float32(line.split(",")[0]) for line in lines] == exact.tolist()


def test_a_large_table_comes_in_pieces() -> None:
    blocks = list(blocks_of_parquet(written({"x": np.arange(20_000)})))

    assert len(blocks) == 4
    assert b"".join(blocks) == b"x\n" + b"".join(b"%d\n" % number for number in range(20_000))


def test_a_row_without_any_value_is_no_empty_line() -> None:
    with pytest.raises(Refused, match=r"^its column x has rows without a value$"):
        list(blocks_of_parquet(written({"x": [1.5, None]})))


def test_a_broken_file_is_refused_in_one_line() -> None:
    with pytest.raises(Refused, match=r"^[^\n]+$"):
        list(blocks_of_parquet(io.BytesIO(b"PAR1 and no more")))


def test_without_pyarrow_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(Refused, match="needs pyarrow: python -m pip install pyarrow, or save it as CSV"):
        list(blocks_of_parquet(io.BytesIO()))
