"""Deals the rows of a table into folds: the parts that are left out in turn."""

import numpy as np

from softmaxd_training.rows import Classes

FOLDS = 8
LEAST_ROWS = 2  # of a label: a model that leaves one fold out still has seen one of them


def deal(classes: Classes, *, seed: int) -> Classes:
    """Return the fold of each row, 0 to 7, for classes [n]; the seed alone decides.

    The rows of a label go to the folds in turn, so the folds differ by at most one row of each label. A label with
    fewer rows than folds has them in different folds. With at least `LEAST_ROWS` rows of each label, every model that
    leaves a fold out has seen every label. Each label goes on where the one before it stopped, so that all folds have
    about the same number of rows.
    """
    chance = np.random.default_rng(seed)
    shuffled = chance.permutation(len(classes))
    by_label = shuffled[np.argsort(classes[shuffled], kind="stable")]
    folds = np.empty(len(classes), np.int64)
    folds[by_label] = (np.arange(len(classes)) + chance.integers(FOLDS)) % FOLDS
    return folds


def draw(classes: Classes, most: int, *, seed: int) -> Classes:
    """Return the places of at most so many rows, ascending, of classes [n]: all, or some drawn by the seed.

    Each label keeps its share, and `LEAST_ROWS` rows if it has them, even if these are more.
    """
    if len(classes) <= most:
        return np.arange(len(classes))
    counts = np.bincount(classes)
    shuffled = np.random.default_rng(seed).permutation(len(classes))
    by_label = shuffled[np.argsort(classes[shuffled], kind="stable")]
    ranks = np.arange(len(classes)) - np.repeat(counts.cumsum() - counts, counts)
    shares = (ranks + 0.5) / np.repeat(counts, counts)
    first = by_label[np.argsort(np.where(ranks < LEAST_ROWS, -1, shares), kind="stable")]
    return np.sort(first[: max(most, int(np.minimum(counts, LEAST_ROWS).sum()))])
