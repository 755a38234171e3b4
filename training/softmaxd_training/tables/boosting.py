"""Fits boosted trees to a table, as many as are best for the rows that are left out."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.rows import Classes
from softmaxd_training.tables.ranking import MOST_ORDERS, rank
from softmaxd_training.tables.trees import Trees, both, mean_of, rows_of, trees_of
from softmaxd_training.tables.vocabulary import Texts, Vocabulary

LEARNING_RATE, FASTEST_RATE = 0.1, 0.2  # of the most iterations, and of far fewer
LEAVES = 8  # of a tree
MOST_ITERATIONS = 400  # each adds a tree, or one for each of more than two classes
LEAST_ITERATIONS = 100
MOST_VISITS = 1.4e9  # of a cell by a tree, in a fit: larger tables have fewer iterations
MOST_CELLS = 2e7  # rows times columns times classes: trees of larger tables are fitted to fewer rows
PATIENCE = 15  # iterations without a lower loss of the rows left out
FEW_CELLS = 5e5  # rows times columns times classes, up to which every fold is left out; above, four groups of folds
GROUPS = 4
MOST_NODES = 60_000  # 2 MB of the file, and a tenth of a millisecond a row


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The rows of a table; `count` is the number of classes."""

    numbers: Array
    ids: Classes
    vocabulary: Vocabulary
    classes: Classes
    count: int

    @property
    def cells(self) -> int:
        """Rows times columns that a tree looks at, times the trees of an iteration."""
        rows, texts = self.ids.shape
        cells: int = rows * cells_of_row(self.numbers.shape[1], texts, self.count)
        return cells

    def part(self, chosen: Any) -> "_Table":
        return _Table(self.numbers[chosen], self.ids[chosen], self.vocabulary, self.classes[chosen], self.count)


def fit_trees(numbers: Array, texts: Texts, classes: Classes, folds: Classes, *, seed: int) -> tuple[Trees, Floats]:
    """Return trees of all rows, and the logits [n, k] of each row by trees that left it out.

    Numbers [n, a], texts [n, b], classes [n] with every class from 0 up, folds [n] from 0 up; every class must be in
    two folds or more, and in large tables in two groups of them. Each fit stops by the loss of the rows left out. All
    have the number of iterations that is best for all of them together; in nothing else the out-of-fold logits have
    seen the classes of their rows. The trees are the mean of these fits, whose loss is mostly lower, or, if they would
    have more than `MOST_NODES`, those of another fit to all rows. The same seed gives the same trees.
    """
    vocabulary = Vocabulary.of(texts)
    table = _Table(numbers, vocabulary.ids(texts), vocabulary, classes, int(classes.max()) + 1)
    groups = folds if table.cells <= FEW_CELLS else folds % GROUPS
    # One after the other: a fit has the rows in float64, and two at once lose each other's filters of warnings.
    fits = [_fit_without(table, groups == group, seed) for group in np.unique(groups)]
    iterations = _best_iterations(fits)
    logits = np.empty((len(classes), table.count))
    for fit in fits:
        logits[fit.left_out] = fit.logits(iterations)
    models = [trees_of(fit.model, vocabulary, fit.ranks, iterations) for fit in fits]
    if sum(len(each.left) for each in models) <= MOST_NODES:
        return mean_of(models, numbers.shape[1]), logits
    model, ranks = _fit(table, None, iterations, learning_rate(most_iterations(table.cells)), seed)
    return trees_of(model, vocabulary, ranks), logits


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A model that was fitted without some rows: `left_out` [n] is True for them, and `rows` are theirs.

    `ranks` are those of the texts, and `losses` [iterations + 1] those of these rows after 0, 1, … iterations.
    """

    model: HistGradientBoostingClassifier
    ranks: Array
    left_out: Any
    rows: Array
    losses: Floats

    def logits(self, iterations: int) -> Floats:
        """Return the logits of the rows left out after some iterations, or after all if there were fewer."""
        last = min(iterations, self.model.n_iter_) - 1
        with threadpool_limits(1, user_api="openmp"):
            sums = next(islice(self.model.staged_decision_function(self.rows), last, None))
        return both(sums.reshape(len(self.rows), -1))


def _fit_without(table: _Table, left_out: Any, seed: int) -> _Fit:
    held = table.part(left_out)
    iterations = most_iterations(table.cells)
    model, ranks = _fit(table.part(~left_out), held, iterations, learning_rate(iterations), seed)
    return _Fit(model, ranks, left_out, rows_of(held.numbers, ranks, held.ids), -np.asarray(model.validation_score_))


def _fit(
    table: _Table, held: _Table | None, iterations: int, rate: float, seed: int
) -> tuple[HistGradientBoostingClassifier, Array]:
    """Return a model of the rows of a table, and the ranks; it stops early if the loss of held rows does not fall."""
    ranks = rank(table.vocabulary, table.ids, table.classes, table.count)
    rows = rows_of(table.numbers, ranks, table.ids)
    model = HistGradientBoostingClassifier(
        learning_rate=rate,
        max_iter=iterations,
        max_leaf_nodes=LEAVES,
        l2_regularization=1.0,
        early_stopping=held is not None,
        n_iter_no_change=PATIENCE,
        random_state=seed,
    )
    # scikit-learn fails at a column that is missing in all rows.
    rows = np.where(np.isnan(rows).all(axis=0), np.float32(0), rows)
    others = {} if held is None else {"X_val": rows_of(held.numbers, ranks, held.ids), "y_val": held.classes}
    # Several threads would add gradients in an order of their own, so the trees would depend on their number.
    with threadpool_limits(1, user_api="openmp"):
        return model.fit(rows, table.classes, **others), ranks


def cells_of_row(numbers: int, texts: int, count: int) -> int:
    """Return the columns that a tree looks at, times the trees of an iteration, for a table with `count` classes."""
    return (numbers + min(count - 1, MOST_ORDERS) * texts) * count


def most_rows(numbers: int, texts: int, count: int) -> int:
    """Return the most rows with so many columns and classes that trees are fitted to."""
    return int(MOST_CELLS) // cells_of_row(numbers, texts, count)


def most_iterations(cells: int) -> int:
    """Return the most iterations for a table of so many cells: 400, and fewer in large tables."""
    return int(np.clip(MOST_VISITS // max(cells, 1), LEAST_ITERATIONS, MOST_ITERATIONS))


def learning_rate(most: int) -> float:
    """Return the learning rate of a table with at most so many iterations: the fewer there are, the more each adds."""
    return min(LEARNING_RATE * MOST_ITERATIONS / most, FASTEST_RATE)


def _best_iterations(fits: list[_Fit]) -> int:
    """Return the number of iterations, 1 or more, with the lowest loss of all rows left out."""
    longest = max(len(fit.losses) for fit in fits)
    sums = [
        len(fit.rows) * np.pad(fit.losses, (0, longest - len(fit.losses)), constant_values=fit.losses[-1])
        for fit in fits
    ]
    return 1 + int(np.sum(sums, axis=0)[1:].argmin())
