"""The inputs of a table together have its columns, and keep their names where these are free."""

import numpy as np
import pytest

from softmaxd.adding.graphs import Input
from softmaxd.adding.tables import Table
from tests.support.table_graphs import PEOPLE, rows_of

MIXED = Table(
    (
        Input("numbers", "double", (2,), None),
        Input("flag", "bool", (), 3),
        Input("half", "float16", (1,), None),
        Input("texts", "string", (2,), None),
    )
)


def test_a_row_has_the_columns_of_all_inputs() -> None:
    assert [(source.name, column) for source, column in MIXED.columns] == [
        ("numbers", 0),
        ("numbers", 1),
        ("flag", 0),
        ("half", 0),
        ("texts", 0),
        ("texts", 1),
    ]
    assert MIXED.text_features == [4, 5]
    assert MIXED.rows == 3
    assert PEOPLE.rows is None


def test_a_row_is_a_record_of_the_types_that_are_served() -> None:
    assert MIXED.dtype == np.dtype(
        [("numbers", "f8", (2,)), ("flag", "?", (1,)), ("half", "f4", (1,)), ("texts", "O", (2,))]
    )


@pytest.mark.parametrize(
    ("names", "served"),
    [
        (["age", "features"], ["age", "features"]),
        (["logits", "probabilities", "atypicality"], ["logits_", "probabilities_", "atypicality_"]),
        (["logits", "logits_"], ["logits__", "logits_"]),
        (["softmaxd_x", "x"], ["x_", "x"]),
        (["texts"], ["features"]),
    ],
)
def test_inputs_are_served_by_their_own_names_where_these_are_free(names: list[str], served: list[str]) -> None:
    table = Table(tuple(Input(name, "float", (1,), None) for name in names))

    assert [table.served_names[name] for name in names] == served
    assert list(table.served(np.zeros(2, table.dtype))) == served


def test_the_rows_get_a_value_in_one_column() -> None:
    rows = rows_of(PEOPLE, [1.0, 2.0], ["clerk", "nurse"])

    changed = PEOPLE.with_values(rows, {1: "miner"})

    assert changed["job"].ravel().tolist() == ["miner", "miner"]
    assert changed["age"].ravel().tolist() == [1.0, 2.0]
    assert rows["job"].ravel().tolist() == ["clerk", "nurse"]
    assert PEOPLE.fed(rows)["job"].tolist() == [["clerk"], ["nurse"]]


def test_each_column_of_an_input_can_be_changed() -> None:
    changed = MIXED.with_values(np.zeros(1, MIXED.dtype), {1: 7.0})

    assert changed["numbers"].tolist() == [[0.0, 7.0]]


def test_features_of_a_table_have_types_of_their_own() -> None:
    assert PEOPLE.datatype == "FP32"
