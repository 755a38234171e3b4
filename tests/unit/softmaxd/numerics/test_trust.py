import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmaxd.models.calibration import Calibration
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats, log_softmax
from softmaxd.numerics.trust import MAX_QUANTILES, quantiles, thresholds_by_class


def calibrated(values: Floats) -> Calibration:
    """Return calibration data in which scores and atypicality are the same."""
    kept = tuple(quantiles(values).tolist())
    return Calibration(rows=len(values), temperature=1.0, scores=kept, atypicality=kept)


def test_a_set_holds_the_labels_as_probable_as_the_true_one_of_the_last_row_that_counts() -> None:
    calibration = calibrated(np.arange(1.0, 11.0))  # 10 rows: for 70 % the ⌈11 · 0.7⌉ = 8th counts, whose score is 8
    log_probabilities = np.array([[-0.1, -8.0, -8.1], [-9.0, -9.0, -9.0]])

    assert calibration.prediction_sets(log_probabilities, 0.7).tolist() == [[True, True, False], [False] * 3]


@pytest.mark.parametrize(("rows", "coverage", "rank"), [(19, 0.95, 19), (99, 0.07, 7), (9, 0.1, 1), (9, 0.1000001, 2)])
def test_the_rank_is_that_of_the_decimal_coverage(rows: int, coverage: float, rank: int) -> None:
    scores = np.arange(1.0, rows + 1)
    log_probabilities = -np.arange(0.5, rows + 1)[None]

    assert calibrated(scores).prediction_sets(log_probabilities, coverage).sum() == rank


def test_a_coverage_for_which_there_are_too_few_rows_gives_all_labels() -> None:
    calibration = calibrated(np.zeros(18))

    assert calibration.most_coverage == 18 / 19
    assert calibration.prediction_sets(np.array([[-1e300, 0.0]]), 0.95).all()
    assert not calibration.prediction_sets(np.array([[-1e300, 0.0]]), 0.94).all()


def test_typicality_is_the_share_of_rows_at_least_as_atypical_itself_among_them() -> None:
    calibration = calibrated(np.array([1.0, 2.0, 2.0, 5.0]))
    values = np.array([0.0, 1.0, 1.5, 2.0, 5.0, 5.1, np.inf, np.nan], dtype=np.float32)

    assert (calibration.typicality(values) * 5).tolist() == [5, 5, 4, 4, 2, 1, 1, 1]


@given(st.integers(1, 5_000), st.integers(0, 2**32 - 1), st.decimals(0, 1, places=4).filter(lambda c: 0 < c < 1))
def test_thinned_values_err_on_the_safe_side_by_less_than_a_thousandth(rows: int, seed: int, decimal: float) -> None:
    # steps of a hundredth, so that neither two values tie nor a value and a row that is asked for
    random, coverage = np.random.default_rng(seed), float(decimal)
    values = np.exp(random.permutation(rows) / 100)
    asked = np.exp((random.integers(-1, rows, size=50) + 0.5) / 100).astype(np.float32)
    calibration = calibrated(values)

    exact = (1 + (values[:, None] >= asked).sum(axis=0)) / (rows + 1)
    given_ = calibration.typicality(asked)
    assert (given_ >= exact).all()
    assert (given_ - exact < 1.01 / min(rows, MAX_QUANTILES)).all()
    if rows <= MAX_QUANTILES:
        assert given_.tolist() == exact.tolist()

    rank = math.ceil((rows + 1) * Fraction(str(coverage)))
    held = calibration.prediction_sets(-values[:, None], coverage).sum()
    assert held >= min(rank, rows)
    if rank <= rows:
        assert held - rank <= math.ceil(rows / MAX_QUANTILES) - 1


def forest(seed: int, parts: int) -> Array:
    """Return logits of two distinct rows by 150 trees, which `parts` threads add."""
    leaves = np.random.default_rng(seed).normal(size=(parts, 150 // parts, 2, 3)).astype(np.float32)
    logits: Array = np.add.accumulate(np.add.accumulate(leaves, axis=1)[:, -1], axis=0)[-1]
    return logits


@pytest.mark.parametrize("coverage", [0.5, 0.7, 0.9])
def test_rows_whose_trees_are_added_in_another_order_keep_their_labels(coverage: float) -> None:
    moved = 0
    for seed in range(20):
        alone, together = (log_softmax(forest(seed, parts).astype(np.float64)) for parts in (1, 2))
        calibration = calibrated(-np.repeat(alone[:, 0], 50))
        moved += int((together < alone).any())

        held = calibration.prediction_sets(alone, coverage)
        assert calibration.prediction_sets(together, coverage)[held].all()
    assert moved


@pytest.mark.parametrize("distance", [1e-30, 1e-9, 1e-3, 1.0, 3.7, 4e3, 1e38])
def test_a_row_as_atypical_as_calibration_rows_but_for_rounding_is_as_typical(distance: float) -> None:
    value = np.float32(distance)
    calibration = calibrated(np.array([1e-40, value, value, value]))

    assert calibration.typicality(np.array([value * np.float32(1 + 2**-20)]))[0] >= 4 / 5
    assert calibration.typicality(np.array([value * 1.001 + 0.001]))[0] == 1 / 5


def test_of_no_values_none_are_kept() -> None:
    assert quantiles(np.array([])).tolist() == []


def test_at_most_so_many_values_are_kept_and_the_largest_is_among_them() -> None:
    values = np.random.default_rng(0).normal(size=12_345)

    kept = quantiles(values)

    assert len(kept) == MAX_QUANTILES
    assert kept[-1] == values.max()
    assert set(kept) <= set(values)


@pytest.mark.parametrize(
    ("coverage", "needed"), [(0.5, 1), (0.6, 2), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.7, 3), (0.975, 39)]
)
def test_a_class_with_too_few_rows_takes_the_marginal_threshold_and_is_named(coverage: float, needed: int) -> None:
    assert needed == math.ceil(1 / (1 - Fraction(str(coverage)))) - 1
    classes = [(rows, np.arange(1.0, rows + 1).tolist()) for rows in (needed, needed - 1, needed + 1, 0)]

    highest, not_guaranteed = thresholds_by_class(classes, marginal=-1.0, coverage=coverage)

    assert not_guaranteed == [1, 3]
    assert np.array_equal(highest == -1.0, [False, True, False, True])


@given(st.integers(0, 2**32 - 1), st.decimals("0.001", "0.999", places=3))
def test_thresholds_by_class_are_those_of_the_rows_of_each_class_alone(seed: int, decimal: Decimal) -> None:
    random, coverage = np.random.default_rng(seed), float(decimal)
    values, classes = random.normal(size=60), random.integers(0, 3, size=60)
    parts = [np.sort(values[classes == index]).tolist() for index in range(3)]

    highest, not_guaranteed = thresholds_by_class(
        [(len(part), part) for part in parts], marginal=9.0, coverage=coverage
    )

    for index, part in enumerate(parts):
        rank = math.ceil((len(part) + 1) * Fraction(str(coverage)))
        expected = part[rank - 1] if rank <= len(part) else 9.0
        assert np.asarray(highest)[index] == expected
        assert (index in not_guaranteed) == (rank > len(part))
