"""The inputs of a graph are rows of numbers, or columns of a table; others are refused with a reason."""

import re

import pytest

from softmaxd.adding.graphs import Input
from softmaxd.adding.inputs import column_names, find_inputs
from softmaxd.adding.tables import Table
from softmaxd.errors import Refused
from softmaxd.models.engine import Nodes


def test_numbers_of_one_input_are_no_table() -> None:
    assert find_inputs({"x": ("tensor(int64)", ["n", 3])}, None) == Input("x", "int64", (3,), None)
    assert find_inputs({"x": ("tensor(bool)", [2, 3])}, None) == Input("x", "bool", (3,), 2)
    assert find_inputs({"x": ("tensor(float)", ["n", 3, 4])}, None) == Input("x", "float", (3, 4), None)


def test_several_inputs_or_texts_are_a_table() -> None:
    assert find_inputs({"a": ("tensor(float)", ["n", 2]), "b": ("tensor(string)", [None])}, None) == Table(
        (Input("a", "float", (2,), None), Input("b", "string", (), None))
    )
    assert find_inputs({"x": ("tensor(string)", [1, 3])}, None) == Table((Input("x", "string", (3,), 1),))
    assert find_inputs({"x": ("tensor(string)", ["n", None])}, ["a", "b"]) == Table((Input("x", "string", (2,), None),))


@pytest.mark.parametrize(
    ("inputs", "features", "message"),
    [
        (
            {"a": ("tensor(float)", ["n", 3, 8, 8]), "b": ("tensor(float)", ["n", 2])},
            None,
            "beside other inputs it must",
        ),
        ({"a": ("tensor(float)", []), "b": ("tensor(float)", ["n", 2])}, None, "input a has the shape "),
        ({"a": ("tensor(float)", ["n", 0]), "b": ("tensor(float)", ["n", 2])}, None, "input a has the shape "),
        ({"a": ("tensor(float)", ["n", None]), "b": ("tensor(float)", ["n", 2])}, ["a"], "with its number of columns"),
        ({"a": ("tensor(complex64)", ["n", 1]), "b": ("tensor(float)", ["n", 2])}, None, "only numbers, booleans and"),
        ({"a": ("tensor(bfloat16)", ["n", 1]), "b": ("tensor(float)", ["n", 2])}, None, "which NumPy does not have"),
        ({"a": ("tensor(float)", ["n", 1]), "b": ("tensor(float)", ["n", 2])}, ["a"], "needs 3 names, one per column"),
        (
            {"x": ("tensor(string)", ["n", 2, 2])},
            None,
            r"\[n, 2, 2\]: texts must be columns, \[n, features\] or \[n\]$",
        ),
        ({"a": ("tensor(float)", ["n", 1]), "": ("tensor(float)", ["n", 1])}, None, "^an input has no name: "),
        ({"x": ("seq(tensor(float))", [])}, None, "only numbers, booleans and texts are supported$"),
    ],
)
def test_inputs_that_are_no_columns_are_refused(inputs: Nodes, features: list[str] | None, message: str) -> None:
    with pytest.raises(Refused, match=message):
        find_inputs(inputs, features)


@pytest.mark.parametrize(
    ("inputs", "shape", "most"),
    [
        ({"x": ("tensor(float)", ["n", 2**40])}, "[n, 1099511627776]", 2**18),
        ({"x": ("tensor(string)", ["n", 2**18 + 1])}, "[n, 262145]", 2**18),
        ({"a": ("tensor(float)", ["n", 1]), "x": ("tensor(float)", ["n", 2**40])}, "[n, 1099511627776]", 2**18),
        ({"x": ("tensor(float)", ["n", 2**17]), "y": ("tensor(int64)", ["n", 2**17 + 1])}, "[n, 131073]", 2**18),
        ({"x": ("tensor(float)", ["n", 2**20, 2**20])}, "[n, 1048576, 1048576]", 2**24),
    ],
)
def test_rows_that_are_too_wide_are_refused(inputs: Nodes, shape: str, most: int) -> None:
    with pytest.raises(Refused, match=f"has the shape {re.escape(shape)}: a row may have at most {most:,} values in "):
        find_inputs(inputs, None)


def test_columns_are_named_as_the_user_says_or_after_their_inputs() -> None:
    table = Table((Input("numbers", "float", (2,), None), Input("job", "string", (), None)))

    assert column_names(table, None) == ["numbers.0", "numbers.1", "job"]
    assert column_names(table, ["a", "b", "c"]) == ["a", "b", "c"]
    assert column_names(Input("x", "float", (2,), None), None) == ["x0", "x1"]
    assert column_names(Input("image", "float", (2, 2), None), None) == ["image"]
