"""Prediction sets and typicality: how a row compares with calibration rows, which took no part in training.

Both are split conformal prediction: a row is compared with n calibration rows by its rank among them. The only
assumption is that rows and calibration rows come from the same source. A. N. Angelopoulos and S. Bates, "A gentle
introduction to conformal prediction and distribution-free uncertainty quantification" (2021), arXiv:2107.07511.

A manifest keeps at most `MAX_QUANTILES` of the n sorted values: those of the ranks ⌈j·n/m⌉, j = 1 … m. For a rank in
between, the next one on the safe side is taken: sets become too large, rows too typical.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd.numerics.softmax import Floats

DEFAULT_COVERAGE = 0.95  # of a request without one
MAX_QUANTILES = 1_000  # kept of the calibration rows

Sets = npt.NDArray[np.bool_]


def quantiles(values: Floats) -> Floats:
    """Return the values to keep of values [n], sorted: at most `MAX_QUANTILES`."""
    rows = len(values)
    kept = min(rows, MAX_QUANTILES)
    ranks = [-(-j * rows // kept) for j in range(1, kept + 1)]
    chosen: Floats = np.sort(values)[np.array(ranks) - 1]
    return chosen


def prediction_sets(log_probabilities: Floats, scores: Sequence[float], *, rows: int, coverage: float) -> Sets:
    """Return for each row [n, classes] the labels of the smallest set that holds the true label often enough.

    Often enough: with a probability of at least `coverage`, in (0, 1), over rows and calibrations. `scores` are the
    quantiles of −ln p of the true label over `rows` calibration rows. A set has the labels at least as probable as the
    true one of the ⌈(n + 1)·coverage⌉-th calibration row, the most probable true label first (section 1 of Angelopoulos
    and Bates; M. Sadinle, J. Lei and L. Wasserman, "Least ambiguous set-valued classifiers with bounded error levels",
    JASA 114, 2019). With too few calibration rows, sets have all labels. A row without a label as probable as that has
    an empty set.
    """
    return -log_probabilities <= _highest_score(scores, rows, coverage)


def _highest_score(scores: Sequence[float], rows: int, coverage: float) -> float:
    """Return the highest −ln p of a label in a set."""
    rank = math.ceil((rows + 1) * Fraction(str(coverage)))  # of the decimal number in the request
    if rank > rows:
        return math.inf
    return scores[(rank - 1) * len(scores) // rows]  # the first kept value of this rank or a higher one


def typicality(atypicality: npt.NDArray[Any], kept: Floats, *, rows: int) -> Floats:
    """Return the typicality of each row [n], in (0, 1]: the share of rows that are at least as atypical.

    The share is taken among the row itself and `rows` calibration rows, whose quantiles are `kept`. It is a p-value: of
    rows like the calibration rows, at most a share of t has a typicality of t or less. `atypicality` is the squared
    Mahalanobis distance to the nearest class mean (K. Lee, K. Lee, H. Lee and J. Shin, "A simple unified framework for
    detecting out-of-distribution samples and adversarial attacks", NeurIPS 2018). NaN counts as infinite.
    """
    return typicality_of_rank(np.searchsorted(kept, atypicality, side="left"), kept=len(kept), rows=rows)


def typicality_of_rank(less: npt.NDArray[np.intp], *, kept: int, rows: int) -> Floats:
    """Return the typicality of rows [n] by the number of kept values that each exceeds, of `kept` values in all."""
    return (rows + 1 - -(-less * rows // kept)) / (rows + 1)


def most_coverage(rows: int) -> float:
    """Return the coverage above which `rows` calibration rows give sets of all labels."""
    return rows / (rows + 1)
