"""The end of a connection: refusals, the last response, and the steps in which it closes."""

import time
from abc import ABC
from typing import Any

from softmaxd.errors import ServiceError
from softmaxd.http.answered import LEFT, record, record_refusal
from softmaxd.http.budget import Share
from softmaxd.http.express import Call, ExpressLane
from softmaxd.http.flow import end_writing
from softmaxd.http.ids import Ids, ids_of
from softmaxd.http.reading import BODY, IDLE, LAST
from softmaxd.http.replies import write_reply
from softmaxd.http.timed import Timed


class Closing(Timed, ABC):
    """A connection that closes after a refusal: 400 for bytes that are not HTTP, 408 too late, 431 head too large.

    It closes in two steps, because a client may still be sending: a closed socket that receives bytes resets the
    connection, and the client would lose the last response. So the connection first ends its own side only, and drops
    what comes until the client ends its side, too (RFC 9112, section 9.6).
    """

    __slots__ = ("_call", "_ids", "_share", "_spare", "lane")

    def __init__(self, *args: Any, lane: ExpressLane, **kwargs: Any) -> None:
        super().__init__(*args, settings=lane.settings, **kwargs)
        self.lane = lane
        self._call: Call | None = None  # the request whose bytes are held, or whose response is pending in this lane
        self._spare: Call | None = None  # of the last request that was answered in this lane, for the next one
        self._share = Share(lane.budget)
        self._ids: Ids = ()  # of the request whose body arrives

    @property
    def _is_last(self) -> bool:
        """True if the response to the present request is the last one."""
        return self.lane.lifecycle.leaving or (self._client_ended and self._parsed == len(self._received))

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the batcher drop the rows of a request whose client has left."""
        self.read_held()
        if self._call is not None:
            record(self._call, LEFT, time.perf_counter() - self._call.start, self.client)
        self._give_up()
        self._share.keep(0)
        self._spare = None
        if isinstance(self.cycle, Call):
            self.cycle = None
        super().connection_lost(exc)

    def _give_up(self) -> None:
        """Give up the request whose response is pending."""
        if self._call is not None:
            if self._call.waiting is not None:
                self._call.waiting.abandoned = True
            self._call.response_complete = True
            self._call = None
            self.lane.lifecycle.in_flight -= 1
        elif self._is_busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def shutdown(self) -> None:
        """Close, or let the response that is pending be the last one; uvicorn calls it before the process ends."""
        self.read_held()
        if self._phase is LAST:
            self.transport.close()
        super().shutdown()

    def leave(self) -> None:
        """Let the response that is pending be the last one."""
        if self._is_busy and not getattr(self.cycle, "response_started", False):
            self.cycle.keep_alive = False

    def _refuse(self, error: ServiceError) -> None:
        """Refuse the request that is arriving, and close the connection."""
        if self._phase is not BODY or (self._is_busy and not getattr(self.cycle, "response_started", False)):
            if self._is_busy and self._call is None:
                self.scope["state"]["refused"] = True
            self._give_up()
            self._send_refusal(error)
        elif self._is_busy:
            self.transport.abort()  # half of its response is sent
        else:
            self._end()  # it is answered already

    def _send_refusal(self, error: ServiceError) -> None:
        path, method = self.url.partition(b"?")[0].decode("latin-1"), self.parser.get_method()
        reply, default_fields = self.lane.refuse(path, error), self.server_state.default_headers
        ids = self._ids if self._phase is BODY else ids_of(self.headers)
        record_refusal(self.lane, error, ids, (method.decode("latin-1"), path), self.client)
        write_reply(self.transport, reply, default_fields, ids, close=True, to_head=method == b"HEAD")
        self._end()

    def _end(self) -> None:
        """End our side after the last response, and drop what the client still sends."""
        is_whole = self._phase is IDLE and self._parsed == len(self._received)  # the client has nothing more to send
        self._phase, self._since = LAST, None
        self._received, self._parsed, self._chunks = b"", 0, None
        if self._client_ended or (is_whole and not self.transport.can_write_eof()):
            self.transport.close()
        elif not self.transport.is_closing():
            end_writing(self.transport)
            self.flow.read_more()
