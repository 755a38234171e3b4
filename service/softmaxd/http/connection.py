"""One connection: chooses the lane of each request, and writes the responses."""

import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from softmaxd.errors import ServiceError
from softmaxd.http.answered import LEFT, record, record_refusal
from softmaxd.http.budget import Share
from softmaxd.http.express import Call, ExpressLane
from softmaxd.http.flow import LastingTransport, answer_http_1_0, end_writing
from softmaxd.http.heads import PlainHead
from softmaxd.http.ids import Ids, ids_of, new_ids
from softmaxd.http.operation import Reply
from softmaxd.http.reading import BODY, END_OF_HEAD, IDLE, LAST, MAX_UNREAD_BODY
from softmaxd.http.replies import OK, write_reply
from softmaxd.http.timed import Timed


class Connection(Timed):
    """One connection. It closes after a refusal: 400 for bytes that are not HTTP, 408 too late, 431 head too large.

    It closes in two steps, because a client may still be sending: a closed socket that receives bytes resets the
    connection, and the client would lose the last response. So the connection first ends its own side only, and drops
    what comes until the client ends its side, too (RFC 9112, section 9.6).
    """

    __slots__ = ("_call", "_ids", "_known_heads", "_share", "_spare", "lane")

    def __init__(self, *args: Any, lane: ExpressLane, **kwargs: Any) -> None:
        super().__init__(*args, settings=lane.settings, **kwargs)
        self.lane = lane
        self._known_heads = lane.heads.known
        self._call: Call | None = None  # the request in the express lane whose response is pending
        self._spare: Call | None = None  # of a request that was answered in a pass, for the next one
        self._share = Share(lane.budget)
        self._ids: Ids = ()  # of the request whose body arrives

    def data_received(self, data: bytes) -> None:
        """Take bytes: a whole request with a known head at once, anything else through the parser."""
        end = data.find(END_OF_HEAD) + len(END_OF_HEAD)
        known, ids = self._known_heads.get(data[:end]), None
        if known is None and self._phase is IDLE:
            known, ids = self.lane.heads.find_known(data[:end])
        is_answered = self.cycle is None or self.cycle.response_complete
        is_next = is_answered and self._phase is IDLE and self._parsed == len(self._received)
        if is_next and known is not None and len(data) == end + known.body_bytes and not self.flow.write_paused:
            call = self._new_call(known, ids)
            if call is not None:
                call.body = data[end:]
                call.go_on()
                return
        if self._phase is LAST:
            self._drop(len(data))
        elif not self.transport.is_closing():
            self._receive(data)

    def _begin_request(self) -> None:
        """Choose the lane."""
        if self._body_left <= self.lane.settings.max_body_bytes:  # any other body is refused, and not held
            self._share.take(self._body_left)
        plain = self._plain_head()
        if plain is None or self._new_call(plain) is None:
            self._begin_asgi()
        elif self._head is not None:
            self.lane.heads.remember(self._head, plain, self._head_bytes)

    def _begin_asgi(self) -> None:
        url, headers = self.url, self.headers
        HttpToolsProtocol.on_message_begin(self)
        self._ids = ids_of(headers)
        self.scope["state"].update(share=self._share, ids=self._ids)
        self.url = url
        for name, value in headers:
            HttpToolsProtocol.on_header(self, name, value)
        HttpToolsProtocol.on_headers_complete(self)
        cycle = self.cycle
        cycle.transport = LastingTransport(self.transport, self._end)  # type: ignore[assignment] # it has all that is used
        if self.parser.get_http_version() == "1.0":
            answer_http_1_0(cycle, keep_alive=self.parser.should_keep_alive())
        if self._is_last:
            cycle.keep_alive = False

    @property
    def _is_last(self) -> bool:
        """True if the response to the present request is the last one."""
        return self.lane.lifecycle.leaving or (self._client_ended and self._parsed == len(self._received))

    def _plain_head(self) -> PlainHead | None:
        """Return the head that was just parsed, or None if the ASGI lane must answer it."""
        parser = self.parser
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return None
        return self.lane.heads.find(self.url, self.headers)

    def _new_call(self, plain: PlainHead, ids: Ids | None = None) -> Call | None:
        """Begin a request in the express lane, or return None if no model can answer it."""
        operation, name, version = plain.target
        lane, ids = self.lane, ids or plain.ids or new_ids()
        try:
            model = operation.find(name, version, ids[0][1])
        except Exception:  # whatever it is, the ASGI lane finds it again, and answers
            return None
        call, self._spare = self._spare, None
        if call is None:
            call = lane.new_call(self, lane, model, plain, self._share, ids)
        else:
            call.begin(model, plain, ids)
        self._ids = call.ids
        self.cycle = self._call = call  # type: ignore[assignment] # requests after it wait for it
        lane.lifecycle.in_flight += 1
        return call

    def _take_body(self, body: bytes) -> None:
        if self._call is not None:
            self._call.gather(body)
        elif not self.cycle.response_complete:
            if self._chunks is not None:
                self._share.take(len(body))
            self.cycle.body += body
            self.cycle.message_event.set()

    def _end_request(self) -> None:
        if self._call is not None:
            self._call.go_on()
        elif not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    @property
    def _is_full(self) -> bool:
        return self._phase is BODY and self._is_busy and self._call is None and len(self.cycle.body) > MAX_UNREAD_BODY

    def send_ok(self, call: Call, response: bytes) -> None:
        """Write a whole response with status 200, which is not counted."""
        call.response_complete = True
        self._call, self._spare = None, call
        self.transport.write(response)
        self.on_response_complete()

    def send(self, call: Call, reply: Reply) -> None:
        """Write a reply of the express lane."""
        if call.response_complete:
            return  # the connection is gone
        call.response_complete = True
        self._call = None
        lane, default_fields = self.lane, self.server_state.default_headers
        lane.lifecycle.in_flight -= 1
        if call.keep_alive and reply.status == OK:
            lane.ok_replies.write(self.transport, reply, default_fields, call.ids)
        elif write_reply(self.transport, reply, default_fields, call.ids, close=not call.keep_alive):
            self._end()
        seconds = time.perf_counter() - call.start
        lane.metrics.count_request(call.operation.path, reply.status, "express", seconds, call.model)
        if seconds > lane.quiet_seconds or reply.status != OK:
            record(call, reply, seconds, self.client)
        if not call.is_large:
            lane.turns.small_answered += 1
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it: as uvicorn does, but without a timer for each connection."""
        self._since = None
        if self._share.held or self.flow.write_paused:
            self._share.keep(self.transport.get_write_buffer_size() if self.flow.write_paused else 0)
        if self.flow.read_paused or self.flow.write_paused or self._client_ended:
            self.loop.call_soon(self._parse_on)

    def resume_writing(self) -> None:
        """Hold nothing any more once an answer is read, and go on."""
        if not self._is_busy and self._phase is not BODY:
            self._share.keep(0)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the batcher drop the rows of a request whose client has left."""
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
