"""Puts the categories of a table in orders, so that a tree can split them as it splits numbers."""

import numpy as np

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.rows import Classes, one_hot
from softmaxd_training.tables.vocabulary import Vocabulary

PRIOR_ROWS = 10  # with the shares of all rows, that are added to each category: few rows tell little
MOST_ORDERS = 3  # of a column


def rank(vocabulary: Vocabulary, ids: Classes, classes: Classes, count: int) -> Array:
    """Return the rank of each number of a vocabulary in some orders, float32 [numbers, orders], NaN for those unseen.

    `ids` [n, b] are the numbers of the training rows, and `classes` [n] their classes, of which there are `count`. The
    orders of a column follow the principal components of the shares of the classes in its categories: for two
    classes the first is the order by that share, in which a tree finds the best split of categories in two, and for
    more it is a good one (D. Coppersmith, S. J. Hong and J. R. M. Hosking, "Partitioning nominal attributes in decision
    trees", Data Mining and Knowledge Discovery 3, 1999). Unknown texts have a rank if rare ones of the training rows
    stand for them. Missing ones have none.
    """
    ranks = np.full((vocabulary.size, min(count - 1, MOST_ORDERS)), np.nan, np.float32)
    truth = one_hot(classes, count).astype(np.float64)
    shares = truth.mean(axis=0)
    for column, missing in zip(ids.T, (vocabulary.unknown + 1).tolist(), strict=True):
        found, places = np.unique(column, return_inverse=True)
        counts = np.zeros((len(found), count))
        np.add.at(counts, places, truth)
        is_seen = found != missing
        ranks[found[is_seen]] = _ranks(counts[is_seen], shares, ranks.shape[1])
    return ranks


def _ranks(counts: Floats, shares: Floats, orders: int) -> Array:
    """Return the rank of each category [c, orders] for the rows that it has of each class [c, k]; NaN without order."""
    rows = counts.sum(axis=1, keepdims=True)
    offsets = (counts + PRIOR_ROWS * shares) / (rows + PRIOR_ROWS) - shares
    components = np.linalg.svd(np.sqrt(rows) * offsets, full_matrices=False)[2][:orders]
    # Either sign is the same order; the same one everywhere makes the same file.
    signs = np.sign(components[np.arange(len(components)), np.abs(components).argmax(axis=1)])
    places = np.round(offsets @ (components * signs[:, None]).T, 9)
    ranks = np.full((len(counts), orders), np.nan, np.float32)
    for order, column in enumerate(places.T):
        ranks[:, order] = np.unique(column, return_inverse=True)[1]
    return ranks
