"""The turns of large bodies, on a loop that tells how long they rest."""

import asyncio
from collections.abc import Callable

import pytest

from softmaxd.http import turns
from softmaxd.http.turns import Turns


class Loop:
    """Does at once the work that is scheduled, and keeps its delay."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    def call_later(self, delay: float, work: Callable[[], None]) -> None:
        self.delays.append(delay)
        work()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    monkeypatch.setattr(turns, "REST", 1000.0)
    return loop


@pytest.mark.parametrize(("small_answered", "least", "most"), [(0, 0, 0), (1, 900, 1100)])
def test_a_large_body_rests_only_while_small_requests_are_answered(
    loop: Loop, small_answered: int, least: float, most: float
) -> None:
    own = Turns()
    own.spend(1.0)

    own.small_answered += small_answered
    own.wait(lambda: None)

    assert least <= loop.delays[0] <= most


def test_the_loop_does_other_work_between_two_large_bodies() -> None:
    done: list[str] = []

    async def main() -> None:
        own = Turns()
        own.wait(lambda: done.append("first"))
        own.wait(lambda: done.append("second"))
        while "second" not in done:
            await asyncio.sleep(0)
            done.append("other")

    asyncio.run(main())
    first, second = done.index("first"), done.index("second")
    assert "other" in done[first:second]
