"""The ranges by chance, against SciPy."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import beta, betabinom, binom, binomtest

from softmaxd.numerics.softmax import Floats
from softmaxd_training.calibration import BINS, calibration_error, reliability
from softmaxd_training.chance import coverage_by_chance, error_by_chance, mean_by_chance, share_by_chance


@pytest.mark.parametrize("coverage", [0.07, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("rows", [(100, 7), (1000, 250), (30_000, 20_000)])
def test_the_range_of_a_coverage_is_that_of_the_beta_binomial_distribution(
    rows: tuple[int, int], coverage: float
) -> None:
    calibration, test = rows
    rank = -int(-(calibration + 1) * coverage // 1)

    expected = betabinom(test, rank, calibration + 1 - rank).ppf([0.025, 0.975]) / test

    assert coverage_by_chance(calibration, test, coverage) == tuple(expected)


def test_a_coverage_for_which_there_are_too_few_rows_is_always_reached() -> None:
    assert coverage_by_chance(18, 100, 0.95) == (1, 1)
    assert coverage_by_chance(19, 100, 0.95)[0] < 1


@pytest.mark.parametrize(("hits", "rows"), [(0, 30), (30, 30), (29, 30), (1, 1), (123, 2000), (19_990, 20_000)])
def test_the_interval_of_a_share_is_that_of_clopper_and_pearson(hits: int, rows: int) -> None:
    expected = binomtest(hits, rows).proportion_ci(method="exact")

    assert share_by_chance(hits, rows) == pytest.approx((expected.low, expected.high), rel=1e-7)


@pytest.mark.parametrize("rows", [1, 7, 40, 250])
def test_the_interval_of_a_share_holds_it_in_95_of_100_cases_or_more(rows: int) -> None:
    hits = np.arange(rows + 1)
    low, high = np.transpose([share_by_chance(int(seen), rows) for seen in hits])

    for share in (0.001, 0.02, 0.3, 0.5, 0.77, 0.9, 0.99, 0.9999):
        held = binom.pmf(hits, rows, share)[(low <= share) & (share <= high)].sum()
        assert held >= 0.95


def losses_of_honest_models(a: float, b: float) -> tuple[Callable[[int], Floats], float]:
    """Return a function from a seed to 200 losses for a sure model with two labels, and their true mean.

    The model gives the first label a probability from a beta distribution, and that is its true probability.
    """
    shares = np.linspace(0.5, 199_999.5, 200_000) / 200_000
    sure = np.clip(beta.ppf(shares, a, b), 1e-12, 1 - 1e-12)
    mean = float(-(sure * np.log(sure) + (1 - sure) * np.log1p(-sure)).mean())

    def draw(seed: int) -> Floats:
        chance = np.random.default_rng(seed)
        given = np.clip(chance.beta(a, b, size=200), 1e-12, 1 - 1e-12)
        drawn: Floats = -np.log(np.where(chance.random(200) < given, given, 1 - given))
        return drawn

    return draw, mean


@pytest.mark.parametrize(("a", "b"), [(5, 1), (2, 0.3)])
def test_the_interval_of_a_loss_holds_it_in_95_of_100_cases(a: float, b: float) -> None:
    draw, mean = losses_of_honest_models(a, b)

    intervals = [interval for seed in range(250) if (interval := mean_by_chance(draw(seed)))]

    assert len(intervals) > 230  # so many rows tell the loss
    held = sum(low <= mean <= high for low, high in intervals)
    least, most = binom.ppf([0.0005, 0.9995], len(intervals), 0.95)
    assert least <= held <= most


def test_the_interval_of_a_skewed_mean_is_not_too_low() -> None:
    drawn = [np.random.default_rng(seed).exponential(size=80) for seed in range(250)]
    intervals = [interval for values in drawn if (interval := mean_by_chance(values))]

    above = sum(high < 1 for _, high in intervals)

    assert len(intervals) > 210
    assert above <= 0.06 * len(intervals)  # 9 % are below the mean without the studentised draws


def test_an_interval_is_always_the_same_and_not_negative() -> None:
    values = np.random.default_rng(3).exponential(size=100)

    low, high = mean_by_chance(values) or (-1, -1)

    assert mean_by_chance(values) == (low, high)
    assert 0 <= low < values.mean() < high


def test_a_mean_that_few_values_decide_has_no_interval() -> None:
    values = np.full(200, 0.01)
    values[7] = 5.0

    assert mean_by_chance(values) is None
    assert mean_by_chance(np.zeros(50)) is None
    assert mean_by_chance(np.full(50, 0.25)) is None


def test_draws_of_two_values_may_be_all_the_same() -> None:
    values = np.array([*[1.0] * 40, *[1.5] * 2])

    low, high = mean_by_chance(values) or (-1, -1)

    assert np.isfinite([low, high]).all()
    assert low < values.mean() < high


@pytest.mark.parametrize(("sure", "rows"), [(0.5, 300), (0.9, 600)])
def test_the_calibration_error_by_chance_is_that_of_the_binomial_distribution(sure: float, rows: int) -> None:
    """All rows are equally sure, in one part: the error is the distance of a binomial share from its mean."""
    hits = np.arange(rows + 1)
    gaps = np.abs(hits / rows - sure)
    order = np.argsort(gaps)
    shares = np.cumsum([0, *binom.pmf(hits, rows, sure)[order]])

    low, high = error_by_chance(np.full(rows, sure), 1)

    for found, share in ((low, 0.025), (high, 0.975)):
        below, until = (shares[np.searchsorted(gaps[order], found + step)] for step in (-1e-9, 1e-9))
        assert below - 0.02 <= share <= until + 0.02  # 0.02: four deviations of 1,000 draws


def test_the_calibration_error_of_an_honest_model_is_in_its_range_in_95_of_100_cases() -> None:
    inside = []
    for seed in range(200):
        chance = np.random.default_rng(seed)
        first = chance.beta(3, 1, size=150)
        probabilities = np.stack([first, 1 - first], axis=1)
        classes = (chance.random(150) > first).astype(np.int64)
        error = calibration_error(reliability(probabilities, classes))
        low, high = error_by_chance(probabilities.max(axis=1), BINS)
        inside.append(low <= error <= high)

    least, most = binom.ppf([0.0005, 0.9995], 200, 0.95)
    assert least <= sum(inside) <= most


def test_of_fewer_rows_than_parts_each_is_a_part() -> None:
    low, high = error_by_chance(np.array([0.5, 1.0]), 15)

    assert low == high == 0.25
