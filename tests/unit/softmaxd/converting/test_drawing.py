"""Rows are drawn as a model's owner may have them: of its categories, and of numbers with all digits."""

from collections.abc import Sequence

import numpy as np
import pytest

from softmaxd.adding.inspection import Findings, inspect
from softmaxd.converting.drawing import DRAWN, drawn_rows, exact
from tests.support.onnx_graphs import logits_only
from tests.support.table_graphs import people


@pytest.fixture
def findings() -> Findings:
    """Two features of float32."""
    return inspect(logits_only(), None)


def test_float32_becomes_float64_in_every_input() -> None:
    table = np.dtype([("a", np.float32, (2,)), ("b", object, (1,)), ("c", np.int64, (1,))])

    assert exact(table) == np.dtype([("a", np.float64, (2,)), ("b", object, (1,)), ("c", np.int64, (1,))])
    assert exact(np.dtype(np.float32)) == np.float64
    assert exact(np.dtype(np.int32)) == np.int32


@pytest.mark.parametrize(("numbers", "low", "high"), [([1e9, 1e9 + 300], 1e9, 1e9 + 300), ([1e9], 5e8, 1.5e9)])
def test_numbers_lie_in_the_range_that_is_known(
    findings: Findings, numbers: Sequence[float], low: float, high: float
) -> None:
    drawn = drawn_rows(findings, [((), numbers), ((), ())])

    times = drawn[(drawn[:, 0] > 1e6), 0]
    assert drawn.shape == (DRAWN, 2)
    assert DRAWN / 2 < len(times) < DRAWN
    assert low <= times.min() < times.max() <= high
    assert DRAWN / 20 < np.count_nonzero(times == np.round(times, 0)) < len(times)  # as people write them
    assert np.any(times != times.astype(np.float32))


def test_many_rows_have_every_number_in_the_range_that_is_known(findings: Findings) -> None:
    drawn = drawn_rows(findings, [((), [1e9, 1e9 + 300]), ((), [2e9, 2e9 + 300])])

    assert np.count_nonzero((drawn > 5e8).all(axis=1)) >= DRAWN / 2


def test_numbers_of_an_endless_range_are_left_out(findings: Findings) -> None:
    drawn = drawn_rows(findings, [((), [-1.7e308, 5.0, 6.0, 1.7e308, np.inf]), ((), [np.nan, -np.inf])])

    assert np.isfinite(drawn).all()
    assert np.abs(drawn).max() < 1e6


def test_categories_are_all_that_is_drawn_where_they_are_known(findings: Findings) -> None:
    drawn = drawn_rows(findings, [((0.1, 0.2), (7.0,)), ((), ())])

    assert set(drawn[:, 0].tolist()) == {0.1, 0.2}
    assert np.array_equal(drawn, drawn_rows(findings, [((0.1, 0.2), (7.0,)), ((), ())]))


def test_texts_of_which_nothing_is_known_are_those_that_were_tried() -> None:
    findings = inspect(people(), None)

    drawn = drawn_rows(findings, [((), (1e9, 1e9 + 1)), ((), ())])

    assert drawn.dtype == exact(findings.rows.dtype)
    assert drawn["age"].max() > 1e9
    assert set(drawn["job"].ravel()) <= set(findings.rows["job"].ravel())
