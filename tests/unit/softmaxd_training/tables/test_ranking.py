"""Categories are ordered by the classes of their rows."""

import numpy as np

from softmaxd.models.outputs import Array
from softmaxd_training.tables.ranking import rank
from softmaxd_training.tables.vocabulary import Vocabulary
from tests.support.table_nodes import texts_of


def ranks(vocabulary: Vocabulary, cells: list[tuple[str, int]], count: int) -> Array:
    texts = texts_of(*[(text,) for text, _ in cells])
    return rank(vocabulary, vocabulary.ids(texts), np.array([each for _, each in cells], np.int64), count)


def test_the_order_for_two_classes_is_that_of_their_shares() -> None:
    vocabulary = Vocabulary((("a", "b", "c"),))
    cells = [("a", 0)] * 5 + [("a", 1)] * 15 + [("b", 0)] * 20 + [("c", 1)] * 20 + [("d", 0)] * 6 + [("", 1)] * 3

    found = ranks(vocabulary, cells, 2)[:, 0]

    assert np.isnan(found[4])
    assert found[:4].tolist() in ([2, 0, 3, 1], [1, 3, 0, 2])


def test_a_few_rows_move_a_category_little() -> None:
    vocabulary = Vocabulary((("a", "b"),))
    cells = [("a", 1)] + [("b", 1)] * 30 + [("c", 0)] * 30

    found = ranks(vocabulary, cells, 2)[:, 0]

    assert abs(found[0] - found[2]) == 1
    assert abs(found[1] - found[2]) == 2


def test_a_category_without_rows_has_no_rank() -> None:
    found = ranks(Vocabulary((("a", "b"),)), [("a", 0), ("a", 1)], 2)

    assert np.isnan(found[:, 0]).tolist() == [False, True, True, True]


def test_categories_with_the_same_shares_have_the_same_rank() -> None:
    cells = [(text, each) for text in "ab" for each in (0, 1, 1)] + [("c", 0)] * 3

    found = ranks(Vocabulary((("a", "b", "c"),)), cells, 2)[:, 0]

    assert found[0] == found[1] != found[2]


def test_more_classes_have_more_orders_and_each_column_its_own() -> None:
    vocabulary = Vocabulary((("a", "b", "c", "d"), ("a", "b")))
    classes = np.arange(80) % 4
    texts = np.stack([np.array(list("abcd"), object)[classes], np.array(list("ab"), object)[classes // 2]], axis=1)

    found = rank(vocabulary, vocabulary.ids(texts), classes, 4)

    assert found.shape == (10, 3)
    assert len({tuple(row) for row in found[:4].tolist()}) == 4
    assert set(found[6:8, 0].tolist()) == {0, 1}
    assert rank(Vocabulary(()), np.empty((80, 0), np.int64), classes, 4).shape == (0, 3)
