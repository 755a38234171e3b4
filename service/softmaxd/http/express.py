"""The express lane without its sockets: which requests it takes, and their way decode → submit → encode."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from softmaxd.errors import InternalError, ServiceError
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.operation import Headers, Job, Operation, Reply, Target, Targets
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.batching import Entry
from softmaxd.models.model import Model
from softmaxd.models.outputs import NOTHING, Outputs
from softmaxd.settings import Settings

MAX_KNOWN_HEADS, MAX_KNOWN_BYTES = 1024, 1024
LARGE_REST = 1.5  # rests for what decoding and encoding took; reading, running and writing come on top of it
LARGE_BYTES = 64 * 1024  # a body that takes the event loop for about a millisecond or more

Refuse = Callable[[str, ServiceError], Reply]  # in the form of the protocol to which a path belongs

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlainHead:
    """What is known of a head that came before, byte for byte: its request is one for the express lane."""

    target: Target
    headers: Headers
    body_bytes: int


class Shared:
    """What all connections of a process share."""

    def __init__(
        self, operations: list[Operation], refuse: Refuse, lifecycle: Lifecycle, metrics: Metrics, settings: Settings
    ) -> None:
        self.targets = Targets(operations if settings.express == "on" else ())
        self.refuse = refuse
        self.lifecycle = lifecycle
        self.metrics = metrics
        self.settings = settings
        self.known: dict[bytes, PlainHead] = {}  # heads that came before
        self.large = LargeBodies()
        self._arrived: list[Call] = []
        self.default_headers: list[tuple[bytes, bytes]] = []  # that `head_of_200` was made with
        self.head_of_200 = b""

    def enter(self, call: "Call") -> None:
        """Run a call once everything that has arrived is read: code that runs for many in a row runs faster."""
        self._arrived.append(call)
        if len(self._arrived) == 1:
            asyncio.get_running_loop().call_soon(self._run_arrived)

    def _run_arrived(self) -> None:
        arrived, self._arrived = self._arrived, []
        models = set()
        for call in arrived:
            if not call.response_complete:  # its client is still there
                call.run()
                models.add(call.model)
        for model in models:
            if model is not None:
                model.batcher.flush()

    def remember(self, head: bytes, plain: PlainHead) -> None:
        """Keep a head, for clients send the same one again and again."""
        if len(head) <= MAX_KNOWN_BYTES:
            if len(self.known) >= MAX_KNOWN_HEADS:
                self.known.clear()
            self.known[head] = plain


class Call:
    """A request in the express lane, in the place of uvicorn's cycle; `answer` is called once."""

    __slots__ = (
        *("answer", "body", "headers", "is_large", "job", "keep_alive"),
        *("model", "operation", "response_complete", "shared", "start", "waiting"),
    )

    def __init__(
        self, answer: Callable[["Call", Reply], None], shared: Shared, model: Model | None, plain: PlainHead
    ) -> None:
        self.answer = answer
        self.shared = shared
        self.operation = plain.target[0]
        self.model = model
        self.headers = plain.headers
        self.body: list[bytes] = []
        self.keep_alive = True
        self.response_complete = False
        self.start = time.perf_counter()
        self.job: Job
        self.waiting: Entry | None = None
        self.is_large = plain.body_bytes > LARGE_BYTES

    def begin(self) -> None:
        """Go on with the whole body, in its turn when it is a large one."""
        if self.is_large:
            self.shared.large.enter(self)
        else:
            self.shared.enter(self)

    def run(self) -> None:
        """Decode the body, and ask the model when there is one."""
        operation = self.operation
        try:
            body = self.body[0] if len(self.body) == 1 else b"".join(self.body)
            self.job = operation.decode(body, self.headers, self.model)
            if self.model is not None and self.job.features is not None:
                self.waiting = self.model.batcher.submit(
                    self.job.features, self.settle_large if self.is_large else self.settle
                )
            else:
                self.settle(NOTHING)
        except Exception as error:  # whatever it is, the client must hear of it
            self._fail(error)

    def settle(self, outcome: Outputs | Exception) -> None:
        """Answer with what the model made of the features."""
        self.waiting = None  # it knows this call: a circle that only the garbage collector would find
        if isinstance(outcome, Exception):
            self._fail(outcome)
            return
        try:
            reply = self.operation.encode(outcome, self.job)
        except Exception as error:  # as above
            self._fail(error)
        else:
            self.answer(self, reply)

    def settle_large(self, outcome: Outputs | Exception) -> None:
        """Do so, and account for the time that it takes."""
        start = time.monotonic()
        self.settle(outcome)
        self.shared.large.spend(time.monotonic() - start)

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, ServiceError):
            logger.error("%s failed", self.operation.path, exc_info=error)
            error = InternalError()
        self.shared.metrics.count_rejection(error.reason)
        self.answer(self, self.operation.refuse(error))


class LargeBodies:
    """Lets large bodies have at most half of the event loop's time while small requests want it.

    One is decoded at a time; then the next waits for as long as the last took, if anybody else was served in between.
    Beside a client that posts 1 MiB back to back the others would otherwise get a tenth of the time.
    """

    def __init__(self) -> None:
        self.small = 0  # requests answered that were not large
        self._waiting: deque[Call] = deque()
        self._is_scheduled = False
        self._rest_until = 0.0
        self._small_then = 0  # as the last one was worked on

    def enter(self, call: Call) -> None:
        """Run a call when it is its turn."""
        self._waiting.append(call)
        if not self._is_scheduled:
            self._schedule()

    def spend(self, seconds: float) -> None:
        """Account for time of the event loop that a large body took."""
        now = time.monotonic()
        self._rest_until = max(self._rest_until, now) + LARGE_REST * seconds
        self._small_then = self.small

    def _schedule(self) -> None:
        self._is_scheduled = True
        rest = self._rest_until - time.monotonic() if self.small != self._small_then else 0.0
        asyncio.get_running_loop().call_later(max(rest, 0.0), self._run)

    def _run(self) -> None:
        start = time.monotonic()
        call = self._waiting.popleft()
        if not call.response_complete:  # its client is still there
            call.run()
            if call.model is not None:
                call.model.batcher.flush()
        self.spend(time.monotonic() - start)
        self._is_scheduled = False
        if self._waiting:
            self._schedule()
