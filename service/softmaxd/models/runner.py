"""Runs the batches of one model, each for a limited time: one that takes long must not hold up the others.

A model that is fast when it is loaded runs in the event loop. If a run takes long there all the same, the watchdog
stops it, and the model runs in threads from then on. There, a batch of several requests that takes long is stopped, and
its requests run again one by one. A request alone steps aside: it has until `run_timeout`, while the others go on in
another thread.
"""

import asyncio
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from softmaxd.errors import CannotRun, InternalError, RunTimeout
from softmaxd.logs import RareLines
from softmaxd.models.engine_thread import EngineThread
from softmaxd.models.outputs import Array, Features
from softmaxd.models.together import Outcome, Run, RunStopped, try_together
from softmaxd.models.watchdog import Watchdog

PATIENCE = 1 / 40  # of `run_timeout`, and twice the time that the rows take one by one: then a run steps aside
MANY_ROWS = 256  # fewer rows of a model that runs in the event loop take no longer than that
MAX_ASIDE = 2  # runs at a time
MAX_STUCK = 4  # threads that do not stop
STOP_SECONDS = 1.0  # within which ONNX Runtime should stop a run
CLOSE_SECONDS = 0.3

Done = Callable[[Outcome], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """The seconds that a run may take, those that a row takes when the model is loaded, how to stop a thread.

    And the threads of ONNX Runtime for a run.
    """

    run_timeout: float = 10.0
    row_seconds: float = 0.0
    stop: Callable[[int], None] = lambda _thread: None
    threads: int = 1


@dataclass(slots=True, eq=False)
class Running:
    """A batch in a thread."""

    parts: list[Features]
    rows: int
    done: Done
    free: Callable[[], None]
    give_up: float  # the time of the event loop
    thread: EngineThread = field(init=False)
    timer: asyncio.TimerHandle = field(init=False)
    is_aside: bool = False
    is_abandoned: bool = False


class Runner:
    """Runs batches, and logs the rows that the model cannot run."""

    def __init__(
        self,
        run: Run,
        *,
        inline: bool,
        limits: Limits = Limits(),
        watchdog: Watchdog | None = None,
        known: Features | None = None,
        name: str = "the model",
    ) -> None:
        self.inline = inline  # True while the model runs in the event loop
        self._run = run
        self._limits = limits
        self._watchdog = watchdog or Watchdog(limits.run_timeout)
        self._known = known  # rows that the model ran when it was loaded
        self._name = name
        self._lines, self._failures = RareLines(logger), RareLines(logger)
        self._patience = limits.run_timeout * PATIENCE
        self._row_seconds = 2 * limits.row_seconds
        self._stop_inline: Callable[[], None] | None = None
        self._idle: list[EngineThread] = []
        self._running: set[Running] = set()
        self._later: deque[Running] = deque()  # stopped, because too many ran aside
        self._aside = self._stuck = 0
        weakref.finalize(self, _end_all, self._idle).atexit = False

    def in_threads(self, name: str, check: Callable[[], None]) -> "Runner":
        """Return another runner of the same model, which never runs in the event loop, by this name in the log.

        `check` may refuse a run by an exception.
        """
        run = self._run

        def checked(features: Features) -> Mapping[str, Array]:
            check()
            return run(features)

        return Runner(checked, inline=False, limits=self._limits, watchdog=self._watchdog, known=self._known, name=name)

    def start(self, parts: list[Features], done: Done, free: Callable[[], None]) -> None:
        """Run the parts as one batch.

        `done` gets the outcome in the event loop: at once if the model runs there. A run of several parts that takes
        too long has `RunStopped` as its outcome. `free` is called when the next batch may start, which may be before.
        """
        rows = sum(map(len, parts))
        if self.inline:
            ran = self._run_inline(parts, rows)
            if not isinstance(ran[2], RunStopped) or self._leave_loop(parts):
                done(ran)
                free()
                return
        running = Running(parts, rows, done, free, asyncio.get_running_loop().time() + self._limits.run_timeout)
        self._start_in_thread(running, self._patience_for(rows), self._overdue)

    def run_now(self, features: Features) -> Outcome:
        """Run the rows of several requests in the event loop; if they take too long there, others run in threads."""
        ran = self._run_inline([features], len(features))
        if isinstance(ran[2], RunStopped):
            self._leave_loop([features])
        return ran

    def log(self, error: Exception) -> None:
        """Log that the model cannot run the rows of a request, unless there was such a line a short while ago."""
        if isinstance(error, CannotRun | RunTimeout):
            self._lines.warning("%s: %s", self._name, error)

    def close(self) -> None:
        """Stop the runs in threads, whose requests are given up, and wait a moment: the process is about to end."""
        until = time.monotonic() + CLOSE_SECONDS
        for running in self._running:
            running.is_abandoned = True
            running.timer.cancel()
            self._stop_thread(running.thread)
        for running in self._running:
            running.thread.end()
            running.thread.join(max(0.0, until - time.monotonic()))

    def _patience_for(self, rows: int) -> float:
        return min(self._patience + rows * self._row_seconds, self._limits.run_timeout)

    def _run_inline(self, parts: list[Features], rows: int) -> Outcome:
        if self._stop_inline is None:
            self._stop_inline = partial(self._limits.stop, threading.get_ident())
        watchdog = self._watchdog
        patience = self._patience if rows < MANY_ROWS else self._patience_for(rows)
        watchdog.running = (time.monotonic() + patience, self._stop_inline)
        ran = self._try(parts, rows)
        watchdog.running = None
        return ran

    def _try(self, parts: list[Features], rows: int) -> Outcome:
        ran = try_together(self._run, parts, rows)
        if isinstance(ran[2], CannotRun) and len(parts) == 1 and self._is_broken():
            return rows, ran[1], InternalError()
        return ran

    def _is_broken(self) -> bool:
        """Return True if the model cannot run the rows that it ran when it was loaded: no request is to blame then."""
        if self._known is None:
            return False
        _, _, outcome = try_together(self._run, [self._known], len(self._known))
        if isinstance(outcome, CannotRun):
            self._failures.error("%s cannot run any rows: %s", self._name, outcome.__cause__)
        return isinstance(outcome, CannotRun)

    def _leave_loop(self, parts: list[Features]) -> bool:
        """Run in threads from now on; return True if the parts are of several requests, which then run one by one."""
        self.inline = False
        logger.warning("%s: a run took more than %g s, so it runs in threads from now on", self._name, self._patience)
        return len(parts) > 1

    def _start_in_thread(self, running: Running, seconds: float, overdue: Callable[[Running], None]) -> None:
        """Start a run; `overdue` is called if it takes longer than these seconds."""
        running.thread = self._idle.pop() if self._idle else EngineThread(self._limits.threads)
        running.timer = asyncio.get_running_loop().call_later(seconds, overdue, running)
        self._running.add(running)
        running.thread.submit(partial(self._try, running.parts, running.rows), partial(self._ended, running))

    def _overdue(self, running: Running) -> None:
        """Let a request that runs alone step aside; stop a batch, whose requests then run alone."""
        if len(running.parts) == 1 and self._aside < MAX_ASIDE:
            self._step_aside(running)
            running.timer = asyncio.get_running_loop().call_at(running.give_up, self._stop, running)
            running.free()
        else:
            self._stop(running)

    def _step_aside(self, running: Running) -> None:
        """Let a run go on beside others, which come first: a model must not have several times the time of another."""
        self._aside += 1
        running.is_aside = True
        running.thread.run_late()

    def _stop(self, running: Running) -> None:
        self._stop_thread(running.thread)
        running.timer = asyncio.get_running_loop().call_later(STOP_SECONDS, self._abandon, running)

    def _stop_thread(self, thread: EngineThread) -> None:
        assert thread.ident is not None  # it has started
        self._limits.stop(thread.ident)

    def _abandon(self, running: Running) -> None:
        """Go on without a thread that does not stop."""
        running.is_abandoned = True
        self._stuck += 1
        if self._stuck > MAX_STUCK:
            self._watchdog.end(f"{self._name}: more than {MAX_STUCK} runs cannot be stopped")
        error = RunStopped() if len(running.parts) > 1 else self._timeout()
        self._leave(running, (running.rows, self._limits.run_timeout, error))

    def _ended(self, running: Running, ran: Outcome) -> None:
        self._running.discard(running)
        if running.thread.is_late:
            running.thread.end()
        else:
            self._idle.append(running.thread)
        if running.is_abandoned:
            self._stuck -= 1
        else:
            running.timer.cancel()
            self._leave(running, ran)

    def _leave(self, running: Running, ran: Outcome) -> None:
        """Hand on the outcome, or keep a request that was stopped too early for later."""
        was_aside, running.is_aside = running.is_aside, False
        if isinstance(ran[2], RunStopped) and len(running.parts) == 1:
            self._later.append(running)
        else:
            running.done(ran)
        if was_aside:
            self._aside -= 1
        else:
            running.free()
        self._start_later()

    def _start_later(self) -> None:
        while self._later and self._aside < MAX_ASIDE:
            running = self._later.popleft()
            left = running.give_up - asyncio.get_running_loop().time()
            if left > 0:
                self._start_in_thread(running, left, self._stop)
                self._step_aside(running)
            else:
                running.done((running.rows, self._limits.run_timeout, self._timeout()))

    def _timeout(self) -> RunTimeout:
        return RunTimeout(f"the model took more than {self._limits.run_timeout:g} s for these rows (run_timeout)")


def _end_all(threads: Iterable[EngineThread]) -> None:
    """End the threads of a model that is gone."""
    for thread in threads:
        thread.end()
