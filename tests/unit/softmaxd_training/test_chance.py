"""The ranges by chance, against SciPy."""

import pytest
from scipy.stats import betabinom

from softmaxd_training.chance import coverage_by_chance


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
