"""Boosted trees of a table whose numbers and texts are sometimes missing."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.rows import Classes
from softmaxd_training.tables.boosting import fit_trees
from softmaxd_training.tables.trees import Trees
from softmaxd_training.tables.vocabulary import Texts

KNOWN = ["red", "green", "blue", "0|red"]
ROWS = 480
FOLDS = np.arange(ROWS) % 4


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A table of three columns of numbers and two of texts, with its classes."""

    numbers: Array
    texts: Texts
    classes: Classes


@dataclass(frozen=True, slots=True, eq=False)
class Boosted(Example):
    """With trees of all its rows, and the out-of-fold logits."""

    trees: Trees
    out_of_fold: Floats


@cache
def table(classes: int) -> Example:
    """Return a table whose classes depend on a number, on a text, and on whether another number is missing."""
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=(ROWS, 3)).astype(np.float32)
    texts = draw.choice(np.array([*KNOWN, ""], object), (ROWS, 2))
    numbers[draw.random(ROWS) < 0.2, 1] = np.nan
    score = 2 * numbers[:, 0] + 2 * np.isnan(numbers[:, 1]) + (texts[:, 0] == "red") + draw.normal(size=ROWS) / 2
    edges = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
    return Example(numbers, texts, np.searchsorted(edges, score))


@cache
def boosted(classes: int) -> Boosted:
    """Return trees of such a table."""
    rows = table(classes)
    return Boosted(
        rows.numbers, rows.texts, rows.classes, *fit_trees(rows.numbers, rows.texts, rows.classes, FOLDS, seed=0)
    )
