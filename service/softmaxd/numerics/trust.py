"""Prediction sets and typicality: what the calibration rows, which took no part in training, allow to say of a row.

Both are split conformal prediction: a row is compared with n calibration rows of which it could be one, by its rank
among them. That needs no assumption on the model or the data, but for one: rows that are asked for come from where the
calibration rows came from. A. N. Angelopoulos and S. Bates, "A gentle introduction to conformal prediction and
distribution-free uncertainty quantification" (2021), arXiv:2107.07511.

The manifest keeps at most `MAX_QUANTILES` of the n sorted values: those of the ranks ⌈j·n/m⌉, j = 1 … m. Where a rank
in between is wanted, the next one that errs on the safe side is taken: sets too large, rows too typical.
"""

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from softmaxd.models.manifest import MAX_QUANTILES, Calibration, Manifest
from softmaxd.models.outputs import Array, Outputs
from softmaxd.numerics.softmax import Floats, log_softmax

DEFAULT_COVERAGE = 0.95  # of a request that does not say

Sets = npt.NDArray[np.bool_]


def log_probabilities(outputs: Outputs) -> Floats:
    """Return ln p of each class [rows, classes], from the logits. Raises `OutputNotFinite`."""
    return log_softmax(outputs["logits"].astype(np.float64))


def missing_calibration(manifest: Manifest) -> str:
    """Return what a model without calibration data lacks, for the end of a sentence."""
    return f"calibration data, which the manifest of {manifest.name} version {manifest.version} does not have"


def quantiles(values: Floats) -> Floats:
    """Return the values [n] that a manifest keeps of them, sorted: at most `MAX_QUANTILES`."""
    rows = len(values)
    kept = min(rows, MAX_QUANTILES)
    ranks = [-(-j * rows // kept) for j in range(1, kept + 1)]
    chosen: Floats = np.sort(values)[np.array(ranks) - 1]
    return chosen


def prediction_sets(log_probabilities: Floats, calibration: Calibration, coverage: float) -> Sets:
    """Return for each row [n, classes] which labels are in the smallest set that has the true one often enough.

    Often enough: with a probability of at least `coverage`, in (0, 1), over rows and calibrations. The labels are those
    at least as probable as the true one of the ⌈(n + 1)·coverage⌉-th of the calibration rows, the most probable true
    label first (section 1 of Angelopoulos and Bates; M. Sadinle, J. Lei and L. Wasserman, "Least ambiguous set-valued
    classifiers with bounded error levels", JASA 114, 2019). When there are too few for that, it is all labels; when a
    row has no label as probable as that, it is none.
    """
    return -log_probabilities <= _highest_score(calibration, coverage)


def _highest_score(calibration: Calibration, coverage: float) -> float:
    """Return the −ln p up to which a label is in the set."""
    rows, kept = calibration.rows, len(calibration.scores)
    rank = math.ceil((rows + 1) * Fraction(str(coverage)))  # of the decimal number that the client wrote
    if rank > rows:
        return math.inf
    return calibration.scores[(rank - 1) * kept // rows]  # the first that is kept of this rank or a higher one


def typicality(atypicality: Array, calibration: Calibration) -> Floats:
    """Return for each row [n] the share of rows at least as atypical, among the calibration rows and itself: (0, 1].

    It is a p-value: of rows like the calibration rows at most a share of t has a typicality of t or less. `atypicality`
    is the squared Mahalanobis distance to the nearest class mean (K. Lee, K. Lee, H. Lee and J. Shin, "A simple unified
    framework for detecting out-of-distribution samples and adversarial attacks", NeurIPS 2018); NaN counts as infinite.
    """
    less = np.searchsorted(calibration.atypicality_array, atypicality, side="left")
    return typicality_of_rank(less, calibration)


def typicality_of_rank(less: npt.NDArray[np.intp], calibration: Calibration) -> Floats:
    """Return the typicality of rows [n] that are more atypical than so many of the values that the manifest keeps."""
    rows, kept = calibration.rows, len(calibration.atypicality)
    return (rows + 1 - -(-less * rows // kept)) / (rows + 1)


def most_coverage(calibration: Calibration) -> float:
    """Return the coverage above which a prediction set is all labels."""
    return calibration.rows / (calibration.rows + 1)
