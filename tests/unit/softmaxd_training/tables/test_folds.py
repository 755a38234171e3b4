"""Rows are dealt to folds: evenly, label by label, and by the seed alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmaxd_training.tables.folds import FOLDS, LEAST_ROWS, deal, draw


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.integers(0, 9))
def test_folds_differ_by_at_most_one_row_in_all_and_of_each_label(classes: list[int], seed: int) -> None:
    folds = deal(np.array(classes), seed=seed)

    for rows in (folds, *(folds[np.array(classes) == label] for label in set(classes))):
        counts = np.bincount(rows, minlength=FOLDS)
        assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("rows", range(LEAST_ROWS, FOLDS + 3))
def test_a_label_with_enough_rows_is_left_whole_by_no_fold(rows: int) -> None:
    classes = np.repeat([0, 1], [1000, rows])

    folds = deal(classes, seed=3)

    assert all((classes[folds != fold] == 1).any() for fold in range(FOLDS))


def test_the_seed_alone_decides() -> None:
    classes = np.arange(100) % 3

    first, again, other = (deal(classes, seed=seed).tolist() for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_a_small_table_is_drawn_whole() -> None:
    assert draw(np.array([0, 1, 1]), 3, seed=0).tolist() == [0, 1, 2]


def test_labels_keep_their_shares_and_two_rows_in_a_drawn_part() -> None:
    classes = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [6000, 3000, 998, 2]))

    places = draw(classes, 1000, seed=1)

    assert (np.diff(places) > 0).all()
    assert np.bincount(classes[places]).tolist() == pytest.approx([600, 300, 98, 2], abs=3)
    assert np.array_equal(places, draw(classes, 1000, seed=1))
    assert not np.array_equal(places, draw(classes, 1000, seed=2))


def test_two_rows_of_each_label_may_be_more_than_were_asked_for() -> None:
    classes = np.arange(100) % 25

    assert np.bincount(classes[draw(classes, 10, seed=0)]).tolist() == [2] * 25
