"""As many trees are fitted as are best for the rows that are left out."""

from dataclasses import fields

import numpy as np
import pytest

from softmaxd_training.calibration import mean_loss
from softmaxd_training.tables import boosting
from softmaxd_training.tables.boosting import (
    LEAVES,
    MOST_ITERATIONS,
    PATIENCE,
    fit_trees,
    learning_rate,
    most_iterations,
    most_rows,
)
from softmaxd_training.tables.trees import Trees
from tests.support.boosted import FOLDS, ROWS, boosted, table


@pytest.mark.parametrize("classes", [2, 3])
def test_trees_are_better_than_the_shares_of_the_classes_in_rows_that_were_left_out(classes: int) -> None:
    found = boosted(classes)

    assert found.out_of_fold.shape == (ROWS, classes)
    assert mean_loss(found.out_of_fold, found.classes) < 0.7 * np.log(classes)
    assert found.trees.classes == classes


def test_the_trees_stop_before_they_learn_the_rows_by_heart() -> None:
    trees = boosted(2).trees

    assert 1 <= len(trees.roots) < MOST_ITERATIONS - PATIENCE
    assert np.add.reduceat(trees.is_leaf.astype(int), trees.roots).max() <= LEAVES


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each fit have ten iterations, in which the loss always falls."""
    monkeypatch.setattr(boosting, "MOST_ITERATIONS", 10)
    monkeypatch.setattr(boosting, "LEAST_ITERATIONS", 10)


@pytest.mark.usefixtures("few")
def test_the_logits_of_a_row_do_not_depend_on_its_class() -> None:
    rows = table(2)
    classes = rows.classes.copy()
    classes[7] = 1 - classes[7]

    _, before = fit_trees(rows.numbers, rows.texts, rows.classes, FOLDS, seed=0)
    _, after = fit_trees(rows.numbers, rows.texts, classes, FOLDS, seed=0)

    is_left_out = FOLDS[7] == FOLDS
    assert np.array_equal(before[is_left_out], after[is_left_out])
    assert not np.array_equal(before[~is_left_out], after[~is_left_out])


def test_the_same_seed_gives_the_same_trees() -> None:
    found = boosted(3)

    again, logits = fit_trees(found.numbers, found.texts, found.classes, FOLDS, seed=0)

    arrays = [each.name for each in fields(Trees) if each.name != "vocabulary"]
    assert [getattr(again, name).tobytes() for name in arrays] == [
        getattr(found.trees, name).tobytes() for name in arrays
    ]
    assert logits.tobytes() == found.out_of_fold.tobytes()


@pytest.mark.usefixtures("few")
def test_large_tables_leave_out_groups_of_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table(2)
    monkeypatch.setattr(boosting, "FEW_CELLS", 0)
    monkeypatch.setattr(boosting, "GROUPS", 2)

    _, logits = fit_trees(rows.numbers, rows.texts, rows.classes, FOLDS, seed=0)
    _, expected = fit_trees(rows.numbers, rows.texts, rows.classes, FOLDS % 2, seed=0)

    assert logits.tobytes() == expected.tobytes()


@pytest.mark.usefixtures("few")
def test_the_trees_are_the_mean_of_the_fits_or_if_these_are_many_those_of_a_fit_to_all_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = table(3)

    mean, logits = fit_trees(rows.numbers, rows.texts, rows.classes, FOLDS, seed=0)
    monkeypatch.setattr(boosting, "MOST_NODES", len(mean.left) - 1)
    one, same = fit_trees(rows.numbers, rows.texts, rows.classes, FOLDS, seed=0)

    assert (len(mean.roots), len(one.roots)) == (4 * 10 * 3, 10 * 3)
    assert logits.tobytes() == same.tobytes()
    difference = np.abs(mean.logits(rows.numbers, rows.texts) - one.logits(rows.numbers, rows.texts))
    assert 0 < np.median(difference) < 0.1


@pytest.mark.parametrize(
    ("cells", "iterations", "rate"),
    [(0, 400, 0.1), (5_000_000, 280, 1 / 7), (10_000_000, 140, 0.2), (10**12, 100, 0.2)],
)
def test_large_tables_have_fewer_iterations_that_add_more(cells: int, iterations: int, rate: float) -> None:
    assert most_iterations(cells) == iterations
    assert learning_rate(iterations) == pytest.approx(rate)


@pytest.mark.usefixtures("few")
def test_a_column_may_be_missing_in_all_rows_but_those_of_a_fold() -> None:
    rows = table(2)
    numbers = np.where(FOLDS[:, None] == 0, rows.numbers, np.array([1, 1, np.nan], np.float32) * rows.numbers)

    trees, logits = fit_trees(numbers, rows.texts, rows.classes, FOLDS, seed=0)

    assert np.isfinite(logits).all()
    assert np.isfinite(trees.logits(np.full((1, 3), np.nan, np.float32), rows.texts[:1])).all()


@pytest.mark.parametrize(
    ("numbers", "texts", "count", "rows"),
    [(29, 0, 2, 344_827), (44, 10, 7, 38_610), (44, 10, 20, 13_513), (200, 0, 50, 2_000)],
)
def test_wide_tables_of_many_classes_have_fewer_rows_for_trees(numbers: int, texts: int, count: int, rows: int) -> None:
    assert most_rows(numbers, texts, count) == rows
