import pytest

from softmaxd.errors import Overloaded
from softmaxd.http.budget import SMALL_BYTES, Budget, Share


def test_shares_hold_at_most_the_budget_together() -> None:
    budget = Budget(10)
    first, second = Share(budget), Share(budget)
    first.take(6)
    second.take(4)

    with pytest.raises(Overloaded, match="10 bytes of the setting max_inflight_bytes"):
        second.take(1)
    first.keep(5)
    second.take(1)

    assert (first.held, second.held, budget.held) == (5, 5, 10)


def test_small_ones_find_room_beside_large_ones() -> None:
    budget = Budget(100 * SMALL_BYTES)
    large, other, small = Share(budget), Share(budget), Share(budget)
    large.take(74 * SMALL_BYTES)

    with pytest.raises(Overloaded):
        other.take(2 * SMALL_BYTES)
    for _ in range(26):
        small.take(SMALL_BYTES)
    with pytest.raises(Overloaded):
        small.take(1)


def test_a_request_alone_gets_what_it_wants() -> None:
    budget = Budget(10)
    alone, other = Share(budget), Share(budget)
    alone.take(8)
    alone.take(100)

    with pytest.raises(Overloaded):
        other.take(1)
    alone.keep(0)
    other.take(11)

    assert budget.held == 11
