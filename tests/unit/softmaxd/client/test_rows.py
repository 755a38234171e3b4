import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from softmaxd.client.errors import InvalidRequest
from softmaxd.client.rows import as_rows, body_of


class PolarsColumn:
    """As a Series of polars: its missing values are None."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def to_list(self) -> list[Any]:
        return self.values


class PolarsFrame:
    """As a DataFrame of polars, which names its columns in a list."""

    columns = ("a", "b")

    def __getitem__(self, name: str) -> PolarsColumn:
        values: dict[str, list[Any]] = {"a": [1, 2, 3], "b": ["x", None, "z"]}
        return PolarsColumn(values[name])


@pytest.mark.parametrize(
    ("instances", "expected"),
    [
        (np.array([[1, 2], [3, 4], [5, 6]]), [[3, 4], [5, 6]]),
        (np.arange(12).reshape(3, 2, 2), [[[4, 5], [6, 7]], [[8, 9], [10, 11]]]),
        ([[1, 2], (3, 4), np.array([5, 6])], [[3, 4], [5, 6]]),
        ([{"a": 1}, {"a": np.float64(0.1)}, {"a": np.bool_(True)}], [{"a": 0.1}, {"a": True}]),
        ({"a": [1, 2, 3], "b": np.array([4, 5, 6])}, [{"a": 2, "b": 5}, {"a": 3, "b": 6}]),
        (PolarsFrame(), [{"a": 2, "b": None}, {"a": 3, "b": "z"}]),
        (
            pd.DataFrame({"a": [1.5, np.nan, 2.5], 7: pd.array([1, 2, None], dtype="Int64")}),
            [{"a": None, "7": 2}, {"a": 2.5, "7": None}],
        ),
        (
            pd.DataFrame({"a": ["x", None, "z"], "b": [True, False, True]}),
            [{"a": None, "b": False}, {"a": "z", "b": True}],
        ),
    ],
    ids=["array", "tensor", "lists", "records", "columns", "polars", "pandas", "pandas texts"],
)
def test_rows_can_be_cut_and_written(instances: Any, expected: list[Any]) -> None:
    rows = as_rows(instances)

    assert rows.count == 3
    assert json.loads(body_of({"instances": rows.cut(1, 3)})) == {"instances": expected}


@pytest.mark.parametrize(
    ("instances", "width"), [(np.zeros((3, 2, 5)), 10), ([[1, 2, 3]], 3), ({"a": [1], "b": [2]}, 2), ([], 0)]
)
def test_the_width_is_that_of_a_row(instances: Any, width: int) -> None:
    assert as_rows(instances).width == width


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        (np.array([1.0, 2.0]), r"rows and columns, not the shape \(2,\); of one row: array\[None\]"),
        ({"a": [1], "b": [2, 3]}, r"the same number of rows, not \{'a': 1, 'b': 2\}"),
        ({}, "the same number of rows"),
        ({"a": 1.0}, r"a list of values for each column; of one row: \[row\]"),
        ({"a": "text"}, "a list of values for each column"),
        ({"a": np.array(1.0)}, "a list of values for each column"),
        (np.array([["2026-11-27"]], dtype="M8[ns]"), r"numbers, texts or booleans, not datetime64\[ns\]$"),
        ({"a": np.array([1], dtype="m8[s]")}, r"numbers, texts or booleans, not timedelta64\[s\]$"),
        (pd.DataFrame([[1, 2, 3, 4]], columns=["b", "a", "b", "a"]), r"a name of its own; given twice: a, b$"),
        ({1: [1], "1": [2]}, r"a name of its own; given twice: 1$"),
        ("text", "instances must be rows or a table, not str"),
        (7, "instances must be rows or a table, not int"),
    ],
)
def test_other_than_rows_is_refused(instances: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        as_rows(instances)


@pytest.mark.parametrize(
    ("value", "name"),
    [(object(), "object"), (np.datetime64(1, "ns"), "datetime64"), (np.clongdouble(1), "clongdouble")],
)
def test_a_value_that_json_cannot_have_is_named(value: object, name: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^The values cannot be written as JSON: {name} is no number"):
        body_of({"instances": [[value]]})


def test_the_longest_floats_of_numpy_are_rounded() -> None:
    assert json.loads(body_of({"x": np.array([1.5, 2], dtype=np.longdouble)})) == {"x": [1.5, 2]}


def test_a_number_is_written_so_that_it_reads_back_the_same() -> None:
    value = 0.1 + 0.2

    assert json.loads(body_of({"x": [np.float64(value), value]})) == {"x": [value, value]}
