"""The ranges in which chance alone leaves a figure that is measured on few rows."""

import math
from fractions import Fraction

import numpy as np

from softmaxd.numerics.softmax import Floats

OUTSIDE = 0.05  # of all measurements, if all is well


def coverage_by_chance(calibration_rows: int, test_rows: int, coverage: float) -> tuple[float, float]:
    """Return the range of 95 % of all measurements of a coverage, if all is well: a beta-binomial distribution.

    A. N. Angelopoulos and S. Bates, "A gentle introduction to conformal prediction", 2021, appendix C.
    """
    rank = math.ceil((calibration_rows + 1) * Fraction(str(coverage)))
    if rank > calibration_rows:
        return 1.0, 1.0
    held, rest = np.arange(test_rows + 1), calibration_rows - rank
    logs = _log_factorials(calibration_rows + test_rows)
    ways = logs[test_rows] - logs[held] - logs[test_rows - held]
    each = logs[held + rank - 1] + logs[test_rows - held + rest] - logs[calibration_rows + test_rows]
    shares = np.exp(ways + each + logs[calibration_rows] - logs[rank - 1] - logs[rest])
    low, high = np.searchsorted(np.cumsum(shares), [OUTSIDE / 2, 1 - OUTSIDE / 2])
    return float(low / test_rows), float(high / test_rows)


def _log_factorials(highest: int) -> Floats:
    """Return ln 0!, ln 1! … ln n!."""
    logs: Floats = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, highest + 1)))])
    return logs
