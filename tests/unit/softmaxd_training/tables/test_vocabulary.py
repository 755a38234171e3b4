"""Texts get the numbers of their categories, in NumPy and in a graph alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from onnx import TensorProto

from softmaxd_training.tables import vocabulary as module
from softmaxd_training.tables.nodes import Nodes
from softmaxd_training.tables.vocabulary import LEAST_ROWS, Texts, Vocabulary
from tests.support.table_nodes import Run, hard_texts, run_of, texts_of

KNOWN = ["red", "red\0", "1|red", "😀", "é", "e\u0301", "nan", "None"]
VOCABULARY = Vocabulary((("red", "red\0", "é"), ("1|red", "None", "nan"), (), ("e\u0301", "red", "😀")))


def run() -> Run:
    nodes = Nodes()
    nodes.add("Identity", VOCABULARY.draw(nodes, "text"), output="found")
    return run_of(nodes, (np.zeros((1, 1), np.float32), texts_of(("", "", "", ""))), TensorProto.INT64)


RUN = run()


def test_categories_are_sorted_and_found_in_enough_rows() -> None:
    rows = [("b", "x")] * LEAST_ROWS + [("a", "x")] * LEAST_ROWS + [("c", "")] * (LEAST_ROWS - 1)

    assert Vocabulary.of(texts_of(*rows)).categories == (("a", "b"), ("x",))


def test_of_too_many_texts_the_most_frequent_are_categories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CATEGORIES", 3)
    rows = [("a", "x")] * 7 + [("b", "y")] * 6 + [("c", "y")] * 5 + [("d", "z")] * 4

    found = Vocabulary.of(texts_of(*rows))

    assert found.categories == (("a",), ("x", "y")), "y has 11 rows, a and x have 7, and b has 6"
    assert found.left_out == 2, "b and c; d and z are rare in any case"
    assert found.ids(texts_of(("b", "z"))).tolist() == [found.unknown.tolist()]


def test_as_many_texts_as_are_allowed_are_all_categories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CATEGORIES", 2)

    found = Vocabulary.of(texts_of(*[("a", "x")] * LEAST_ROWS))

    assert (found.categories, found.left_out) == ((("a",), ("x",)), 0)


def test_numbers_go_through_all_columns_with_one_for_unknown_and_one_for_missing_texts() -> None:
    vocabulary = Vocabulary((("a", "b"), ("a",)))

    assert vocabulary.size == 7
    assert vocabulary.ids(texts_of(("a", "a"), ("b", "b"), ("c", ""), ("", "a"))).tolist() == [
        [0, 4],
        [1, 5],
        [2, 6],
        [3, 4],
    ]


def test_numbers_are_counted_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 2)
    vocabulary = Vocabulary((("a", "b"), ("a",)))

    found = vocabulary.counts(texts_of(("a", "a"), ("b", "b"), ("c", ""), ("", "a"), ("b", "a")))

    assert found.tolist() == [1, 2, 1, 1, 3, 1, 1]


def test_no_columns_have_no_numbers() -> None:
    vocabulary = Vocabulary.of(np.empty((3, 0), object))

    assert (vocabulary.size, vocabulary.ids(np.empty((3, 0), object)).shape) == (0, (3, 0))


@settings(max_examples=200)
@given(texts=hard_texts(4, 4, KNOWN))
def test_a_graph_gives_the_same_numbers(texts: Texts) -> None:
    found = RUN(np.zeros((4, 1), np.float32), texts)

    assert found.tolist() == VOCABULARY.ids(texts).tolist()
