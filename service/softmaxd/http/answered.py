"""Logs and traces the requests that the express lane has answered, and counts those that it has not."""

from functools import partial
from typing import Any

from softmaxd.errors import ServiceError
from softmaxd.http.access_log import facts
from softmaxd.http.express import Call, ExpressLane
from softmaxd.http.heads import PlainHead
from softmaxd.http.ids import Ids
from softmaxd.http.lifecycle import UNANSWERED
from softmaxd.http.operation import Reply
from softmaxd.http.stages import TimedOperation
from softmaxd.http.targets import path_of
from softmaxd.http.tracing import Tracing
from softmaxd.models.model import Model

Client = tuple[str, int] | None  # address and port

LEFT = Reply(b"", UNANSWERED)  # stands for the answer to a client that has left


class TracedCall(Call):
    """A request whose trace is recorded."""

    __slots__ = ("_tracing", "trace")

    def __init__(self, tracing: Tracing, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tracing = tracing

    def begin(self, model: Model | None, plain: PlainHead, ids: Ids) -> None:
        """Begin the request and its trace."""
        super().begin(model, plain, ids)
        self.trace = self._tracing.begin(plain.headers, ids)
        self.ids = self.trace.ids
        self.operation = TimedOperation(self.operation, self.trace.stages)


def trace_calls(lane: ExpressLane, tracing: Tracing) -> None:
    """Record the trace of each request of a lane from now on."""
    lane.new_call = partial(TracedCall, tracing)
    lane.answer_plain = list
    lane.quiet_seconds = -1.0
    lane.heads.knows_rest = False


def record(call: Call, reply: Reply, seconds: float, client: Client) -> None:
    """Write the log line of a request if it gets one, and end its trace if it has one."""
    lane = call.lane
    if lane.access_log.wants(reply.status, seconds):
        lane.access_log.write(
            call.ids,
            "POST",
            path_of(call.plain.target),
            reply.status,
            seconds=seconds,
            **facts(call.model, call.job),
            reason=reply.reason,
            lane="express",
            client=client and client[0],
        )
    if isinstance(call, TracedCall):
        call.trace.end("POST", call.operation.path, reply.status, reply.reason, facts(call.model, call.job))


def record_refusal(lane: ExpressLane, error: ServiceError, ids: Ids, request: tuple[str, str], client: Client) -> None:
    """Count a request that was refused before it had arrived, given its method and path, and write its log line.

    Without a path there is no line of a request, and no method: the parser then names its first one.
    """
    method, path = request if request[1] else ("", "")
    lane.metrics.count_rejection(error.reason)
    if lane.access_log.wants(error.status, 0):
        lane.access_log.write(ids, method, path, error.status, reason=error.reason, client=client and client[0])
