"""Joins the rows of concurrent requests into one engine call. Knows neither HTTP nor ONNX.

There is no timer: rows that arrive in one turn of the event loop, or while the engine is busy, form the next batch.
So a lone request never waits, and a busy service fills its batches by itself.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter

from softmaxd.errors import QueueFull, QueueTimeout
from softmaxd.models.admission import LEAST_REQUESTS, Pace
from softmaxd.models.outputs import Array, Features, Outputs
from softmaxd.models.runner import Runner
from softmaxd.models.together import EngineRun, Outcome, Part

MAX_BATCH_ROWS = 8192  # joined; a larger request runs alone
ONE_REQUEST = 1  # instead: each request runs alone

Settle = Callable[[Outputs | Exception], None]  # takes the outcome of a request

logger = logging.getLogger(__name__)
deadline_of = attrgetter("deadline")


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
        runner: Runner,
        on_run: Callable[[EngineRun], None],
        *,
        max_queued_rows: int,
        queue_timeout: float,
        max_queued_seconds: float = math.inf,
        max_batch_rows: int = MAX_BATCH_ROWS,
    ) -> None:
        self.runner = runner
        self.on_run = on_run
        self._max_queued_rows = max_queued_rows
        self._max_batch_rows = max_batch_rows
        self._queue_timeout = queue_timeout
        self._pace = Pace(max_queued_seconds)
        self._waiting: deque[Entry] = deque()
        self._again: deque[Entry] = deque()  # of a batch that failed: each of them runs alone
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

    def run_now(self, part: Part, requests: int, since: float) -> Outputs | Exception | None:
        """Return the outputs for the rows of several requests, which have waited since then, or the error of their run.

        None if they may not run now, or not together: then each of them is submitted.
        """
        rows, waited = len(part.features), time.monotonic() - since
        most = min(self._max_batch_rows, self._max_queued_rows, self._pace.soon_rows)
        is_idle = self.runner.inline and not (self._is_busy or self._waiting or self._again)
        if not is_idle or rows > most or waited > self._queue_timeout:
            return None
        _, seconds, outcome = self.runner.run_now(part.features)
        if isinstance(outcome, Exception):
            return outcome
        self._pace.learn(rows, seconds, is_full=rows >= self._max_batch_rows)
        self._count(
            EngineRun(
                parts=[part],
                requests=requests,
                rows=rows,
                first_waited=waited,
                waited=waited * requests,
                seconds=seconds,
                outputs=outcome[0].of_batch,
            )
        )
        return outcome[0]

    def submit(self, features: Features, settle: Settle, *, alone: bool = False) -> Entry:
        """Queue features [n, d] for the next `flush`; `settle` gets the outputs, n rows each, or the error.

        They run `alone` if they have failed with others. Raises `QueueFull`.
        """
        if self.queued_rows + len(features) > self._max_queued_rows:
            raise QueueFull(f"{self.queued_rows} rows are waiting; try again later")
        if self.queued_rows > self._pace.soon_rows and len(self._waiting) >= LEAST_REQUESTS:
            limit = f"the {self._pace.limit:g} s of the setting max_queued_seconds"
            raise QueueFull(f"{self.queued_rows} rows are waiting, which take more than {limit}; try again later")
        entry = Entry(features, settle, time.monotonic() + self._queue_timeout)  # to find the loop is slow
        if alone:
            self._again.append(entry)
            return entry
        self._waiting.append(entry)
        self.queued_rows += len(features)
        if self._is_busy and not self.runner.inline and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(entry.deadline, self._expire)
        return entry

    def flush(self) -> None:
        """Run the waiting rows now; rows that arrive while the engine is busy follow by themselves."""
        if not self._is_busy:
            self._is_busy = True
            self._run_next()

    def _run_next(self) -> None:
        now = time.monotonic()
        self._drop_expired(now)
        batch = self._take()
        if not batch:
            self._is_busy = False
            return
        self.runner.start([entry.features for entry in batch], partial(self._finish, batch, now), self._go_on)

    def _take(self) -> list[Entry]:
        while self._again:
            entry = self._again.popleft()
            if not entry.abandoned:
                return [entry]
        batch: list[Entry] = []
        rows = 0
        while self._waiting and (not batch or rows + len(self._waiting[0].features) <= self._max_batch_rows):
            entry = self._pop()
            if not entry.abandoned:
                batch.append(entry)
                rows += len(entry.features)
        return batch

    def _go_on(self) -> None:
        if not self.runner.inline or self._waiting or self._again:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._run_next)  # meanwhile, clients that were just answered ask again
        else:
            self._is_busy = False

    def _finish(self, batch: list[Entry], began: float, ran: Outcome) -> None:
        rows, seconds, outcome = ran
        outputs: Mapping[str, Array] = {}
        if isinstance(outcome, Exception):
            if len(batch) > 1:
                self._again.extend(batch)  # the fault of one request is no other's
                return
            self.runner.log(outcome)
            if not batch[0].abandoned:
                batch[0].settle(outcome)
        else:
            outputs = outcome[0].of_batch
            self._pace.learn(rows, seconds, is_full=rows >= self._max_batch_rows)
            for entry, each in zip(batch, outcome, strict=True):
                if not entry.abandoned:
                    entry.settle(each)
        arrived = began + self._queue_timeout  # minus an entry's deadline: the seconds it waited
        waited_and_ran = EngineRun(
            parts=batch,
            requests=len(batch),
            rows=rows,
            first_waited=arrived - batch[0].deadline,
            waited=len(batch) * arrived - sum(map(deadline_of, batch)),
            seconds=seconds,
            outputs=outputs,
        )
        self._count(waited_and_ran)

    def _count(self, ran: EngineRun) -> None:
        try:
            self.on_run(ran)
        except Exception:  # a bug in a count must not keep the next batch from running
            logger.exception("cannot count a run")

    def _expire(self) -> None:
        self._drop_expired(time.monotonic())
        self._timer = None
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_at(self._waiting[0].deadline, self._expire)

    def _drop_expired(self, now: float) -> None:
        while self._waiting and self._waiting[0].deadline <= now:
            entry = self._pop()
            if not entry.abandoned:
                entry.settle(QueueTimeout(f"waited in the queue for more than {self._queue_timeout:g} s"))

    def _pop(self) -> Entry:
        entry = self._waiting.popleft()
        self.queued_rows -= len(entry.features)
        return entry
