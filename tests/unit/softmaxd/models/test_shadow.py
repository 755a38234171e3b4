"""A shadow compares itself with the answers, and does not harm them."""

import asyncio
import gc
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from softmaxd.errors import CannotRun, InternalError, RunTimeout
from softmaxd.models import shadow as shadows
from softmaxd.models.batching import Batcher
from softmaxd.models.manifest import Key
from softmaxd.models.model import Model
from softmaxd.models.outputs import Array, Outputs
from softmaxd.models.runner import Runner
from softmaxd.models.shadow import MAX_ROWS, Comparison, Count, Dropped, Pair, Shadow, Shadows, ignore_shadows
from tests.support.manifests import manifest

Run = Callable[[Array], dict[str, Array]]


def answer(*rows: Sequence[float]) -> Run:
    """Return a run with these probabilities, over and over."""
    return lambda features: {"probabilities": np.resize(np.array(rows, np.float32), (len(features), len(rows[0])))}


def version(number: int, run: Run, *, is_rowwise: bool = True, **fields: Any) -> Model:
    batcher = Batcher(Runner(run, inline=True), lambda _: None, max_queued_rows=10**6, queue_timeout=60)
    return Model(manifest(version=number, **fields), "CPU", run, batcher, is_rowwise=is_rowwise)


class Counted:
    """Remembers every outcome."""

    def __init__(self) -> None:
        self.outcomes: list[Comparison | Dropped] = []

    def __call__(self, _answering: Key, _shadow: Key) -> Count:
        return self.outcomes.append

    @property
    def rows(self) -> int:
        """The rows that were compared."""
        return sum(len(each.differences) for each in self.outcomes if isinstance(each, Comparison))

    @property
    def reasons(self) -> dict[str, int]:
        return Counter(outcome if isinstance(outcome, str) else "compared" for outcome in self.outcomes)


async def reached(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it takes turns of the loop
            await asyncio.sleep(0.001)


def ask(model: Model, numbers: Sequence[int], counted: Counted) -> list[Any]:
    """Ask for so many rows in each request, all at once; return the answers or errors once all are counted."""

    async def main() -> list[Any]:
        requests = [model.batcher.predict(np.zeros((rows, 2), np.float32)) for rows in numbers]
        found = await asyncio.gather(*requests, return_exceptions=True)
        await reached(lambda: len(counted.outcomes) == sum(isinstance(each, Outputs) for each in found))
        return found

    return asyncio.run(main())


def test_labels_and_probabilities_are_compared() -> None:
    counted = Counted()
    answering, other = version(1, answer([0.9, 0.1], [0.2, 0.8])), version(2, answer([0.6, 0.4], [0.7, 0.3]))

    (outputs,) = ask(Shadows(counted).beside(answering, other), [2], counted)

    assert outputs["probabilities"].tolist() == np.array([[0.9, 0.1], [0.2, 0.8]], np.float32).tolist()
    (compared,) = counted.outcomes
    assert isinstance(compared, Comparison)
    assert compared.disagreements == 1
    assert compared.differences == pytest.approx([0.3, 0.5])


def test_requests_to_a_version_with_a_shadow_are_submitted_one_by_one() -> None:
    answering, other = version(1, answer([0.9, 0.1])), version(2, answer([0.6, 0.4]))
    rows = SimpleNamespace(features=np.zeros((2, 2), np.float32))

    beside = Shadows(Counted()).beside(answering, other)

    assert isinstance(answering.batcher.run_now(rows, 2, time.monotonic()), Outputs)
    assert beside.batcher.run_now(rows, 2, time.monotonic()) is None


def test_each_row_of_requests_that_ran_together_is_compared_with_its_own_answer() -> None:
    def of_rows(features: Array) -> dict[str, Array]:
        first = features[:, 0] / 10
        return {"probabilities": np.stack([first, 1 - first], axis=1).astype(np.float32)}

    counted = Counted()
    beside = Shadows(counted).beside(version(1, of_rows), version(2, answer([0.4, 0.6])))

    async def main() -> None:
        parts = [np.array([[number, 0]], np.float32) for number in (0, 4, 9)]
        await asyncio.gather(*(beside.batcher.predict(part) for part in parts))
        await reached(lambda: counted.rows == 3)

    asyncio.run(main())

    (compared,) = counted.outcomes
    assert isinstance(compared, Comparison)
    assert compared.disagreements == 1
    assert compared.differences == pytest.approx([0.4, 0.0, 0.5], abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "probabilities", "disagreements", "difference"),
    [
        (("b", "a"), [0.1, 0.9], 0, 0.0),
        (("b", "a"), [0.9, 0.1], 1, 0.8),
        (("a", "c"), [0.9, 0.1], 0, 0.1),
        (("c", "d", "b"), [0.0, 0.7, 0.3], 1, 0.9),
    ],
)
def test_labels_are_compared_by_their_names(
    labels: Sequence[str], probabilities: Sequence[float], disagreements: int, difference: float
) -> None:
    counted = Counted()
    answering, other = version(1, answer([0.9, 0.1])), version(2, answer(probabilities), labels=labels)

    ask(Shadows(counted).beside(answering, other), [1], counted)

    (compared,) = counted.outcomes
    assert isinstance(compared, Comparison)
    assert compared.disagreements == disagreements
    assert compared.differences == pytest.approx([difference])


