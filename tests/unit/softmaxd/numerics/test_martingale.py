"""The promise of the martingale, on streams of rows that are drawn with seeds."""

from collections.abc import Callable

import numpy as np
import pytest

from softmaxd.numerics.martingale import BETS, FACTORS, MOST, RATE, Martingale
from softmaxd.numerics.softmax import Floats
from softmaxd.numerics.trust import quantiles

STREAMS = 200
CALIBRATION_ROWS = (30, 360, 1_000, 5_000)  # iris, digits, blobs, and more than are kept

Draw = Callable[[np.random.Generator, int], Floats]


def smooth(numbers: np.random.Generator, rows: int) -> Floats:
    return numbers.chisquare(2, rows)


def with_ties(numbers: np.random.Generator, rows: int) -> Floats:
    """Draw rows of which half have one of four values."""
    values = numbers.chisquare(2, rows)
    return np.where(numbers.random(rows) < 0.5, np.ceil(values).clip(1, 4), values)


def far(numbers: np.random.Generator, rows: int) -> Floats:
    return numbers.chisquare(2, rows) + 30


def some_far(numbers: np.random.Generator, rows: int) -> Floats:
    """Draw rows of which one in five is far."""
    return np.where(numbers.random(rows) < 0.2, far(numbers, rows), smooth(numbers, rows))


class Stream:
    """A martingale with calibration rows of its own, and the rows that follow."""

    def __init__(self, calibration_rows: int, seed: int, draw: Draw = smooth) -> None:
        self._numbers = np.random.default_rng(seed)
        self._kept = quantiles(draw(self._numbers, calibration_rows))
        self.martingale = Martingale(kept=len(self._kept), rows=calibration_rows)

    def values(self, rows: int, draw: Draw = smooth) -> list[float]:
        """Return the money after each fourth of so many rows."""
        found = []
        ranks = np.searchsorted(self._kept, draw(self._numbers, rows)).tolist()
        for start in range(0, rows, 4):
            self.martingale.add(ranks[start : start + 4])
            found.append(self.martingale.value)
        return found


def by_definition(calibration: Floats, rows: Floats) -> float:
    """Return the money after these rows, from the p-value of each by its definition, with no row left out."""
    kept, bets = 1.0, np.zeros(len(BETS))
    seen = list(calibration)
    for k, row in enumerate(rows, start=1):
        p = (1 + sum(other >= row for other in seen)) / (len(calibration) + k)
        bets = (bets + kept * RATE / (k + RATE) / len(BETS)) * [
            low if p <= most else high for most, low, high in FACTORS
        ]
        kept *= 1 - RATE / (k + RATE)
        seen.append(row)
    return float(kept + bets.sum())


def test_it_begins_with_1_and_bets_by_the_definition() -> None:
    numbers = np.random.default_rng(1)
    calibration, rows = numbers.integers(0, 40, (2, 50)).astype(float)
    rows[rows < calibration.min()] = calibration.min()  # rows of one rank have one value here
    kept = quantiles(calibration)
    rows = kept[np.searchsorted(kept, rows).clip(max=len(kept) - 1)]
    martingale = Martingale(kept=len(kept), rows=50)
    before = martingale.value

    martingale.add(np.searchsorted(kept, rows).tolist())

    assert before == 1
    assert martingale.value == pytest.approx(by_definition(calibration, rows))


def test_no_bet_pays_in_the_long_run_and_each_pays_more_for_smaller_p() -> None:
    for most, low, high in FACTORS:
        assert most * low + (1 - most) * high == pytest.approx(1)
        assert low > 1 > high > 0


@pytest.mark.parametrize("draw", [smooth, with_ties])
@pytest.mark.parametrize("calibration_rows", CALIBRATION_ROWS)
def test_good_rows_reach_a_sum_with_at_most_its_inverse_probability(calibration_rows: int, draw: Draw) -> None:
    highest = np.array([max(Stream(calibration_rows, seed, draw).values(300, draw)) for seed in range(STREAMS)])

    for money in (2, 5, 20, 100):  # with two standard deviations for chance
        share = 1 / money
        assert (highest >= money).mean() <= share + 2 * (share / STREAMS) ** 0.5
    assert (highest >= 100).sum() <= STREAMS / 100


def test_comparing_with_the_calibration_rows_alone_would_break_the_promise() -> None:
    numbers = np.random.default_rng(0)
    money, bets = np.ones(STREAMS), np.zeros((len(BETS), STREAMS))
    calibration, broken = np.sort(numbers.random((STREAMS, 200))), np.zeros(STREAMS, dtype=bool)
    for k in range(1, 5_001):
        row = numbers.random((STREAMS, 1))
        p = (1 + (calibration >= row).sum(axis=1)) / 201
        moved = money * RATE / (k + RATE)
        money -= moved
        bets = (bets + moved / len(BETS)) * [np.where(p <= most, low, high) for most, low, high in FACTORS]
        broken |= money + bets.sum(axis=0) >= 100

    assert broken.mean() > 0.1


@pytest.mark.parametrize("good_rows", [0, 2_000])
@pytest.mark.parametrize(("draw", "rows"), [(far, 50), (some_far, 200)])
@pytest.mark.parametrize("calibration_rows", [360, 1_000])
def test_shifted_rows_are_found_soon(calibration_rows: int, draw: Draw, rows: int, good_rows: int) -> None:
    for seed in range(5):
        stream = Stream(calibration_rows, seed)
        stream.values(good_rows)

        assert max(stream.values(rows, draw)) >= 100


def test_good_rows_do_not_use_up_the_money_that_later_bets_need() -> None:
    stream = Stream(1_000, 0)
    stream.martingale.add(np.random.default_rng(0).integers(0, 1_001, 50_000).tolist())

    assert 0.1 < stream.martingale.value < 2
    assert max(stream.values(200, some_far)) >= 100


def test_a_shift_does_not_use_up_the_money_that_finds_the_next_one() -> None:
    stream = Stream(1_000, 0)
    assert stream.values(100, far)[-1] == pytest.approx(MOST)
    assert stream.values(4_000)[-1] < 10

    assert max(stream.values(60, far)) >= 100


def test_it_falls_once_the_rows_are_good_again() -> None:
    stream = Stream(1_000, 0)
    stream.values(1_000)

    assert stream.values(300, far)[-1] == pytest.approx(MOST)
    assert stream.values(1_000)[-1] < 100


def test_rows_that_become_less_atypical_are_no_evidence() -> None:
    assert max(Stream(1_000, 0).values(1_000, lambda _numbers, rows: np.full(rows, 0.01))) < 2
