"""Joins the rows of concurrent requests into one engine call. Knows neither HTTP nor ONNX.

There is no timer: rows that arrive in one turn of the event loop, or while the engine is busy, form the next batch.
So a lone request never waits, and a busy service fills its batches by itself.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter

import numpy as np

from softmaxd.errors import QueueFull, QueueTimeout
from softmaxd.models.outputs import Array, Batch, Features, Outputs

MAX_BATCH_ROWS = 8192  # joined; a larger request runs alone
ONE_REQUEST = 1  # instead: each request runs alone

Settle = Callable[[Outputs | Exception], None]  # takes the outcome of a request
Run = Callable[[Features], Mapping[str, Array]]
Outcome = tuple[int, float, Sequence[Outputs | Exception]]  # rows, seconds of the engine, outcome of each request

deadline_of = attrgetter("deadline")


@dataclass(slots=True, kw_only=True)  # not frozen: assigning the fields of a frozen one takes longer
class EngineRun:
    """One run of an engine over the rows of some requests. If the run fails, all of them fail."""

    requests: int
    rows: int
    failed: bool
    first_waited: float  # seconds of the request that waited longest
    waited: float  # seconds of all requests together
    seconds: float  # of the engine
    outputs: Mapping[str, Array]  # empty if the run failed


class Entry:
    """The waiting rows of one request. `settle` is called once with the outcome, unless the entry is `abandoned`."""

    __slots__ = ("abandoned", "deadline", "features", "settle")

    def __init__(self, features: Features, settle: Settle, deadline: float) -> None:
        self.features = features
        self.settle = settle
        self.deadline = deadline
        self.abandoned = False


class Batcher:
    """A bounded queue of rows before one engine, in the event loop in which it is first used."""

    def __init__(
        self,
        run: Run,
        on_run: Callable[[EngineRun], None],
        *,
        inline: bool,
        max_queued_rows: int,
        queue_timeout: float,
        max_batch_rows: int = MAX_BATCH_ROWS,
    ) -> None:
        self._run = run
        self._on_run = on_run
        self._max_queued_rows = max_queued_rows
        self._max_batch_rows = max_batch_rows
        self._queue_timeout = queue_timeout
        self._executor = None if inline else ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._waiting: deque[Entry] = deque()
        self.queued_rows = 0
        self._is_busy = False  # True while a batch runs, or the next one is about to be taken
        self._timer: asyncio.TimerHandle | None = None

    async def predict(self, features: Features) -> Outputs:
        """Return the outputs for features [n, d], n rows each. Raises `QueueFull` or `QueueTimeout`."""
        future: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()

        def settle(outcome: Outputs | Exception) -> None:
            if future.done():  # cancelled, but its task has not run since
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        entry = self.submit(features, settle)
        asyncio.get_running_loop().call_soon(self.flush)
        try:
            return await future
        except asyncio.CancelledError:
            entry.abandoned = True
            raise

    def submit(self, features: Features, settle: Settle) -> Entry:
        """Queue features [n, d] for the next `flush`; `settle` gets the outputs, n rows each, or the error.

        Raises `QueueFull`.
        """
        if self.queued_rows + len(features) > self._max_queued_rows:
            raise QueueFull(f"{self.queued_rows} rows are waiting; try again later")
        loop = asyncio.get_running_loop()
        entry = Entry(features, settle, loop.time() + self._queue_timeout)
        self._waiting.append(entry)
        self.queued_rows += len(features)
        if self._is_busy and self._executor and self._timer is None:
            self._timer = loop.call_at(entry.deadline, self._expire, loop)
        return entry

    def flush(self) -> None:
        """Run the waiting rows now; rows that arrive while the engine is busy follow by themselves."""
        if not self._is_busy:
            self._is_busy = True
            self._run_next(asyncio.get_running_loop())

    def _run_next(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._drop_expired(now)
        batch = self._take()
        if not batch:
            self._is_busy = False
            return
        parts = [entry.features for entry in batch]
        if self._executor is None:
            self._finish(loop, batch, now, _outcomes(self._run, parts))
        else:
            running = loop.run_in_executor(self._executor, _outcomes, self._run, parts)
            running.add_done_callback(lambda done: self._finish(loop, batch, now, done.result()))

    def _take(self) -> list[Entry]:
        batch: list[Entry] = []
        rows = 0
        while self._waiting and (not batch or rows + len(self._waiting[0].features) <= self._max_batch_rows):
            entry = self._pop()
            if not entry.abandoned:
                batch.append(entry)
                rows += len(entry.features)
        return batch

    def _finish(self, loop: asyncio.AbstractEventLoop, batch: list[Entry], began: float, ran: Outcome) -> None:
        rows, seconds, outcomes = ran
        for entry, outcome in zip(batch, outcomes, strict=True):
            if not entry.abandoned:
                entry.settle(outcome)
        first = outcomes[0]
        arrived = began + self._queue_timeout  # minus an entry's deadline: the seconds it waited
        self._on_run(
            EngineRun(
                requests=len(batch),
                rows=rows,
                failed=isinstance(first, Exception),
                first_waited=arrived - batch[0].deadline,
                waited=len(batch) * arrived - sum(map(deadline_of, batch)),
                seconds=seconds,
                outputs={} if isinstance(first, Exception) else first.of_batch,
            )
        )
        if self._waiting:
            loop.call_soon(self._run_next, loop)
        else:
            self._is_busy = False

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._drop_expired(loop.time())
        self._timer = None
        if self._waiting:
            self._timer = loop.call_at(self._waiting[0].deadline, self._expire, loop)

    def _drop_expired(self, now: float) -> None:
        while self._waiting and self._waiting[0].deadline <= now:
            entry = self._pop()
            if not entry.abandoned:
                entry.settle(QueueTimeout(f"waited in the queue for more than {self._queue_timeout:g} s"))

    def _pop(self) -> Entry:
        entry = self._waiting.popleft()
        self.queued_rows -= len(entry.features)
        return entry


def _outcomes(run: Run, parts: list[Features]) -> Outcome:
    """Run the parts as one batch and return its rows, its seconds, and the outcome of each part."""
    start = time.perf_counter()
    outcomes: Sequence[Outputs | Exception]
    try:
        outcomes = run_together(run, parts)
    except Exception as error:  # any failure of the engine must reach every waiting request
        outcomes = [error] * len(parts)
    return sum(map(len, parts)), time.perf_counter() - start, outcomes


def run_together(run: Run, parts: list[Features]) -> list[Outputs]:
    """Return the outputs of each part, [n, …] for a part of n rows, from one run over all of them."""
    features = parts[0] if len(parts) == 1 else np.concatenate(parts)
    outputs = run(features)
    for name, values in outputs.items():
        if len(values) != len(features):
            raise RuntimeError(f"the engine gave {len(values)} rows of {name} for {len(features)} rows")
    batch = Batch(outputs)
    stops = accumulate(map(len, parts))
    return [Outputs(batch, stop - len(part), stop) for part, stop in zip(parts, stops, strict=True)]
