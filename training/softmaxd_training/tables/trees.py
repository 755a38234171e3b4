"""Boosted trees of a table: scikit-learn fits them, and a graph gives the same logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.rows import Classes
from softmaxd_training.tables.nodes import Nodes
from softmaxd_training.tables.vocabulary import Texts, Vocabulary

BLOCK = 2**22  # places of trees that are followed at a time, for NumPy
HALVES = -0.5, 0.5  # of the log-odds of the second of two classes: the logits of both


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """Trees over the numbers of a table, and over the ranks of its texts.

    A node sends a row to `left` if its column has a number up to the threshold, else to `right`. Where it is missing,
    `missing_left` decides. A leaf leads to itself, and adds its value to an output: the log-odds of the second of two
    classes, or the logit of one of more.
    """

    vocabulary: Vocabulary
    ranks: Array  # [numbers of the vocabulary, orders]: NaN is missing
    roots: Classes  # [trees]: the first node of each
    outputs: Classes  # [trees]: the output that each adds to
    columns: Classes  # [nodes]
    thresholds: Array  # [nodes]
    left: Classes  # [nodes]
    right: Classes  # [nodes]
    missing_left: npt.NDArray[np.bool_]  # [nodes]
    values: Array  # [nodes]
    start: Array  # [outputs]: the sums begin with these

    @property
    def is_leaf(self) -> npt.NDArray[np.bool_]:
        """True for nodes that lead no further [nodes]."""
        return np.equal(self.left, np.arange(len(self.left)))

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.start) + (len(self.start) == 1)

    @property
    def additions(self) -> int:
        """The most values that a logit is the sum of."""
        return 1 + int(np.bincount(self.outputs).max())

    def logits(self, numbers: Array, texts: Texts) -> Floats:
        """Return the logits [n, k] of numbers [n, a] and texts [n, b]: the sums of the leaves in float64."""
        return both(self.sums(numbers, self.vocabulary.ids(texts)))

    def sums(self, numbers: Array, ids: Classes) -> Floats:
        """Return the sum of each output [n, outputs] for numbers [n, a] and the ids of texts [n, b]."""
        rows = rows_of(numbers, self.ranks, ids)
        size = max(1, BLOCK // len(self.roots))
        return np.concatenate([self._sums(rows[place : place + size]) for place in range(0, len(rows), size)])

    def _sums(self, rows: Array) -> Floats:
        places = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        while True:
            values = np.take_along_axis(rows, self.columns[places], axis=1)
            goes_left = (values <= self.thresholds[places]) | (np.isnan(values) & self.missing_left[places])
            following = np.where(goes_left, self.left[places], self.right[places])
            if (following == places).all():
                break
            places = following
        sums = np.zeros((len(rows), len(self.start))) + self.start.astype(np.float64)
        values = self.values[places].astype(np.float64)
        for output in range(len(self.start)):
            sums[:, output] += values[:, self.outputs == output].sum(axis=1)
        return sums

    def draw(self, nodes: Nodes, numbers: str, ids: str, *, scale: float) -> str:
        """Add the nodes that give `scale` times the logits, and return the name of their output [n, k].

        Without numbers or without texts in the table, the name of these is empty.
        """
        rows = [numbers] if numbers else []
        if ids:
            width = self.vocabulary.columns * self.ranks.shape[1]
            ranks = nodes.add("Gather", nodes.constant(self.ranks), ids, axis=0)
            rows.append(nodes.add("Reshape", ranks, nodes.constant(np.array([-1, width]))))
        found = nodes.add("Concat", *rows, axis=1) if len(rows) > 1 else rows[0]
        sums = nodes.add("TreeEnsembleRegressor", found, **self._attributes(scale))
        return sums if len(self.start) > 1 else nodes.add("Mul", sums, nodes.constant(np.array([HALVES], np.float32)))

    def _attributes(self, scale: float) -> dict[str, Any]:
        """Return the trees as `TreeEnsembleRegressor` has them."""
        sizes = np.diff(self.roots, append=len(self.left))
        trees = np.repeat(np.arange(len(self.roots)), sizes)
        first, is_leaf = self.roots[trees], self.is_leaf
        places = np.arange(len(trees)) - first
        values = (self.values.astype(np.float64) * scale).astype(np.float32)
        return {
            "n_targets": len(self.start),
            "base_values": (self.start.astype(np.float64) * scale).astype(np.float32).tolist(),
            "nodes_treeids": trees.tolist(),
            "nodes_nodeids": places.tolist(),
            "nodes_featureids": self.columns.tolist(),
            "nodes_values": self.thresholds.tolist(),
            "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
            "nodes_truenodeids": np.where(is_leaf, 0, self.left - first).tolist(),
            "nodes_falsenodeids": np.where(is_leaf, 0, self.right - first).tolist(),
            "nodes_missing_value_tracks_true": self.missing_left.astype(np.int64).tolist(),
            "target_treeids": trees[is_leaf].tolist(),
            "target_nodeids": places[is_leaf].tolist(),
            "target_ids": self.outputs[trees[is_leaf]].tolist(),
            "target_weights": values[is_leaf].tolist(),
        }


def rows_of(numbers: Array, ranks: Array, ids: Classes) -> Array:
    """Return the rows that trees look at: the numbers [n, a], then the ranks of each of their texts' ids [n, b]."""
    return np.concatenate([numbers, ranks[ids].reshape(len(ids), -1)], axis=1, dtype=np.float32)


