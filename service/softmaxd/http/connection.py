"""Our subclass of uvicorn's HTTP protocol: a state machine with deadlines, a limit of heads, and the express lane."""

import time
from enum import Enum, auto
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from softmaxd.errors import HeadersTooLarge, NotHttp, RequestTimeout, ServiceError
from softmaxd.http.express import Call, ExpressLane
from softmaxd.http.heads import PlainHead
from softmaxd.http.operation import Reply
from softmaxd.http.replies import OK, OkReplies, UnreadBytes, header_lines, write_reply

MAX_HEAD_BYTES = 16 * 1024  # request target and headers
MAX_READ_BYTES = 256 * 1024  # the event loop hands over no more at once
END_OF_HEAD = b"\r\n\r\n"
NOT_HTTP = "Invalid HTTP request received."
LATE = "{} did not arrive within {:g} s"
HEAD_TOO_LARGE = f"The request line and headers are larger than {MAX_HEAD_BYTES} bytes"


class Phase(Enum):
    """The part of a request that a connection reads.

    Requests come one after the other: IDLE → HEAD → BODY → IDLE. A client may send the next request
    before it has the response to the last one, so a response may be pending in any phase.
    """

    IDLE = auto()  # between two requests
    HEAD = auto()
    UPGRADE = auto()  # after a head that asks for another protocol; then HEAD again, without that wish
    BODY = auto()
    REFUSED = auto()  # nothing more: a refusal waits for the responses before it, and then the connection closes


IDLE, HEAD, UPGRADE, BODY, REFUSED = Phase  # for the hot path: Python 3.11 is slow to look up `Phase.IDLE`


