"""The rows of a table are of several scales, at thresholds, and of texts that are known and unknown."""

import hashlib

import numpy as np
import pytest

from softmaxd.adding.examples import ROWS, UNKNOWN, table_rows, with_known
from softmaxd.adding.graphs import Input
from softmaxd.adding.tables import Table
from tests.support.table_graphs import PEOPLE

KINDS = {"double": "f8", "int64": "i8", "bool": "?", "float16": "f4"}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_of_the_inputs_type(kind: str) -> None:
    rows = table_rows(Table((Input("x", kind, (2,), None), Input("y", "float", (), None))), {}, {})

    assert rows.shape == (ROWS,)
    assert rows["x"].dtype == np.dtype(KINDS[kind])
    assert rows["x"].shape == (ROWS, 2)
    assert rows["y"].shape == (ROWS, 1)


def test_each_column_has_its_own_numbers_and_thresholds() -> None:
    rows = table_rows(Table((Input("x", "float", (2,), None), Input("y", "float", (1,), None))), {1: [2.0**20]}, {})

    first, second, third = (*rows["x"].T, rows["y"][:, 0])
    assert not (first[2:66] == second[2:66]).any()
    assert not (first[2:66] == third[2:66]).any()
    assert set(second[66:]) == {np.float32(2**20 - 0.0625), np.float32(2**20), np.float32(2**20 + 0.125)}
    assert np.abs(first).max() < 101


def test_texts_are_first_the_empty_and_an_unknown_one_then_those_that_are_known() -> None:
    texts = table_rows(PEOPLE, {}, {1: ["clerk", "nurse"]})["job"].ravel().tolist()

    assert texts[:4] == ["", UNKNOWN, "clerk", "nurse"]
    assert set(texts) == {"", UNKNOWN, "clerk", "nurse"}


def test_only_known_values_are_tried_where_others_are_errors() -> None:
    rows = with_known(PEOPLE, table_rows(PEOPLE, {}, {}), {0: [3.0, 5.0], 1: ["clerk", "nurse"]})

    assert set(rows["job"].ravel().tolist()) == {"clerk", "nurse"}
    assert set(rows["age"].ravel().tolist()) == {3, 5}
    assert with_known(PEOPLE, rows, {1: ()}).tolist() == rows.tolist()


def test_the_rows_are_the_same_on_every_machine() -> None:
    rows = table_rows(PEOPLE, {0: [0.1, 0.2]}, {1: ["clerk", "nurse", "miner"]})

    digest = hashlib.sha256(rows["age"].tobytes() + "\n".join(rows["job"].ravel()).encode()).hexdigest()
    assert digest == ("e424607770098c00ee72d4d37798eaac45aa8c0f82b432a4fe09bca271aa18e0")
