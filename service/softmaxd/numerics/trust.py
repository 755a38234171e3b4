"""Prediction sets and typicality: how a row compares with calibration rows, which took no part in training.

Both are split conformal prediction: a row is compared with n calibration rows by its rank among them. The only
assumption is that rows and calibration rows come from the same source. A. N. Angelopoulos and S. Bates, "A gentle
introduction to conformal prediction and distribution-free uncertainty quantification" (2021), arXiv:2107.07511.

A manifest keeps at most `MAX_QUANTILES` of the n sorted values: those of the ranks ⌈j·n/m⌉, j = 1 … m. For a rank in
between, the next one on the safe side is taken: sets become too large, rows too typical.

Other threads, processors and devices add the terms of a float32 sum in another order. So a row that was a calibration
row may get a score some float32 steps away, and rows of few distinct values tie with the threshold. `MARGIN` keeps
ties.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from softmaxd.numerics.softmax import Floats

DEFAULT_COVERAGE = 0.95  # of a request without one
MAX_QUANTILES = 1_000  # kept of the calibration rows
MARGIN = 2.0**-12  # the error of a sum of 4,096 float32 terms, as a share of their size: 4,096 · 2⁻²⁴

Sets = npt.NDArray[np.bool_]


def quantiles(values: Floats) -> Floats:
    """Return the values to keep of values [n], sorted: at most `MAX_QUANTILES`, and none of none."""
    rows = len(values)
    kept = min(rows, MAX_QUANTILES)
    ranks = [-(-j * rows // kept) for j in range(1, kept + 1)]
    chosen: Floats = np.sort(values)[np.array(ranks, dtype=np.intp) - 1]
    return chosen


class Thresholds(NamedTuple):
    """The highest −ln p of a label in a set: one for all labels, or one for each [classes].

    `not_guaranteed` has the classes with too few calibration rows for a threshold of their own.
    """

    highest: float | Floats
    not_guaranteed: Sequence[int]


def threshold(scores: Sequence[float], *, rows: int, coverage: float) -> float:
    """Return the highest −ln p of a label in a set that holds the true label often enough; infinite if all are in it.

    Often enough: with a probability of at least `coverage`, in (0, 1), over rows and calibrations. `scores` are the
    quantiles of −ln p of the true label over `rows` calibration rows. A set has the labels at least as probable as the
    true one of the ⌈(n + 1)·coverage⌉-th calibration row, the most probable true label first (section 1 of Angelopoulos
    and Bates; M. Sadinle, J. Lei and L. Wasserman, "Least ambiguous set-valued classifiers with bounded error levels",
    JASA 114, 2019). With too few calibration rows, sets have all labels. A row without a label as probable as that has
    an empty set.
    """
    return _threshold(scores, rows, _ratio(coverage))


def _ratio(coverage: float) -> tuple[int, int]:
    """Return numerator and denominator of the decimal number in the request."""
    return Fraction(str(coverage)).as_integer_ratio()


def _threshold(scores: Sequence[float], rows: int, ratio: tuple[int, int]) -> float:
    rank = -(-(rows + 1) * ratio[0] // ratio[1])
    if rank > rows:
        return math.inf
    return scores[(rank - 1) * len(scores) // rows]  # the first kept value of this rank or a higher one


def thresholds_by_class(
    classes: Sequence[tuple[int, Sequence[float]]], *, marginal: float, coverage: float
) -> Thresholds:
    """Return thresholds with which sets hold the true label often enough among the rows of each class.

    Mondrian, or class-conditional, conformal prediction: a label is compared with the calibration rows of its own class
    only, of which `classes` has the number and the quantiles of −ln p (V. Vovk, A. Gammerman and G. Shafer,
    "Algorithmic learning in a random world", 2005, chapter 4; section 4.2 of Angelopoulos and Bates). A class with
    fewer than ⌈1/(1 − coverage)⌉ − 1 rows takes the threshold of all rows, `marginal`, and has no guarantee.
    """
    ratio = _ratio(coverage)
    highest = [_threshold(scores, rows, ratio) for rows, scores in classes]
    too_few = [index for index, value in enumerate(highest) if value == math.inf]
    chosen = np.array(highest)
    chosen[too_few] = marginal
    return Thresholds(chosen, too_few)


def prediction_sets(log_probabilities: Floats, highest: float | Floats) -> Sets:
    """Return which labels are in the set of each row [n, classes], by the highest −ln p of a label.

    Labels within `MARGIN` of it tie with it, and are in the set. If the log-odds of p move by δ, −ln p moves by
    δ·(1 − p) ≤ δ·(−ln p), so the margin is a share of −ln p.
    """
    return -log_probabilities <= highest * (1 + MARGIN)


def with_margin(kept: Floats) -> Floats:
    """Return the quantiles of the atypicality that a row must exceed to be more atypical than these calibration rows.

    If a row moves by `MARGIN` standard deviations, its squared distance a moves by 2·√a·`MARGIN` ≤ (a + 1)·`MARGIN`.
    """
    found: Floats = kept + MARGIN * (kept + 1)
    return found


def typicality(atypicality: npt.NDArray[Any], kept: npt.NDArray[Any], *, rows: int) -> Floats:
    """Return the typicality of each row [n], in (0, 1]: the share of rows that are at least as atypical.

    The share is taken among the row itself and `rows` calibration rows. `kept` are their quantiles `with_margin`. It is
    a p-value: of rows like the calibration rows, at most a share of t has a typicality of t or less. `atypicality` is
    the squared Mahalanobis distance to the nearest class mean (K. Lee, K. Lee, H. Lee and J. Shin, "A simple unified
    framework for detecting out-of-distribution samples and adversarial attacks", NeurIPS 2018), or to the nearest of
    some training rows. NaN counts as infinite.
    """
    return typicality_of_rank(np.searchsorted(kept, atypicality, side="left"), kept=len(kept), rows=rows)


def typicality_of_rank(less: npt.NDArray[np.intp], *, kept: int, rows: int) -> Floats:
    """Return the typicality of rows [n] by the number of kept values that each exceeds, of `kept` values in all."""
    return (rows + 1 - -(-less * rows // kept)) / (rows + 1)


def most_coverage(rows: int) -> float:
    """Return the coverage above which `rows` calibration rows give sets of all labels."""
    return rows / (rows + 1)