def both(sums: Floats) -> Floats:
    """Return the logits [n, k] of the sums [n, outputs] of trees."""
    return sums if sums.shape[1] > 1 else sums * np.array([HALVES])


def trees_of(model: Any, vocabulary: Vocabulary, ranks: Array, iterations: int | None = None) -> Trees:
    """Return the trees of the first iterations, by default of all, of a fitted model of scikit-learn.

    It is a `HistGradientBoostingClassifier`, which has no types. scikit-learn compares with thresholds in float64.
    Rounded down to float32 they divide all numbers of float32 in the same way.
    """
    nodes = [predictor.nodes for iteration in model._predictors[:iterations] for predictor in iteration]
    roots = np.concatenate([[0], np.cumsum([len(tree) for tree in nodes])])[:-1].astype(np.int64)
    every = np.concatenate(nodes)
    first = np.repeat(roots, [len(tree) for tree in nodes])
    is_leaf = every["is_leaf"].astype(bool)
    places = np.arange(len(every))
    start = np.ravel(model._baseline_prediction)
    return Trees(
        vocabulary=vocabulary,
        ranks=ranks,
        roots=roots,
        outputs=np.arange(len(roots)) % len(start),
        columns=np.where(is_leaf, 0, every["feature_idx"]).astype(np.int64),
        thresholds=np.where(is_leaf, np.float32(0), rounded_down(every["num_threshold"])),
        left=np.where(is_leaf, places, first + every["left"]),
        right=np.where(is_leaf, places, first + every["right"]),
        missing_left=~is_leaf & every["missing_go_to_left"].astype(bool),
        values=np.where(is_leaf, every["value"], 0).astype(np.float32),
        start=start.astype(np.float32),
    )


def mean_of(models: Sequence[Trees], numbers: int) -> Trees:
    """Return trees whose logits are the mean of those of some models of one table, with `numbers` columns of numbers.

    Each model keeps the orders of its own.
    """
    count, orders = len(models), models[0].ranks.shape[1]
    first = np.cumsum([0, *(len(model.left) for model in models)])
    columns = []
    for place, model in enumerate(models):
        text, order = np.divmod(model.columns - numbers, max(orders, 1))
        mine = numbers + text * count * orders + place * orders + order
        columns.append(np.where(model.columns < numbers, model.columns, mine))
    return Trees(
        vocabulary=models[0].vocabulary,
        ranks=np.concatenate([model.ranks for model in models], axis=1),
        roots=np.concatenate([model.roots + offset for model, offset in zip(models, first, strict=False)]),
        outputs=np.concatenate([model.outputs for model in models]),
        columns=np.concatenate(columns),
        thresholds=np.concatenate([model.thresholds for model in models]),
        left=np.concatenate([model.left + offset for model, offset in zip(models, first, strict=False)]),
        right=np.concatenate([model.right + offset for model, offset in zip(models, first, strict=False)]),
        missing_left=np.concatenate([model.missing_left for model in models]),
        values=np.concatenate([model.values / np.float32(count) for model in models]),
        start=np.mean([model.start.astype(np.float64) for model in models], axis=0).astype(np.float32),
    )


def rounded_down(thresholds: Floats) -> Array:
    """Return the largest float32 up to each threshold [m]: x ≤ the one if and only if x ≤ the other, for float32 x."""
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
