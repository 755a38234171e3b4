"""The ranges by chance, against SciPy."""

import numpy as np
import pytest
from scipy.stats import betabinom, binomtest

from softmaxd_training.chance import coverage_by_chance, mean_by_chance, share_by_chance


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


def test_the_interval_of_a_mean_holds_it_in_about_95_of_100_cases() -> None:
    held = []
    for seed in range(200):
        interval = mean_by_chance(np.random.default_rng(seed).exponential(size=100))
        assert interval is not None
        held.append(interval[0] < 1 < interval[1])

    # for 100 values of this skewed distribution theory has a little less than 95 %; 86 % is four deviations below
    assert 0.86 < np.mean(held) <= 1


def test_a_mean_that_few_values_decide_has_no_interval() -> None:
    values = np.full(200, 0.01)
    values[7] = 5.0

    assert mean_by_chance(values) is None
    assert mean_by_chance(np.zeros(50)) is None
