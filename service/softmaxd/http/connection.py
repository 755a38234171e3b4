"""Our subclass of uvicorn's HTTP protocol: deadlines, the limit of a head, and the express lane.

The express lane answers the hot operations without an ASGI scope, task or `send`: it gathers the body itself, runs the
same decode → submit → encode, and writes head and body at once. It takes only requests in their plainest form: HTTP/1.1
with `Content-Length`, nothing pending before it on the connection, a model that exists. Everything else goes to
uvicorn's own code and the ASGI lane, which answers the same, byte for byte.
"""

import time
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from softmaxd.errors import HeadersTooLarge, NotHttp, RequestTimeout, ServiceError
from softmaxd.http.express import Call, ExpressLane, PlainHead
from softmaxd.http.operation import Reply
from softmaxd.http.replies import OK, OkReplies, header_lines, write_reply

MAX_HEAD_BYTES = 16 * 1024  # request target and headers
MAX_READ_BYTES = 256 * 1024  # that the event loop may hand over at once
END_OF_HEAD = b"\r\n\r\n"


class Connection(HttpToolsProtocol):
    """One connection. What is not HTTP gets 400, a head over the limit 431, what comes too late 408; all close it."""

    def __init__(self, *args: Any, lane: ExpressLane, ok_replies: OkReplies, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lane = lane
        self._ok_replies = ok_replies
        self.url = b""
        self._head_bytes = 0
        self._head_unparsed = 0  # httptools keeps an unfinished header to itself, however long it grows
        self._head: bytes | None = None  # of the request that begins with the bytes being parsed, if all of it is there
        self._is_parsing = False  # a request has begun to arrive
        self._is_upgrade = False  # it wants to change the protocol, and comes again without that
        self._body_is_open = False  # its head is complete
        self._call: Call | None = None  # in the express lane, not answered yet
        self._refusal: ServiceError | None = None  # to be sent, and the connection closed, when its turn comes
        self._since: float | None = None  # the sweep that first saw it in its present state, if one has
        self._unsent = 0  # bytes at the last sweep
        self._unsent_since = 0.0  # the sweep since which they have not become fewer

    # --- the head ---

    def data_received(self, data: bytes) -> None:
        """Take what came: a whole request whose head is known, or anything else for the parser."""
        end = data.find(END_OF_HEAD) + len(END_OF_HEAD)
        head = data[:end]
        known = self.lane.known_heads.get(head)
        if known is not None and len(data) == end + known.body_bytes and not self._is_parsing and self._can_express():
            call = self._new_call(known)
            if call is not None:
                call.body.append(data[end:])
                call.begin()
                return
        if self._refusal is not None:
            return
        self._head = None if self._is_parsing else head
        self._parse(data)
        if self._is_parsing and not self._body_is_open and not self.transport.is_closing():
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
                    if self._is_upgrade:
                        self._parse_without_upgrade()
        except HttpParserError:
            self.logger.warning(NOT_HTTP)
            self.send_400_response(NOT_HTTP)

    def _parse_without_upgrade(self) -> None:
        """Begin the request anew without its wish for another protocol, for which httptools drops the body."""
        self._is_upgrade = False
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [field for field in self.headers if field[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)  # the old one may be closed
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"".join([line, header_lines(fields), b"\r\n"]))

    def on_message_begin(self) -> None:
        """Begin a request; its ASGI scope is made when it is known to be needed."""
        self._head_bytes = self._head_unparsed = 0
        self._is_parsing = True
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

    def on_headers_complete(self) -> None:
        if self.transport.is_closing():
            return  # nothing that comes after a last answer is answered
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._is_upgrade = True
            return
        head, self._head = self._head, None
        plain = self._plain_head() if self._can_express() else None
        if plain is None or self._new_call(plain) is None:
            self._begin_asgi()
        elif head is not None and self._is_all_of(head):
            self.lane.remember(head, plain)
        self._body_is_open = True

    def _is_all_of(self, head: bytes) -> bool:
        """Whether these bytes are the head that was just parsed, to the last: each header on a line of its own."""
        lines = len(self.headers) + 2
        return (
            len(head) == len(b"POST  HTTP/1.1\r\n\r\n") + self._head_bytes
            and head.count(b"\n") == head.count(b"\r\n") == lines
        )

    def _begin_asgi(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def _can_express(self) -> bool:
        """Whether nothing is pending on the connection that the express lane would overtake, nor a shutdown."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and not self.lane.lifecycle.draining
        )

    def _plain_head(self) -> PlainHead | None:
        """Return what the express lane needs of the head just parsed, or None if the ASGI lane must answer it."""
        parser = self.parser
        is_plain = parser.get_method() == b"POST" and parser.get_http_version() == "1.1" and parser.should_keep_alive()
        return self.lane.plain_head(self.url, self.headers) if is_plain else None

    def _new_call(self, plain: PlainHead) -> Call | None:
        """Begin a request in the express lane, or return None when there is no such model."""
        operation, name, version = plain.target
        try:
            model = operation.find(name, version)
        except ServiceError:
            return None
        call = Call(self.answer, self.lane, model, plain)
        self.cycle = self._call = call  # type: ignore[assignment] # what follows on the connection waits for it
        self.lane.lifecycle.in_flight += 1
        return call

    # --- the body ---

    @property
    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def on_body(self, body: bytes) -> None:
        if not isinstance(self.cycle, Call):
            super().on_body(body)
        elif not self.cycle.response_complete:
            self.cycle.body.append(body)

    def on_message_complete(self) -> None:
        if self._is_upgrade:
            return
        self._is_parsing = self._body_is_open = False
        if not isinstance(self.cycle, Call):
            super().on_message_complete()
        elif not self.cycle.response_complete:
            self.cycle.begin()

    # --- the answer ---

    def answer(self, call: Call, reply: Reply) -> None:
        """Write a reply of the express lane."""
        if call.response_complete:
            return  # the connection is gone
        self._forget(call)
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

    def _forget(self, call: Call) -> None:
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
        if self._call is not None:
            if self._call.waiting is not None:
                self._call.waiting.abandoned = True
            self._forget(self._call)
        if isinstance(self.cycle, Call):
            self.cycle = None
        super().connection_lost(exc)

    # --- deadlines and refusals ---

    def sweep(self, now: float) -> None:
        """Close the connection when it has been in its present state for too long; called about once a second."""
        settings = self.lane.settings
        if self._since is None:
            self._since = now
        seconds = now - self._since
        if self._is_stuck(now):
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self._body_is_open and not self.pipeline:
            if seconds > settings.request_timeout:
                self._refuse(RequestTimeout(f"The request did not arrive within {settings.request_timeout:g} s"))
        elif self._is_busy:
            return  # it is our turn
        elif self._is_parsing:
            if seconds > settings.header_timeout:
                timeout = f"{settings.header_timeout:g} s"
                self._refuse(RequestTimeout(f"The request line and headers did not arrive within {timeout}"))
        elif seconds > (settings.header_timeout if self.cycle is None else settings.keep_alive_timeout):
            self.transport.close()

    def _is_stuck(self, now: float) -> bool:
        """Whether the client has read nothing of what waits to be sent, for `request_timeout`."""
        unsent = self.transport.get_write_buffer_size()
        if not 0 < self._unsent <= unsent:
            self._unsent_since = now
        self._unsent = unsent
        return unsent > 0 and now - self._unsent_since > self.lane.settings.request_timeout

    def send_400_response(self, msg: str) -> None:
        """Answer what httptools could not parse, or what a callback refused by raising."""
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HeadersTooLarge(HEAD_TOO_LARGE))
        else:
            self._refuse(NotHttp(msg))

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadersTooLarge(HEAD_TOO_LARGE)

    def _refuse(self, error: ServiceError) -> None:
        """Refuse the request that is arriving, when those before it are answered; then the connection closes."""
        if self.transport.is_closing():
            return
        if self._body_is_open and self.pipeline:
            self.pipeline.popleft()  # it waits behind others and has not begun
            self._wait_to_refuse(error)
        elif self._is_busy and not self._body_is_open:
            self._wait_to_refuse(error)
        elif self._body_is_open and not self._is_busy:
            self.transport.close()  # it is answered already
        elif self._is_busy and getattr(self.cycle, "response_started", False):
            self.transport.abort()
        else:
            self._send_refusal(error)

    def _wait_to_refuse(self, error: ServiceError) -> None:
        self._refusal = error
        self._body_is_open = False
        self.flow.pause_reading()

    def _send_refusal(self, error: ServiceError) -> None:
        self.lane.metrics.count_rejection(error.reason)
        path = self.url.partition(b"?")[0].decode("latin-1")
        write_reply(self.transport, self.lane.refuse(path, error), self.server_state.default_headers, close=True)


NOT_HTTP = "Invalid HTTP request received."
HEAD_TOO_LARGE = f"The request line and headers are larger than {MAX_HEAD_BYTES} bytes"
