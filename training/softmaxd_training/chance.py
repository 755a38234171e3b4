"""The ranges in which chance alone leaves a figure that is measured on few rows."""

import math
from fractions import Fraction

import numpy as np

from softmaxd.numerics.softmax import Floats

OUTSIDE = 0.05  # of all measurements, if all is well
HALVINGS = 60  # of the range of a share
FEW = 10  # values
DRAWS = 1000


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


def share_by_chance(hits: int, rows: int) -> tuple[float, float]:
    """Return a 95 % confidence interval of a share of which `hits` of `rows` were seen.

    C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26, 1934.
    """
    low = _share_with_tail(hits, rows) if hits else 0.0
    high = 1 - _share_with_tail(rows - hits, rows) if hits < rows else 1.0
    return low, high


def _share_with_tail(hits: int, rows: int) -> float:
    """Return the share for which `hits` or more of `rows` have half of the probability `OUTSIDE`."""
    logs, counts = _log_factorials(rows), np.arange(hits, rows + 1)
    ways = logs[rows] - logs[counts] - logs[rows - counts]
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        tail = np.exp(ways + counts * math.log(middle) + (rows - counts) * math.log1p(-middle)).sum()
        low, high = (middle, high) if tail < OUTSIDE / 2 else (low, middle)
    return (low + high) / 2


def mean_by_chance(values: Floats) -> tuple[float, float] | None:
    """Return a 95 % confidence interval of the mean of values [n] ≥ 0, or None if few of them decide it.

    The interval is that of 1,000 means of values drawn again with replacement, always the same. It misses the mean too
    often if there are rare and large values, of which others may come: if `FEW` values make up half of the sum or more.
    B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979.
    """
    if np.sort(values)[-FEW:].sum() >= values.sum() / 2:
        return None
    chance = np.random.default_rng(0)
    means = [values[chance.integers(len(values), size=len(values))].mean() for _ in range(DRAWS)]
    low, high = np.quantile(means, [OUTSIDE / 2, 1 - OUTSIDE / 2])
    return float(low), float(high)
