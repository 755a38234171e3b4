"""The express lane without its sockets: the way of a request, decode → submit → encode.

It answers the hot operations without an ASGI scope, task or `send`: a connection gathers the body itself, and writes
head and body at once. The lane takes only requests in their plainest form: HTTP/1.1 with `Content-Length`, no response
pending before it on the connection, a model that exists. The ASGI lane takes all others; both answer the same bytes.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from softmaxd.errors import ServiceError
from softmaxd.http.access_log import AccessLog
from softmaxd.http.budget import Budget, Share
from softmaxd.http.compression import inflates_beyond
from softmaxd.http.heads import PlainHead, PlainHeads
from softmaxd.http.ids import Ids
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.operation import Job, Operation, Reply, reply_to_error
from softmaxd.http.replies import OkReplies
from softmaxd.http.turns import LARGE_BYTES, Turns
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.batching import Entry
from softmaxd.models.model import Model
from softmaxd.models.outputs import NOT_ASKED, Outputs
from softmaxd.settings import Settings

logger = logging.getLogger(__name__)

Refuse = Callable[[str, ServiceError], Reply]  # for a path, in the form of its protocol


class ExpressLane:
    """The express lane of one process, shared by all its connections."""

    def __init__(
        self, heads: PlainHeads, refuse: Refuse, lifecycle: Lifecycle, metrics: Metrics, settings: Settings
    ) -> None:
        self.heads = heads
        self.refuse = refuse
        self.lifecycle = lifecycle
        self.metrics = metrics
        self.settings = settings
        self.access_log = AccessLog(settings)
        self.quiet_seconds = self.access_log.quiet_seconds  # a good answer within this time is only counted
        self.new_call: Callable[..., Call] = Call  # or one that is traced
        self.ok_replies = OkReplies()
        self.turns = Turns()
        self.budget = Budget(settings.max_inflight_bytes)
        self.answer_plain: Callable[[list[Call]], list[Call]] = list  # those of a turn together; returns the others
        self.arrived: list[Call] = []  # in this turn of the event loop: held, or begun
        self.is_scheduled = False  # the end of the turn

    def run_soon(self, call: "Call") -> None:
        """Run a call once everything has arrived in this turn: many in a row run faster, and as one batch."""
        self.arrived.append(call)
        if not self.is_scheduled:
            self.end_turn_soon()

    def end_turn_soon(self) -> None:
        """Run the calls that arrive in this turn at its end."""
        self.is_scheduled = True
        asyncio.get_running_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        arrived, self.arrived = self.arrived, []
        for call in self.answer_plain(arrived) if len(arrived) > 1 else arrived:
            if call.held is not None:
                self._read(call)
            if call.is_begun and not call.is_large:
                self.arrived.append(call)
        begun, self.arrived, self.is_scheduled = self.arrived, [], False
        models = set()
        for call in begun:
            if not call.response_complete:  # its client is still there
                call.run()
                models.add(call.model)
        for model in models:
            if model is not None:
                model.batcher.flush()

    def _read(self, call: "Call") -> None:
        try:
            call.connection.read_held()
        except Exception:  # a bug must not keep the others from their answers
            logger.exception("cannot read a request")
            call.connection.transport.abort()


class Call:
    """A request in the express lane, in the place of uvicorn's cycle; its connection sends one reply."""

    __slots__ = (
        *("body", "connection", "gathered", "held", "ids", "is_begun", "is_large", "job"),
        *("keep_alive", "lane", "model", "operation", "plain", "response_complete", "share", "start", "waiting"),
    )
    operation: Operation
    model: Model | None
    plain: PlainHead
    ids: Ids

    def __init__(self, connection: Any, lane: ExpressLane, share: Share) -> None:
        self.connection = connection  # a `Connection`, which imports this module
        self.lane = lane
        self.share = share
        self.held: bytes | None = None  # all that has arrived of the request, while none of it is read
        self.gathered: BytesIO | None = None  # a body that comes in pieces; it holds them once, a list would twice
        self.job: Job | None = None
        self.waiting: Entry | None = None
        self.body = b""
        self.is_begun = False
        self.is_large = False
        self.keep_alive = True
        self.response_complete = False
        self.start = time.perf_counter()

    def hold(self, data: bytes) -> None:
        """Hold the first bytes of a request until the end of the turn; it is a new one, or the last one is answered."""
        self.held = data
        self.is_begun = False
        self.response_complete = False
        self.start = time.perf_counter()
        lane = self.lane
        lane.arrived.append(self)  # as `run_soon` does: it is faster here
        if not lane.is_scheduled:
            lane.end_turn_soon()

    def read(self, plain: PlainHead, ids: Ids, body: bytes) -> None:
        """Take the bytes that were held as this head and this body."""
        self.held = None
        self.plain = plain
        self.ids = ids
        self.body = body

    def begin(self, model: Model | None, plain: PlainHead, ids: Ids) -> None:
        """Begin the request, whose head is known now."""
        self.is_begun = True
        self.operation = plain.target[0]
        self.model = model
        self.plain = plain
        self.ids = ids
        self.keep_alive = self.keep_alive and not self.lane.lifecycle.leaving
        self.is_large = plain.body_bytes > LARGE_BYTES

    def gather(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if self.gathered is None:
            self.gathered = BytesIO()
        self.gathered.write(piece)

    def go_on(self) -> None:
        """Go on with the whole body; a large one waits for its turn."""
        if self.gathered is not None:
            self.body, self.gathered = self.gathered.getvalue(), None
        if self.plain.encoding and not self.is_large:
            self.is_large = inflates_beyond(self.body, self.plain.encoding, LARGE_BYTES)
        if self.is_large:
            self.lane.turns.wait(self._run_alone)
        elif self.held is None:  # otherwise it runs at the end of its turn anyway
            self.lane.run_soon(self)

    def run(self) -> None:
        """Decode the body, and go on with its job."""
        try:
            body, self.body = self.body, b""  # or a large one would be held while its answer is written
            job = self.operation.decode(body, self.plain.headers, self.model)
        except Exception as error:  # whatever it is, the client must hear of it
            self._fail(error)
        else:
            self.submit(job)

    def submit(self, job: Job, *, alone: bool = False) -> None:
        """Submit the features of the decoded body, if the operation asks a model; see `Batcher.submit`."""
        self.job = job
        try:
            if self.model is not None and job.features is not None:
                expected = self.model.manifest.held_bytes(job.features)
                if expected > LARGE_BYTES:
                    self.share.take(expected)
                settle = self._finish_large if self.is_large else self.finish
                self.waiting = self.model.batcher.submit(job.features, settle, alone=alone)
            else:
                self.finish(NOT_ASKED)
        except Exception as error:  # as above
            self._fail(error)

    def _run_alone(self) -> None:
        if not self.response_complete:  # its client is still there
            self.run()
            if self.model is not None:
                self.model.batcher.flush()

    def finish(self, outcome: Outputs | Exception) -> None:
        """Encode the outputs and reply."""
        self.waiting = None  # it refers to this call: only the garbage collector would free the two
        if isinstance(outcome, Exception):
            self._fail(outcome)
            return
        try:
            reply = self.operation.encode(outcome, self.job)
        except Exception as error:  # as above
            self._fail(error)
        else:
            self.connection.send(self, reply)
            self.job = None  # the connection keeps this call until its next request

    def _finish_large(self, outcome: Outputs | Exception) -> None:
        start = time.monotonic()
        self.finish(outcome)
        self.lane.turns.spend(time.monotonic() - start)

    def _fail(self, error: Exception) -> None:
        self.connection.send(self, reply_to_error(self.operation, error, self.lane.metrics, self.model, self.ids))
        self.job = None
