"""Ten tables for `benchmarks.tables`: three of scikit-learn, and seven made by fixed seeds; nothing is downloaded.

The made ones resemble well-known tables in size, kinds of columns, gaps and balance. Their classes are drawn from
probabilities that depend on single columns, on curves, on steps and on pairs of columns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import datasets

from softmaxd.models.outputs import Array
from softmaxd_training.rows import Classes
from softmaxd_training.tables.vocabulary import Texts


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Numbers [n, a] with NaN for missing, texts [n, b] with "" for missing, and classes [n]."""

    numbers: Array
    texts: Texts
    classes: Classes

    def part(self, places: Classes) -> "Table":
        return Table(self.numbers[places], self.texts[places], self.classes[places])


@dataclass(frozen=True, slots=True)
class Plan:
    """How a table is made: its rows, columns and classes, the share of missing cells, and the form of its logits.

    `rare` is added to the logit of the first class; `noise` is the part of the logits that no column tells.
    """

    rows: int
    numbers: int
    texts: Sequence[int]  # the number of categories of each
    classes: int = 2
    missing: float = 0.0
    rare: float = 0.0
    noise: float = 0.3
    strength: float = 1.0


def _shipped(name: str) -> Table:
    bunch = getattr(datasets, f"load_{name}")()
    return Table(bunch.data.astype(np.float32), np.empty((len(bunch.data), 0), object), bunch.target.astype(np.int64))


def _rare() -> Table:
    """One row of 200 is of the second class, by scikit-learn's clusters on the corners of a cube."""
    options: dict[str, Any] = {"n_features": 20, "n_informative": 8, "class_sep": 1.2, "flip_y": 0}
    numbers, classes = datasets.make_classification(20_100, weights=[200 / 201], random_state=1, **options)
    return Table(numbers.astype(np.float32), np.empty((len(numbers), 0), object), classes.astype(np.int64))


def _plants() -> Table:
    """Each of 19 kinds has a usual text in each of 35 columns, which two of five of its plants have."""
    chance = np.random.default_rng(21)
    counts = np.array([2, 3, 4, 5, 7] * 7)
    classes = chance.choice(19, 683, p=chance.dirichlet(np.full(19, 3.0)))
    usual, other = (chance.integers(0, counts, (rows, len(counts))) for rows in (19, len(classes)))
    codes = np.where(chance.random(other.shape) < 0.4, usual[classes], other)  # noqa: PLR2004
    texts = np.array([[f"t{code}" for code in row] for row in codes.tolist()], object)
    texts[chance.random(texts.shape) < 0.1] = ""  # noqa: PLR2004
    return Table(np.empty((len(classes), 0), np.float32), texts, classes)


def _made(plan: Plan, seed: int) -> Table:
    chance = np.random.default_rng(seed)
    numbers = _numbers(plan, chance)
    codes = np.empty((plan.rows, len(plan.texts)), np.int64)
    for column, count in enumerate(plan.texts):
        codes[:, column] = chance.choice(count, plan.rows, p=chance.dirichlet(np.full(count, 0.7)))
    logits = _logits(plan, numbers, codes, chance) + plan.noise * chance.normal(size=(plan.rows, plan.classes))
    logits[:, 0] += plan.rare
    classes = (logits + chance.gumbel(size=logits.shape)).argmax(axis=1)
    texts = np.array([[f"t{code}" for code in row] for row in codes.tolist()], object).reshape(codes.shape)
    numbers[chance.random(numbers.shape) < plan.missing] = np.nan
    texts[chance.random(texts.shape) < plan.missing] = ""
    _, dense = np.unique(classes, return_inverse=True)
    return Table(_scaled(numbers, chance), texts, dense.astype(np.int64))


def _numbers(plan: Plan, chance: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return correlated normal numbers [n, a], of which some are rounded as counts are."""
    mix = np.eye(plan.numbers) + 0.3 * chance.normal(size=(plan.numbers, plan.numbers)) / np.sqrt(max(plan.numbers, 1))
    numbers = chance.normal(size=(plan.rows, plan.numbers)) @ mix
    is_count = chance.random(plan.numbers) < 0.3  # noqa: PLR2004
    return np.asarray(np.where(is_count, np.round(2 * numbers) / 2, numbers))


def _scaled(numbers: np.ndarray[Any, Any], chance: np.random.Generator) -> Array:
    """Return the numbers in units of their own; some are skewed as incomes are."""
    is_skewed = chance.random(numbers.shape[1]) < 0.3  # noqa: PLR2004
    scales, means = np.exp(2 * chance.normal(size=numbers.shape[1])), 5 * chance.normal(size=numbers.shape[1])
    return np.asarray(scales * np.where(is_skewed, np.exp(numbers), numbers + means), np.float32)


def _logits(
    plan: Plan, numbers: np.ndarray[Any, Any], codes: Classes, chance: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Return logits [n, k] by lines, curves, steps, categories, and products of two columns."""
    effects = [
        np.stack([numbers[:, column], *_bent(numbers[:, column], chance)], axis=1) for column in range(plan.numbers)
    ]
    effects += [chance.normal(size=(count, 2))[codes[:, column]] for column, count in enumerate(plan.texts)]
    every = np.concatenate(effects, axis=1)
    pairs = chance.integers(0, every.shape[1], (2, max(4, every.shape[1] // 3)))
    every = np.concatenate([every, every[:, pairs[0]] * every[:, pairs[1]]], axis=1)
    # Most columns of a table say little, and a few say much.
    weights = chance.normal(size=(every.shape[1], plan.classes)) * chance.exponential(size=(every.shape[1], 1))
    logits = plan.strength * 2 * (every @ weights) / np.sqrt(every.shape[1])
    return np.asarray(logits - logits.mean(axis=0))


def _bent(column: np.ndarray[Any, Any], chance: np.random.Generator) -> list[np.ndarray[Any, Any]]:
    """Return a curve and a step of a column."""
    middle = chance.normal()
    return [np.sin(2 * column + middle), (column > middle).astype(float)]


TABLES: Mapping[str, Callable[[], Table]] = {
    "wine": lambda: _shipped("wine"),
    "breast cancer": lambda: _shipped("breast_cancer"),
    "digits": lambda: _shipped("digits"),
    "plants": _plants,
    "credit": lambda: _made(Plan(4_454, 9, [3, 5, 6, 9], missing=0.03, rare=1.2), 22),
    "churn": lambda: _made(Plan(7_043, 9, [2, 2, 3, 3, 3, 3, 3, 3, 4, 2], rare=2.0), 23),
    "lending": lambda: _made(Plan(9_857, 15, [7, 50, 12], rare=6.0, missing=0.02), 24),
    "income": lambda: _made(Plan(12_000, 6, [8, 7, 14, 6, 5, 41], missing=0.08, rare=1.8), 25),
    "one of 200": _rare,
    "forest": lambda: _made(Plan(20_000, 10, [40, 4], classes=7, strength=2.0), 26),
}
