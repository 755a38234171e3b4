"""One connection: chooses the lane of each request, and writes the responses."""

import time

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from softmaxd.http.answered import record
from softmaxd.http.closing import Closing
from softmaxd.http.express import Call
from softmaxd.http.flow import LastingTransport, answer_http_1_0
from softmaxd.http.heads import PlainHead
from softmaxd.http.ids import Ids, ids_of, new_ids
from softmaxd.http.operation import Reply
from softmaxd.http.reading import BODY, IDLE, LAST, MAX_UNREAD_BODY
from softmaxd.http.replies import OK, write_reply
from softmaxd.models.model import Model

MAX_HELD_BYTES = 4096  # of a request; the budget of memory knows only bytes that were read


class Connection(Closing):
    """One connection: the way of its requests, one at a time."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Take bytes: those that begin a request are held until all that arrive in this turn are there."""
        is_answered = self.cycle is None or self.cycle.response_complete
        if is_answered and self._phase is IDLE and self._parsed == len(self._received) and not self.flow.write_paused:
            call, self._spare = self._spare, None
            if call is None:
                call = self._new_call()
            self.cycle = self._call = call  # type: ignore[assignment] # requests after it wait for it
            call.hold(data)
            if len(data) > MAX_HELD_BYTES:
                self.read_held()
            return
        self.read_held()
        if self._phase is LAST:
            self._drop(len(data))
        elif not self.transport.is_closing():
            self._receive(data)

    def read_held(self) -> None:
        """Read the bytes that are held: a whole request with a known head at once, anything else through the parser."""
        call = self._call
        if call is None or call.held is None:
            return
        data, is_begun = call.held, False
        try:
            known, ids, end = self.lane.heads.find_known(data)
            is_begun = known is not None and len(data) == end + known.body_bytes and self._begin(call, known, ids)
        finally:  # a bug leaves no bytes behind, which would hit it again when the connection ends
            if not is_begun:
                call.held, call.response_complete = None, True
                self.cycle = self._call = None  # type: ignore[assignment] # as before the first request
        if is_begun:
            call.body = data[end:]
            call.go_on()
            call.held = None
        else:
            self._receive(data)

    def _begin_request(self) -> None:
        """Choose the lane."""
        if self._body_left <= self.lane.settings.max_body_bytes:  # any other body is refused, and not held
            self._share.take(self._body_left)
        plain = self._plain_head()
        if plain is None or not self._begin(self._new_call(), plain):
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

    def _plain_head(self) -> PlainHead | None:
        """Return the head that was just parsed, or None if the ASGI lane must answer it."""
        parser = self.parser
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return None
        return self.lane.heads.find(self.url, self.headers)

    def _new_call(self) -> Call:
        return self.lane.new_call(self, self.lane, self._share)

    def _begin(self, call: Call, plain: PlainHead, ids: Ids | None = None) -> bool:
        """Begin a request in the express lane, unless no model can answer it."""
        operation, name, version = plain.target
        ids = ids or plain.ids or new_ids()
        try:
            model = operation.find(name, version, ids[0][1])
        except Exception:  # whatever it is, the ASGI lane finds it again, and answers
            return False
        self.begin(call, model, plain, ids)
        return True

    def begin(self, call: Call, model: Model | None, plain: PlainHead, ids: Ids) -> None:
        """Begin a request in the express lane."""
        call.begin(model, plain, ids)
        self._ids = call.ids
        self.cycle = self._call = call  # type: ignore[assignment] # requests after it wait for it
        self.lane.lifecycle.in_flight += 1

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
        self._call, self._spare = None, call
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
