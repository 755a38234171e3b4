import math

import pytest

from softmaxd.models.admission import NO_LIMIT, Pace


def after(*runs: tuple[int, float], is_full: bool = False) -> int:
    """Return how many rows run soon after these runs, rows and seconds each."""
    pace = Pace(0.25)
    for rows, seconds in runs:
        pace.learn(rows, seconds, is_full=is_full)
    return pace.soon_rows


def test_nothing_is_known_before_the_first_run() -> None:
    assert after() == NO_LIMIT


def test_a_slow_run_tells_how_many_rows_run_soon() -> None:
    assert after((10, 0.5)) == 5


def test_a_model_that_needs_longer_for_one_row_runs_none_soon() -> None:
    assert after((1, 2.0)) == 0


@pytest.mark.parametrize(("is_full", "expected"), [(False, NO_LIMIT), (True, 25)])
def test_a_short_run_tells_only_if_no_row_could_have_joined_it(is_full: bool, expected: int) -> None:
    assert after((1, 0.01), is_full=is_full) == expected


def test_a_short_run_lifts_the_limit() -> None:
    assert after((10, 0.5), (1, 0.01)) == NO_LIMIT


def test_one_run_that_the_machine_delays_sets_no_narrow_limit() -> None:
    assert after((1, 0.001), (1, 0.2)) == 250
    assert after((1, 0.001), (1, 0.2), (1, 0.2)) == 1


def test_a_run_that_the_clock_cannot_measure_is_a_fast_one() -> None:
    assert after((1, 0.0), is_full=True) > 10**6


def test_without_a_limit_any_number_of_rows_runs_soon() -> None:
    pace = Pace(math.inf)

    pace.learn(1, 0.01, is_full=True)

    assert pace.soon_rows == NO_LIMIT