def broken(_features: Array) -> dict[str, Array]:
    raise ValueError("broken")


def test_a_shadow_that_fails_harms_no_answer() -> None:
    counted = Counted()
    found = ask(Shadows(counted).beside(version(1, answer([1, 0])), version(2, broken)), [1, 2, 3], counted)

    assert all(isinstance(each, Outputs) for each in found)
    assert counted.reasons == {"failed": 3}


def test_a_shadow_whose_outputs_are_not_finite_has_failed() -> None:
    counted = Counted()
    ask(Shadows(counted).beside(version(1, answer([1, 0])), version(2, answer([np.nan, 0]))), [1], counted)

    assert counted.reasons == {"failed": 1}


@pytest.mark.parametrize("run", [broken, answer([np.nan, 0])], ids=["broken", "not finite"])
def test_rows_without_an_answer_are_not_compared(run: Run) -> None:
    counted = Counted()
    beside = Shadows(counted).beside(version(1, run), version(2, answer([1, 0])))

    async def main() -> list[Any]:
        asked = beside.batcher.predict(np.zeros((1, 2), np.float32))
        return list(await asyncio.gather(asked, return_exceptions=True))

    (found,) = asyncio.run(main())

    assert isinstance(found, CannotRun | Outputs)
    assert counted.outcomes == []


