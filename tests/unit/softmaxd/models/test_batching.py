import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import numpy as np
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from softmaxd.errors import CannotRun, QueueFull, QueueTimeout
from softmaxd.models import together
from softmaxd.models.admission import LEAST_REQUESTS
from softmaxd.models.batching import MAX_BATCH_ROWS, Batcher
from softmaxd.models.engine import Engine
from softmaxd.models.outputs import Array, Outputs
from softmaxd.models.runner import Runner
from softmaxd.models.together import EngineRun
from tests.support.paths import MODELS


def double(features: Array) -> dict[str, Array]:
    return {"doubled": features * 2}


def rows(*values: float) -> Array:
    return np.array(values, dtype=np.float32).reshape(-1, 1)


def batcher(
    run: Callable[[Array], dict[str, Array]] = double,
    *,
    inline: bool = True,
    max_queued_rows: int = 100_000,
    queue_timeout: float = 60.0,
    max_queued_seconds: float = 60.0,
) -> Batcher:
    return Batcher(
        Runner(run, inline=inline),
        lambda _ran: None,
        max_queued_rows=max_queued_rows,
        queue_timeout=queue_timeout,
        max_queued_seconds=max_queued_seconds,
    )


class Gate:
    """An engine that waits until it is opened, and keeps the sizes of its batches."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.entered = threading.Event()
        self.sizes: list[int] = []

    def run(self, features: Array) -> dict[str, Array]:
        self.sizes.append(len(features))
        self.entered.set()
        assert self.opened.wait(10)
        return double(features)

    async def busy(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 10)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main, debug=True)


@pytest.mark.parametrize("inline", [True, False])
def test_each_request_gets_the_outputs_of_its_own_rows(inline: bool) -> None:
    async def main() -> None:
        queue = batcher(inline=inline)

        answers = await asyncio.gather(*(queue.predict(rows(*range(n), n)) for n in range(5)))

        assert [answer["doubled"][-1, 0] for answer in answers] == [0, 2, 4, 6, 8]
        assert [len(answer["doubled"]) for answer in answers] == [1, 2, 3, 4, 5]

    run(main())


def test_models_in_the_event_loop_take_turns_however_many_batches_one_has() -> None:
    """A flood of large requests to one model holds up a request to another one for a batch, not for all of them."""
    order: list[str] = []

    def named(name: str) -> Callable[[Array], dict[str, Array]]:
        def noted(features: Array) -> dict[str, Array]:
            order.append(name)
            return double(features)

        return noted

    async def main() -> None:
        flooded, other = batcher(named("flooded")), batcher(named("other"))
        requests = [flooded.predict(np.zeros((MAX_BATCH_ROWS, 1), np.float32)) for _ in range(9)]
        requests += [other.predict(np.zeros((MAX_BATCH_ROWS, 1), np.float32)) for _ in range(3)]

        await asyncio.gather(*requests)

    run(main())

    assert order == ["flooded", "other"] * 3 + ["flooded"] * 6


def test_a_model_in_threads_does_not_wait_for_the_queue_of_another_one() -> None:
    async def main() -> None:
        gate = Gate()
        flooded, other = batcher(gate.run, inline=False), batcher(inline=False)
        requests = [asyncio.create_task(flooded.predict(rows(1))) for _ in range(100)]
        await gate.busy()

        assert (await other.predict(rows(2)))["doubled"] == 4

        assert not any(request.done() for request in requests)
        gate.opened.set()
        await asyncio.gather(*requests)

    run(main())


def test_requests_of_one_turn_of_the_loop_are_one_batch() -> None:
    sizes: list[int] = []

    def count(features: Array) -> dict[str, Array]:
        sizes.append(len(features))
        return double(features)

    async def main() -> None:
        queue = batcher(count)

        await asyncio.gather(*(queue.predict(rows(1, 2)) for _ in range(10)))
        await queue.predict(rows(3))

    run(main())

    assert sizes == [20, 1]


def test_rows_gather_while_the_engine_is_busy() -> None:
    async def main() -> None:
        gate = Gate()
        queue = batcher(gate.run, inline=False)
        first = asyncio.create_task(queue.predict(rows(1)))
        await gate.busy()
        others = [asyncio.create_task(queue.predict(rows(2, 3))) for _ in range(3)]
        await asyncio.sleep(0)

        gate.opened.set()
        await asyncio.gather(first, *others)

        assert gate.sizes == [1, 6]

    run(main())


def test_clients_that_ask_again_at_once_join_those_that_waited() -> None:
    """Otherwise two groups of clients would take turns, and a network is read from memory twice as often."""

    async def main() -> None:
        gate = Gate()
        queue = batcher(gate.run, inline=False)
        loop = asyncio.get_running_loop()
        server, client = socket.socketpair()
        again: asyncio.Future[Outputs] = loop.create_future()

        def submit() -> None:
            queue.submit(rows(3), lambda outcome: again.set_result(cast("Outputs", outcome)))
            queue.flush()

        def arrived() -> None:  # as a connection does, which reads all that has arrived before it submits
            loop.remove_reader(server)
            loop.call_soon(submit)

        def answer(_outcome: object) -> None:
            client.send(b"the next request")

        with server, client:
            loop.add_reader(server, arrived)
            queue.submit(rows(1), answer)
            queue.flush()
            await gate.busy()
            waiting = asyncio.create_task(queue.predict(rows(2)))
            await asyncio.sleep(0)
            gate.opened.set()
            await asyncio.gather(waiting, again)

        assert gate.sizes == [1, 2]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_batch_is_bounded_and_a_larger_request_runs_alone() -> None:
    sizes: list[int] = []

    def count(features: Array) -> dict[str, Array]:
        sizes.append(len(features))
        return double(features)

    async def main() -> None:
        queue = batcher(count)

        parts = [rows(*range(n)) for n in (MAX_BATCH_ROWS + 1, MAX_BATCH_ROWS - 1, 1, 1)]
        await asyncio.gather(*(queue.predict(part) for part in parts))

    run(main())

    assert sizes == [MAX_BATCH_ROWS + 1, MAX_BATCH_ROWS, 1]


def fail_on_negatives(features: Array) -> dict[str, Array]:
    if (features < 0).any():
        raise ValueError("negative")
    return double(features)


@pytest.mark.parametrize("inline", [True, False])
def test_the_requests_of_a_batch_that_fails_run_again_each_by_itself(inline: bool) -> None:
    async def main() -> None:
        queue = batcher(fail_on_negatives, inline=inline)

        outcomes = await asyncio.gather(
            *(queue.predict(rows(value)) for value in (1, -1, 2, -2, 3)), return_exceptions=True
        )
        later = await queue.predict(rows(4))

        answers = [outcome["doubled"].tolist() for outcome in outcomes if isinstance(outcome, Outputs)]
        refusals = [str(outcome) for outcome in outcomes if isinstance(outcome, CannotRun)]
        assert answers == [[[2]], [[4]], [[6]]]
        assert refusals == ["The model cannot run these rows: negative"] * 2
        assert later["doubled"].tolist() == [[8]]

    run(main())


def test_a_run_that_fails_says_nothing_about_the_pace_of_the_model() -> None:
    def fail_slowly(features: Array) -> dict[str, Array]:
        if (features < 0).any():
            time.sleep(0.05)
        return fail_on_negatives(features)

    async def main() -> None:
        queue = Batcher(
            Runner(fail_slowly, inline=True),
            lambda _ran: None,
            max_queued_rows=100,
            queue_timeout=60,
            max_queued_seconds=0.01,
        )
        with pytest.raises(CannotRun):
            await queue.predict(rows(-1))

        answers = await asyncio.gather(*(queue.predict(rows(1)) for _ in range(2 * LEAST_REQUESTS)))

        assert len(answers) == 2 * LEAST_REQUESTS

    run(main())


def test_a_request_that_left_does_not_run_again() -> None:
    sizes: list[int] = []

    def fail_together(features: Array) -> dict[str, Array]:
        sizes.append(len(features))
        if len(features) != 3:
            raise ValueError("not 3")
        return double(features)

    async def main() -> None:
        queue = batcher(fail_together)
        entries = [queue.submit(rows(*range(n)), lambda _outcome: None) for n in (1, 2, 3)]
        queue.flush()
        entries[1].abandoned = True
        await queue.predict(rows(1, 2, 3))

    run(main())

    assert sizes == [6, 1, 3, 3]


def test_a_request_that_left_hears_nothing_of_its_failure() -> None:
    heard: list[object] = []

    async def main() -> None:
        gate = Gate()
        queue = batcher(lambda features: fail_on_negatives(gate.run(features)["doubled"]), inline=False)
        leaving = queue.submit(rows(-1), heard.append)
        queue.flush()
        await gate.busy()
        leaving.abandoned = True
        gate.opened.set()
        await queue.predict(rows(1))

    run(main())

    assert heard == []


@pytest.mark.parametrize("inline", [True, False])
def test_a_bug_reaches_every_request_as_it_is(inline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_outputs: object) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        queue = batcher(inline=inline)
        monkeypatch.setattr(together, "Batch", fail)

        failed = await asyncio.gather(queue.predict(rows(1)), queue.predict(rows(2)), return_exceptions=True)

        assert [type(error) for error in failed] == [ZeroDivisionError, ZeroDivisionError]

    run(main())


@pytest.mark.parametrize("inline", [True, False])
def test_a_bug_in_a_count_leaves_the_next_batch_alone(inline: bool, caplog: pytest.LogCaptureFixture) -> None:
    def count(_ran: EngineRun) -> None:
        raise ZeroDivisionError("a secret")

    async def main() -> None:
        requests = Batcher(
            Runner(double, inline=inline), count, max_queued_rows=10, queue_timeout=60, max_queued_seconds=60
        )
        for number in (1, 2, 3):
            assert (await requests.predict(rows(number)))["doubled"].tolist() == [[2 * number]]

    asyncio.run(main())

    assert caplog.text.count("cannot count a run") == 3


def test_a_cancelled_request_leaves_the_batch_and_its_neighbours_alone() -> None:
    async def main() -> None:
        gate = Gate()
        queue = batcher(gate.run, inline=False)
        running = asyncio.create_task(queue.predict(rows(1)))
        await gate.busy()
        leaving = asyncio.create_task(queue.predict(rows(2)))
        staying = asyncio.create_task(queue.predict(rows(3)))
        await asyncio.sleep(0)

        leaving.cancel()
        running.cancel()
        await asyncio.sleep(0)
        gate.opened.set()
        answer = await staying

        assert answer["doubled"].tolist() == [[6]]
        assert gate.sizes == [1, 1]
        assert leaving.cancelled()
        assert running.cancelled()

    run(main())


def test_when_all_have_left_the_next_request_is_answered() -> None:
    async def main() -> None:
        queue = batcher()
        leaving = asyncio.create_task(queue.predict(rows(1)))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)

        answer = await queue.predict(rows(2))

        assert answer["doubled"].tolist() == [[4]]

    run(main())


def test_a_full_queue_says_so_at_once_and_takes_rows_again_later() -> None:
    async def main() -> None:
        gate = Gate()
        queue = batcher(gate.run, inline=False, max_queued_rows=3)
        running = asyncio.create_task(queue.predict(rows(1)))
        await gate.busy()
        waiting = asyncio.create_task(queue.predict(rows(1, 2)))
        await asyncio.sleep(0)

        with pytest.raises(QueueFull, match="2 rows are waiting"):
            await queue.predict(rows(1, 2))
        gate.opened.set()
        await asyncio.gather(running, waiting)

        assert len((await queue.predict(rows(1, 2, 3)))["doubled"]) == 3

    run(main())


def test_a_model_that_is_slow_lets_only_a_few_requests_wait() -> None:
    async def main() -> None:
        gate = Gate()
        queue = batcher(gate.run, inline=False, max_queued_seconds=1e-9)
        gate.opened.set()
        for _ in range(2):
            await queue.predict(rows(0))  # tells that each row takes longer
        gate.opened.clear()
        gate.entered.clear()
        first = asyncio.create_task(queue.predict(rows(1)))
        await gate.busy()

        waiting = [asyncio.create_task(queue.predict(rows(2, 3))) for _ in range(LEAST_REQUESTS)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match=r"24 rows are waiting, .* 1e-09 s of the setting max_queued_seconds"):
            await queue.predict(rows(4))
        gate.opened.set()
        await asyncio.gather(first, *waiting)

        assert gate.sizes == [1, 1, 1, 2 * LEAST_REQUESTS]

    run(main())


def test_rows_that_wait_too_long_are_given_up_while_the_engine_is_still_busy() -> None:
    async def main() -> None:
        gate = Gate()
        queue = batcher(gate.run, inline=False, queue_timeout=0.05)
        running = asyncio.create_task(queue.predict(rows(1)))
        await gate.busy()
        waiting = [asyncio.create_task(queue.predict(rows(2))) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[1].cancel()

        with pytest.raises(QueueTimeout, match=r"more than 0\.05 s"):
            await waiting[0]
        late = asyncio.create_task(queue.predict(rows(3)))
        await asyncio.sleep(0)
        gate.opened.set()
        answers = await asyncio.gather(running, late)

        assert [answer["doubled"].tolist() for answer in answers] == [[[2]], [[6]]]
        assert gate.sizes == [1, 1]

    run(main())


def test_a_deadline_is_kept_for_each_request_by_itself() -> None:
    async def main() -> None:
        gate = Gate()
        queue = batcher(gate.run, inline=False, queue_timeout=0.1)
        running = asyncio.create_task(queue.predict(rows(1)))
        await gate.busy()
        first = asyncio.create_task(queue.predict(rows(2)))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(queue.predict(rows(3)))

        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        gate.opened.set()
        await running

        assert [type(outcome) for outcome in outcomes] == [QueueTimeout, QueueTimeout]

    run(main())


@pytest.mark.parametrize("inline", [True, False])
def test_tells_of_each_run_how_much_it_was_and_how_long_it_waited(inline: bool) -> None:
    heard: list[EngineRun] = []

    async def main() -> None:
        queue = Batcher(Runner(double, inline=inline), heard.append, max_queued_rows=10, queue_timeout=60)
        await asyncio.gather(queue.predict(rows(1)), queue.predict(rows(2, 3)))

    run(main())

    [ran] = heard
    assert (ran.requests, ran.rows, ran.failed) == (2, 3, False)
    assert 0 < ran.first_waited < ran.waited <= 2 * ran.first_waited
    assert ran.seconds > 0


def test_tells_of_a_run_that_failed_by_request() -> None:
    heard: list[EngineRun] = []

    async def main() -> None:
        queue = Batcher(Runner(fail_on_negatives, inline=True), heard.append, max_queued_rows=10, queue_timeout=60)
        await asyncio.gather(queue.predict(rows(1, 2)), queue.predict(rows(-1)), return_exceptions=True)

    run(main())

    assert [(ran.requests, ran.rows, ran.failed) for ran in heard] == [(1, 2, False), (1, 1, True)]
    assert [dict(ran.outputs) == {} for ran in heard] == [False, True]


class Rows:
    """The rows of some requests."""

    def __init__(self, *values: float) -> None:
        self.features = rows(*values)


def test_rows_of_several_requests_run_now_and_count_as_each_of_them() -> None:
    heard: list[EngineRun] = []
    queue = Batcher(Runner(double, inline=True), heard.append, max_queued_rows=10, queue_timeout=60)

    outputs = queue.run_now(Rows(1, 2, 3), 2, time.monotonic() - 1)

    assert isinstance(outputs, Outputs)
    assert outputs["doubled"].tolist() == [[2], [4], [6]]
    [ran] = heard
    assert (ran.requests, ran.rows, ran.failed) == (2, 3, False)
    assert 1 <= ran.first_waited < ran.waited
    assert ran.waited == 2 * ran.first_waited


@pytest.mark.parametrize("changes", [{"inline": False}, {"max_queued_rows": 1}, {"queue_timeout": 0.5}], ids=str)
def test_rows_that_may_not_run_now_are_left(changes: dict[str, Any]) -> None:
    assert batcher(**changes).run_now(Rows(1, 2), 2, time.monotonic() - 1) is None


def test_rows_do_not_run_now_while_others_wait() -> None:
    queue = batcher()
    queue.submit(rows(1), lambda _: None)

    assert queue.run_now(Rows(1, 2), 2, time.monotonic()) is None


def test_rows_that_failed_together_run_alone() -> None:
    heard: list[EngineRun] = []
    outcomes: list[Outputs | Exception] = []

    async def main() -> None:
        queue = Batcher(Runner(fail_on_negatives, inline=True), heard.append, max_queued_rows=10, queue_timeout=60)
        assert isinstance(queue.run_now(Rows(1, -1, 2), 3, time.monotonic()), CannotRun)
        assert heard == []
        for value in (1, -1, 2):
            queue.submit(rows(value), outcomes.append, alone=True)
        queue.flush()
        while len(outcomes) < 3:  # noqa: ASYNC110 - it takes turns of the loop
            await asyncio.sleep(0)

    run(main())

    assert [type(outcome) for outcome in outcomes] == [Outputs, CannotRun, Outputs]
    assert [(ran.requests, ran.rows, ran.failed) for ran in heard] == [(1, 1, False), (1, 1, True), (1, 1, False)]


@pytest.fixture(scope="module")
def blobs() -> Engine:
    newest = max((MODELS / "blobs").iterdir(), key=lambda folder: int(folder.name))
    return Engine(newest / "model.onnx", device="cpu")


@given(st.lists(st.integers(1, 70), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_the_answer_to_a_row_does_not_depend_on_its_neighbours(blobs: Engine, sizes: list[int], seed: int) -> None:
    every = np.random.default_rng(seed).uniform(-10, 40, (sum(sizes), 2)).astype(np.float32)
    parts = np.split(every, np.cumsum(sizes)[:-1])
    alone = [{name: values.tobytes() for name, values in blobs.run(row[None]).items()} for row in every]

    async def main() -> list[Outputs]:
        queue = Batcher(Runner(blobs.run, inline=True), lambda *_: None, max_queued_rows=10_000, queue_timeout=60.0)
        return await asyncio.gather(*(queue.predict(part) for part in parts))

    together = asyncio.run(main())

    for name in ("logits", "probabilities"):
        rows = [row.tobytes() for outputs in together for row in outputs[name]]
        assert rows == [row[name] for row in alone]