class Connection(HttpToolsProtocol):
    """One connection. It closes after a refusal: 400 for bytes that are not HTTP, 408 too late, 431 head too large."""

    def __init__(self, *args: Any, lane: ExpressLane, ok_replies: OkReplies, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lane = lane
        self.url = b""
        self._known_heads = lane.heads.known
        self._ok_replies = ok_replies
        self._phase = IDLE
        self._head_bytes = 0
        self._head_unparsed = 0  # httptools keeps an unfinished header to itself, however long it grows
        self._head: bytes | None = None  # the bytes being parsed, up to the end of the first head, if it begins there
        self._call: Call | None = None  # the request in the express lane whose response is pending
        self._refusal: ServiceError | None = None  # in phase REFUSED
        self._since: float | None = None  # the first sweep in the present state
        self._unread = UnreadBytes()

    def data_received(self, data: bytes) -> None:
        """Take bytes: a whole request with a known head at once, anything else through the parser."""
        end = data.find(END_OF_HEAD) + len(END_OF_HEAD)
        head = data[:end]
        known = self._known_heads.get(head)
        if known is not None and len(data) == end + known.body_bytes and self._phase is IDLE and self._can_express():
            call = self._new_call(known)
            if call is not None:
                call.body.append(data[end:])
                call.begin()
                return
        if self._phase is REFUSED:
            return
        self._head = head if self._phase is IDLE else None
        self._parse(data)
        if self._phase is HEAD:
            self._head_unparsed += len(data)
            if self._head_unparsed > MAX_HEAD_BYTES + MAX_READ_BYTES:
                self._refuse(HeadersTooLarge(HEAD_TOO_LARGE))

    def _parse(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                    return
                except HttpParserUpgrade as upgrade:
                    rest = rest[upgrade.args[0] :]
                    if self._phase is UPGRADE:
                        self._parse_without_upgrade()
        except HttpParserError:
            self.logger.warning(NOT_HTTP)
            self.send_400_response(NOT_HTTP)

    def _parse_without_upgrade(self) -> None:
        """Parse the head again without its wish for another protocol, for which httptools drops the body."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        fields = [field for field in self.headers if field[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)  # the old one may be closed
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"%s %s HTTP/%s\r\n%s\r\n" % (method, self.url, version, header_lines(fields)))

    def on_message_begin(self) -> None:
        """Begin a head. Its ASGI scope is made later, if the ASGI lane gets the request."""
        self._phase = HEAD
        self._head_bytes = self._head_unparsed = 0
        self._since = None
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + len(": \r\n"))
        self.headers.append((name.lower(), value))

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadersTooLarge(HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Choose the lane for the request."""
        if self.transport.is_closing():
            return  # no request after the last response is answered
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._phase = UPGRADE
            return
        head, self._head = self._head, None
        plain = self._plain_head() if self._can_express() else None
        if plain is None or self._new_call(plain) is None:
            self._begin_asgi()
        elif head is not None:
            self.lane.heads.remember(head, plain, self._head_bytes)
        self._phase = BODY

    def _begin_asgi(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def _can_express(self) -> bool:
        """Return True if no response is pending or unread, and the process does not drain."""
        is_free = self.cycle is None or self.cycle.response_complete
        return is_free and not self.flow.write_paused and not self.lane.lifecycle.draining

    def _plain_head(self) -> PlainHead | None:
        """Return the head that was just parsed, or None if the ASGI lane must answer it."""
        parser = self.parser
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return None
        return self.lane.heads.find(self.url, self.headers)

    def _new_call(self, plain: PlainHead) -> Call | None:
        """Begin a request in the express lane, or return None if no model can answer it."""
        operation, name, version = plain.target
        try:
            model = operation.find(name, version)
        except Exception:  # whatever it is, the ASGI lane finds it again, and answers
            return None
        call = Call(self._send, self.lane, model, plain)
        self.cycle = self._call = call  # type: ignore[assignment] # requests after it wait for it
        self.lane.lifecycle.in_flight += 1
        return call

    def on_body(self, body: bytes) -> None:
        if not isinstance(self.cycle, Call):
            super().on_body(body)
        elif not self.cycle.response_complete:
            self.cycle.body.append(body)

    def on_message_complete(self) -> None:
        if self._phase is UPGRADE:
            return
        self._phase = IDLE
        if not isinstance(self.cycle, Call):
            super().on_message_complete()
        elif not self.cycle.response_complete:
            self.cycle.begin()

    @property
    def _is_busy(self) -> bool:
        """True if a response is pending."""
        return self.cycle is not None and not self.cycle.response_complete

    def _send(self, call: Call, reply: Reply) -> None:
        """Write a reply of the express lane."""
        if call.response_complete:
            return  # the connection is gone
        self._end_call(call)
        default_fields = self.server_state.default_headers
        if call.keep_alive and reply.status == OK:
            self._ok_replies.write(self.transport, reply, default_fields)
        else:
            write_reply(self.transport, reply, default_fields, close=not call.keep_alive)
        if self.flow.write_paused:
            self.flow.pause_reading()
        lane = self.lane
        lane.metrics.count_request(call.operation.path, reply.status, "express", time.perf_counter() - call.start)
        if not call.is_large:
            lane.turns.small_answered += 1
        self.on_response_complete()

    def _end_call(self, call: Call) -> None:
        call.response_complete = True
        self._call = None
        self.lane.lifecycle.in_flight -= 1

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it: as uvicorn does, but without a timer for each connection."""
        self.server_state.total_requests += 1
        self._since = None
        if self.transport.is_closing():
            return
        if not self.flow.write_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal is not None:
            self._send_refusal(self._refusal)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._is_busy:
            self.flow.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the batcher drop the rows of a request whose client has left."""
        if self._call is not None:
            if self._call.waiting is not None:
                self._call.waiting.abandoned = True
            self._end_call(self._call)
        if isinstance(self.cycle, Call):
            self.cycle = None
        super().connection_lost(exc)

    def sweep(self, now: float) -> None:
        """Close the connection if it has been in its present state for too long; called about twice a second."""
        if self._since is None:
            self._since = now
        unread = self.transport.get_write_buffer_size()
        if self._unread.seconds(unread, now) > self.lane.settings.request_timeout:
            self.transport.abort()
        elif now - self._since > self.lane.shortest_timeout and not self.transport.is_closing():
            self._check_deadline(now - self._since)

    def _check_deadline(self, seconds: float) -> None:
        """Act on a connection that has been in its present state for these seconds."""
        settings = self.lane.settings
        match self._phase, self._is_busy:
            case Phase.BODY, _ if not self.pipeline:  # no response before its own is pending
                if seconds > settings.request_timeout:
                    self._refuse(RequestTimeout(LATE.format("The request", settings.request_timeout)))
            case _, True:
                pass  # the client waits for us
            case Phase.IDLE, False:
                if seconds > (settings.header_timeout if self.cycle is None else settings.keep_alive_timeout):
                    self.transport.close()
            case _:
                if seconds > settings.header_timeout:
                    self._refuse(RequestTimeout(LATE.format("The request line and headers", settings.header_timeout)))

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that httptools could not parse, or that a callback refused by raising."""
        self._refuse(HeadersTooLarge(HEAD_TOO_LARGE) if self._head_bytes > MAX_HEAD_BYTES else NotHttp(msg))

    def _refuse(self, error: ServiceError) -> None:
        """Refuse the request that is arriving once those before it are answered, and close the connection."""
        if self.transport.is_closing():
            return
        match self._phase, self._is_busy:
            case Phase.BODY, False:
                self.transport.close()  # it is answered already
            case Phase.BODY, True if self.pipeline:
                self.pipeline.popleft()  # it waits behind others
                self._refuse_later(error)
            case Phase.BODY, True if getattr(self.cycle, "response_started", False):
                self.transport.abort()  # half of its response is sent
            case Phase.BODY, True:
                self._send_refusal(error)  # in place of its response
            case _, True:
                self._refuse_later(error)  # after the responses that are pending
            case _:
                self._send_refusal(error)

    def _refuse_later(self, error: ServiceError) -> None:
        self._phase = REFUSED
        self._refusal = error
        self.flow.pause_reading()

    def _send_refusal(self, error: ServiceError) -> None:
        self.lane.metrics.count_rejection(error.reason)
        path = self.url.partition(b"?")[0].decode("latin-1")
        write_reply(self.transport, self.lane.refuse(path, error), self.server_state.default_headers, close=True)
