"""A graph has the trees of scikit-learn: every float32 goes the same way."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.tables.nodes import Nodes
from softmaxd_training.tables.trees import BLOCK, Trees, mean_of, rounded_down, trees_of
from softmaxd_training.tables.vocabulary import Texts, Vocabulary
from tests.support.boosted import KNOWN, boosted
from tests.support.table_nodes import Run, run_of

MANY = 10_000
NO_TEXTS = np.empty((MANY, 0), object)
HALF_A_PLACE = 2.0**-24  # of float32, relative


def around(trees: Trees, columns: int) -> Array:
    """Return rows whose numbers are thresholds of the trees, their neighbours, missing, infinite, or any others."""
    draw = np.random.default_rng(1)
    rows = np.empty((MANY, columns), np.float32)
    for column in range(columns):
        thresholds = trees.thresholds[~trees.is_leaf & (trees.columns == column)]
        ends = np.array([np.nan, np.inf, -np.inf, 0, -0.0], np.float32)
        others = np.concatenate([draw.normal(size=50).astype(np.float32), ends])
        near = [np.nextafter(thresholds, np.float32(end)) for end in (-np.inf, np.inf)]
        rows[:, column] = draw.choice(np.concatenate([thresholds, thresholds, *near, others]), MANY)
    return rows


def texts(width: int) -> Texts:
    return np.random.default_rng(2).choice(np.array([*KNOWN, "", "unknown"], object), (MANY, width))


def run(trees: Trees, rows: tuple[Array, Texts], scale: float = 1.0) -> Run:
    nodes = Nodes()
    ids = trees.vocabulary.draw(nodes, "text") if rows[1].shape[1] else ""
    found = trees.draw(nodes, "numeric" if rows[0].shape[1] else "", ids, scale=scale)
    nodes.add("Identity", found, output="found")
    return run_of(nodes, rows)


@cache
def fitted(classes: int) -> tuple[HistGradientBoostingClassifier, Trees]:
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(600, 3)).astype(np.float32)
    rows[::5, 1] = np.nan
    rows[:, 2] = np.round(rows[:, 2])
    score = rows[:, 0] + np.isnan(rows[:, 1]) + rows[:, 2] ** 2
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    with threadpool_limits(1):  # more of them wait for each other when the machine is busy
        model.fit(rows, np.searchsorted(np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1]), score))
    return model, trees_of(model, Vocabulary(()), np.empty((0, 1), np.float32))


def decision(model: HistGradientBoostingClassifier, rows: Array) -> Floats:
    with threadpool_limits(1):
        return np.asarray(model.decision_function(rows)).reshape(len(rows), -1)


@pytest.mark.parametrize("classes", [2, 4])
def test_rows_at_and_around_every_threshold_go_as_in_scikit_learn(classes: int) -> None:
    model, trees = fitted(classes)
    rows = around(trees, 3)

    found = trees.sums(rows, np.empty((MANY, 0), np.int64))

    rounding = trees.additions * HALF_A_PLACE * np.abs(trees.values).max() + HALF_A_PLACE * np.abs(trees.start).max()
    assert np.abs(found - decision(model, rows)).max() <= rounding


@pytest.mark.parametrize("classes", [2, 4])
def test_rows_at_and_around_every_threshold_reach_the_same_leaves_in_a_graph(classes: int) -> None:
    """Whole numbers as values of the leaves tell the leaves, and no order of adding them rounds their sums."""
    _, trees = fitted(classes)
    values = np.random.default_rng(4).integers(0, 2**12, len(trees.values)).astype(np.float32)
    whole = replace(trees, values=np.where(trees.is_leaf, values, 0), start=np.zeros_like(trees.start))
    rows = around(trees, 3)

    found = run(whole, (rows, NO_TEXTS))(rows, NO_TEXTS)

    assert np.array_equal(found, whole.logits(rows, NO_TEXTS))
    assert len(np.unique(found, axis=0)) > 1000


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_a_graph_gives_the_logits_of_numbers_and_texts(classes: int, scale: float) -> None:
    trees = boosted(classes).trees
    rows = around(trees, 3), texts(2)

    found = run(trees, rows, scale)(*rows)

    expected = scale * trees.logits(*rows)
    values = np.abs(trees.values).max() + np.abs(trees.start).max()
    assert np.abs(found - expected).max() <= trees.additions**2 * HALF_A_PLACE * values
    assert np.abs(expected).max() > 1


def test_a_graph_gives_a_row_alone_the_same_bits_as_with_others() -> None:
    trees = boosted(3).trees
    rows = around(trees, 3)[:300], texts(2)[:300]
    answer = run(trees, rows)

    alone = b"".join(answer(rows[0][i : i + 1], rows[1][i : i + 1]).tobytes() for i in range(300))

    assert answer(*rows).tobytes() == alone


def test_many_rows_are_followed_in_blocks() -> None:
    trees = boosted(2).trees
    size = BLOCK // len(trees.roots) + 1
    numbers, words = np.resize(around(trees, 3), (size, 3)), np.resize(texts(2), (size, 2))

    assert trees.logits(numbers, words)[-1].tolist() == trees.logits(numbers[-1:], words[-1:])[0].tolist()


def test_trees_of_texts_alone_are_drawn() -> None:
    found = boosted(2)
    inner = ~found.trees.is_leaf & (found.trees.columns < 3)
    alone = replace(
        found.trees,
        columns=np.where(inner, 0, np.maximum(found.trees.columns - 3, 0)),
        values=np.round(found.trees.values * 1000),
        start=np.zeros(1, np.float32),
    )
    rows = np.empty((MANY, 0), np.float32), texts(2)

    assert np.array_equal(2 * run(alone, rows)(*rows), 2 * alone.logits(*rows))


@pytest.mark.parametrize("classes", [2, 3])
def test_the_mean_of_models_has_the_mean_of_their_logits(classes: int) -> None:
    trees = boosted(classes).trees
    ranks = -trees.ranks
    other = replace(trees, ranks=ranks, values=3 * trees.values, start=trees.start + np.float32(1))
    rows = around(trees, 3)[:500], texts(2)[:500]

    found = mean_of([trees, other], 3)

    expected = (trees.logits(*rows) + other.logits(*rows)) / 2
    assert found.logits(*rows) == pytest.approx(expected, abs=1e-5)
    assert not np.allclose(trees.logits(*rows), other.logits(*rows))
    assert found.additions == 2 * trees.additions - 1


def test_a_threshold_is_rounded_down() -> None:
    third = np.float32(1 / 3)
    thresholds = np.array([0.5, 1 / 3, float(third) - 1e-12, 1e-60, -1e-60, np.inf])

    found = rounded_down(thresholds)

    assert found.dtype == np.float32
    assert (found <= thresholds).all()
    assert (np.nextafter(found, np.float32(np.inf))[:-1] > thresholds[:-1]).all()
    assert (found[0], found[-1]) == (0.5, np.inf)
