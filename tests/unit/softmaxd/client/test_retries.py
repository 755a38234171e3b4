from typing import Any

import pytest

from softmaxd.client.errors import Busy, ConnectionLost, InvalidRequest, TimedOut, Unavailable
from softmaxd.client.retries import Budget, Retries, pause, repeated, seconds_of
from softmaxd.client.steps import Reply, Send, Wait

REQUEST = Send("POST", "/predict")
GOOD = Reply(200, {}, b"{}")
BUSY = Reply(429, {"retry-after": "1"}, b'{"detail": "The queue is full"}')
DRAINING = Reply(503, {"retry-after": "1"}, b'{"detail": "The service is shutting down"}')
WRONG = Reply(422, {}, b'{"detail": "no"}')
LATE = Reply(504, {}, b'{"detail": "late"}')
LOST = ConnectionLost("lost")


def play(outcomes: list[Any], retries: Retries, budget: Budget | None = None) -> tuple[Reply, list[float]]:
    """Answer each request with the next outcome; return the result, and the seconds that were waited."""
    call = repeated(REQUEST, retries, budget or Budget(retries))
    waits: list[float] = []
    left = list(outcomes)
    step = next(call)
    try:
        while True:
            if isinstance(step, Wait):
                waits.append(step.seconds)
                step = call.send(None)
                continue
            assert step == REQUEST
            outcome = left.pop(0)
            step = call.throw(outcome) if isinstance(outcome, Exception) else call.send(outcome)
    except StopIteration as end:
        assert not left
        return end.value, waits


@pytest.mark.parametrize("failure", [BUSY, DRAINING, LOST], ids=["429", "503", "lost"])
def test_a_request_that_may_succeed_later_is_sent_again(failure: Any) -> None:
    reply, waits = play([failure, failure, GOOD], Retries())

    assert reply == GOOD
    assert len(waits) == 2


def test_the_service_is_given_the_time_that_it_asks_for() -> None:
    _, waits = play([BUSY, GOOD], Retries(first_wait=0.0))

    assert 1.0 <= waits[0] <= 1.5


@pytest.mark.parametrize(("failure", "kind"), [(WRONG, InvalidRequest), (LATE, TimedOut)], ids=["422", "504"])
def test_a_request_that_would_fail_again_is_not_repeated(failure: Reply, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        play([failure], Retries())


@pytest.mark.parametrize(
    ("failure", "kind"), [(BUSY, Busy), (DRAINING, Unavailable), (LOST, ConnectionLost)], ids=["429", "503", "lost"]
)
def test_the_last_failure_is_raised_when_the_retries_are_used_up(failure: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        play([failure] * 3, Retries(most=2))


def test_a_service_that_asks_for_too_long_is_not_waited_for() -> None:
    hour = Reply(503, {"retry-after": "3600"}, b"")

    with pytest.raises(Unavailable):
        play([hour], Retries())


def test_all_requests_share_a_budget_that_requests_fill_again() -> None:
    retries = Retries(budget=1, earned=0.5)
    budget = Budget(retries)

    play([LOST, GOOD], retries, budget)
    with pytest.raises(ConnectionLost):
        play([LOST], retries, budget)
    play([GOOD], retries, budget)

    assert play([LOST, GOOD], retries, budget)[0] == GOOD


def test_a_budget_holds_no_more_than_its_most() -> None:
    budget = Budget(Retries(budget=2, earned=1))
    for _ in range(10):
        budget.earn()

    assert [budget.spend() for _ in range(3)] == [True, True, False]


def test_waits_double_and_differ() -> None:
    retries = Retries(first_wait=1.0, longest_wait=4.0)

    waits = [[pause(retry, 0.0, retries) for _ in range(50)] for retry in range(4)]

    for some, longest in zip(waits, [1.0, 2.0, 4.0, 4.0], strict=True):
        assert longest / 2 <= min(some) < max(some) <= longest


@pytest.mark.parametrize(
    ("header", "seconds"), [("", 0.0), ("1", 1.0), ("120", 120.0), ("-1", 0.0), ("²", 0.0), ("Fri, 27 Nov 2026", 0.0)]
)
def test_the_seconds_of_retry_after_are_read(header: str, seconds: float) -> None:
    assert seconds_of(header) == seconds