class Held:
    """A run that waits until it is released, in a thread that it remembers."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.threads: set[int] = set()
        self.rows: list[int] = []

    def __call__(self, features: Array) -> dict[str, Array]:
        self.threads.add(threading.get_ident())
        self.rows.append(len(features))
        assert self.release.wait(10)
        return answer([0.5, 0.5])(features)


def ask_while_held(model: Model, held: Held, counted: Counted, numbers: Sequence[int], *, rows: int) -> dict[str, int]:
    """Ask one request after the other while the shadow runs, until it has compared so many rows.

    Return the reasons that were counted when all were answered.
    """

    async def main() -> dict[str, int]:
        for number in numbers:
            await asyncio.wait_for(model.batcher.predict(np.zeros((number, 2), np.float32)), 10)
            await asyncio.sleep(0)
        early = dict(counted.reasons)
        held.release.set()
        await reached(lambda: counted.rows == rows)
        return early

    return asyncio.run(main())


def test_answers_do_not_wait_for_a_slow_shadow_which_drops_requests_while_it_is_busy() -> None:
    counted, held = Counted(), Held()
    beside = Shadows(counted).beside(version(1, answer([1, 0])), version(2, held))

    early = ask_while_held(beside, held, counted, [MAX_ROWS // 2] * 5, rows=3 * MAX_ROWS // 2)

    assert early == {"busy": 2}  # one runs, two wait
    assert counted.reasons == {"busy": 2, "compared": 2}  # the last two at once
    assert held.rows == [MAX_ROWS // 2, MAX_ROWS]
    assert threading.get_ident() not in held.threads


def test_a_shadow_whose_rows_depend_on_others_runs_each_request_alone() -> None:
    counted, held = Counted(), Held()
    beside = Shadows(counted).beside(version(1, answer([1, 0])), version(2, held, is_rowwise=False))

    ask_while_held(beside, held, counted, [1, 2, 3], rows=6)

    assert held.rows == [1, 2, 3]


def test_a_shadow_holds_few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, held = Counted(), Held()
    other = version(2, held)
    monkeypatch.setattr(shadows, "MAX_BYTES", 2 * other.manifest.held_bytes(np.zeros((1, 2), np.float32)))
    beside = Shadows(counted).beside(version(1, answer([1, 0])), other)

    early = ask_while_held(beside, held, counted, [1, 1, 1, 3], rows=2)

    assert early == {"busy": 1, "large": 1}
    assert counted.reasons == {"busy": 1, "large": 1, "compared": 2}


def test_a_large_request_is_not_compared() -> None:
    counted = Counted()
    ask(Shadows(counted).beside(version(1, answer([1, 0])), version(2, answer([1, 0]))), [MAX_ROWS + 1], counted)

    assert counted.reasons == {"large": 1}


def test_a_request_that_waits_too_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "WAIT_SECONDS", 0.01)
    counted, held = Counted(), Held()
    beside = Shadows(counted).beside(version(1, answer([1, 0])), version(2, held))

    async def main() -> None:
        for _ in range(2):
            await beside.batcher.predict(np.zeros((1, 2), np.float32))
            await asyncio.sleep(0.001)
        await reached(lambda: len(counted.outcomes) == 1)
        held.release.set()
        await reached(lambda: len(counted.outcomes) == 2)

    asyncio.run(main())

    assert [each if isinstance(each, str) else "compared" for each in counted.outcomes] == ["busy", "compared"]


def test_a_shadow_that_ran_too_long_runs_no_more(caplog: pytest.LogCaptureFixture) -> None:
    counted = Counted()
    calls: list[int] = []

    def run(features: Array) -> dict[str, Array]:
        calls.append(len(features))
        return answer([1, 0])(features)

    shadow = version(2, run)
    other = Shadow(shadow)

    pair = Pair(shadow.manifest, shadow.manifest, counted.outcomes.append)
    probabilities = np.zeros((1, 2), np.float32)

    async def main() -> None:
        for error in (RunTimeout("late"), RunTimeout("later"), InternalError()):
            other._settle(0, [0], probabilities, pair, error)
        other.run(np.zeros((1, 2), np.float32), [0], probabilities, pair)
        with pytest.raises(RuntimeError, match=r"^it is off, because a run took too long$"):
            other.runner._run(probabilities)

    asyncio.run(main())

    assert (counted.reasons, calls) == ({"failed": 4}, [])
    assert [record.getMessage() for record in caplog.records] == [
        "any version 2 as a shadow: a run took too long, so it runs no more until it is loaded again"
    ]


def test_a_bug_in_a_comparison_is_logged_and_harms_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_outcome: object) -> None:
        raise ZeroDivisionError

    beside = Shadows(lambda *_: fail).beside(version(1, answer([1, 0])), version(2, answer([1, 0])))

    outputs = asyncio.run(beside.batcher.predict(np.zeros((MAX_ROWS + 1, 2), np.float32)))

    assert len(outputs["probabilities"]) == MAX_ROWS + 1
    assert [record.getMessage() for record in caplog.records] == ["cannot compare with a shadow"]


def test_a_version_keeps_its_queue_as_a_shadow_and_is_not_kept_by_it() -> None:
    found, counted = Shadows(ignore_shadows), Counted()
    one, two, other = version(1, answer([1, 0])), version(2, answer([1, 0])), version(3, answer([1, 0]))

    first, second = found.beside(one, other), found.beside(two, other)
    assert first.batcher._shadow is second.batcher._shadow  # type: ignore[attr-defined]
    assert (first.manifest, first.key, first.provider) == (one.manifest, one.key, one.provider)
    ignore_shadows(one.key, other.key)("busy")
    gone = weakref.ref(other)
    del other, first, second
    gc.collect()

    assert gone() is None
    assert counted.outcomes == []


def test_closing_stops_the_runs_of_shadows() -> None:
    counted, held = Counted(), Held()
    found = Shadows(counted)
    other = version(2, held)
    beside = found.beside(version(1, answer([1, 0])), other)

    async def main() -> None:
        await beside.batcher.predict(np.zeros((1, 2), np.float32))
        await reached(lambda: bool(held.rows))
        held.release.set()
        found.close()
        await asyncio.sleep(0.01)

    asyncio.run(main())

    assert counted.outcomes == []  # it was given up
