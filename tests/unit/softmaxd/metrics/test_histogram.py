import numpy as np
import pytest

from softmaxd.metrics.counts import ROWS, SECONDS
from softmaxd.metrics.histogram import Histogram


@pytest.mark.parametrize(
    ("value", "at_most"), [(0.0, 50e-6), (50e-6, 50e-6), (51e-6, 100e-6), (9.9, 10.0), (10.0, 10.0)]
)
def test_a_value_counts_up_to_its_bound(value: float, at_most: float) -> None:
    histogram = Histogram(SECONDS)
    histogram.add(value)

    buckets = dict(histogram.buckets())
    assert min(float(bound) for bound, count in buckets.items() if count == 1) == at_most
    assert buckets["+Inf"] == 1
    assert histogram.total == value


def test_a_value_above_all_bounds_counts_only_among_all() -> None:
    histogram = Histogram(ROWS)
    histogram.add(1e9)

    assert [count for _, count in histogram.buckets()] == [0] * len(ROWS) + [1]


def test_many_values_count_as_each_of_them_would() -> None:
    values = np.random.default_rng(0).integers(0, 20, 100)
    one_by_one, at_once = Histogram((3.0, 5.0, 11.0)), Histogram((3.0, 5.0, 11.0))
    for value in values:
        one_by_one.add(float(value))

    for part in np.split(values, 2):
        at_once.add_many([int((part <= bound).sum()) for bound in at_once.bounds], len(part), float(part.sum()))

    assert at_once.buckets() == one_by_one.buckets()
    assert at_once.total == one_by_one.total


@pytest.mark.parametrize("values", [[0.2], [0.21, 0.3, 0.49], [1e-6, 0.3, 70.0]], ids=["one", "alike", "unlike"])
def test_values_that_are_added_at_once_count_one_by_one(values: list[float]) -> None:
    one_by_one, at_once = Histogram(SECONDS), Histogram(SECONDS)
    for value in values:
        one_by_one.add(value)

    at_once.add_each(values)

    assert at_once.counts == one_by_one.counts
    assert at_once.total == pytest.approx(one_by_one.total)
