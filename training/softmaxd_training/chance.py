"""The ranges in which chance alone leaves a figure that is measured on few rows."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from softmaxd.numerics.softmax import Floats

OUTSIDE = 0.05  # of all measurements, if all is well
HALVINGS = 60  # of the range of a share
FEW = 10  # values
DRAWS = 1000
BLOCK = 1_000_000  # numbers that are drawn together
LEAST_DEVIATION = 1e-6  # of drawn values, relative to that of all: they may be the same


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
    """Return a 95 % confidence interval of the mean of values [n] ≥ 0, or None if few rows decide it.

    Few rows do if `FEW` values make up half of the sum or more: others as large may come. All values the same say
    nothing of others. The interval is that of the studentised bootstrap with 1,000 draws, always the same: it moves by
    the skewness of the values, and so holds the mean of losses nearly as often as it says.
    B. Efron, "Nonparametric standard errors and confidence intervals", Canadian Journal of Statistics 9, 1981.
    """
    mean, deviation = values.mean(), values.std()
    if deviation == 0 or np.sort(values)[-FEW:].sum() >= values.sum() / 2:
        return None
    drawn = _draws(len(values), lambda chance, draws: values[chance.integers(len(values), size=(draws, len(values)))])
    deviations = [
        (each.mean(axis=1) - mean) / np.maximum(each.std(axis=1), deviation * LEAST_DEVIATION) for each in drawn
    ]
    low, high = np.quantile(np.concatenate(deviations), [OUTSIDE / 2, 1 - OUTSIDE / 2])
    return max(float(mean - high * deviation), 0.0), float(mean - low * deviation)


def error_by_chance(confidence: Floats, bins: int) -> tuple[float, float]:
    """Return the range of 95 % of all expected calibration errors of a model that is as often right as it is sure.

    `confidence` [n] is the highest probability of each row; the rows are in `bins` parts of equal size by it, or in as
    many as there are rows. Chance alone makes the error more than 0, so an error in this range tells of no fault.
    """
    sure = np.sort(confidence)
    sizes = [len(part) for part in np.array_split(sure, min(bins, len(sure)))]
    starts = np.cumsum([0, *sizes[:-1]])
    drawn = _draws(len(sure), lambda chance, draws: sure - (chance.random((draws, len(sure))) < sure))
    errors = [np.abs(np.add.reduceat(gaps, starts, axis=1)).sum(axis=1) / len(sure) for gaps in drawn]
    low, high = np.quantile(np.concatenate(errors), [OUTSIDE / 2, 1 - OUTSIDE / 2])
    return float(low), float(high)


def _draws(rows: int, draw: Callable[[np.random.Generator, int], Floats]) -> Iterator[Floats]:
    """Yield `DRAWS` draws of so many rows, always the same, in blocks [draws, rows] that fit in memory."""
    chance = np.random.default_rng(0)
    block = min(DRAWS, max(1, BLOCK // rows))
    for start in range(0, DRAWS, block):
        yield draw(chance, min(block, DRAWS - start))
