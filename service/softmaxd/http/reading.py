"""Reads requests from the bytes of a connection, one at a time: heads by httptools, bodies as their framing says."""

from abc import ABC, abstractmethod
from asyncio import BaseTransport, Transport
from enum import Enum, auto
from typing import Any, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from softmaxd.errors import HeadersTooLarge, NotHttp, ServiceError, UnsupportedVersion
from softmaxd.http.chunks import Chunks
from softmaxd.http.flow import Flow
from softmaxd.http.heads import END_OF_HEAD
from softmaxd.http.replies import header_lines
from softmaxd.http.rules import check_head, content_length

MAX_HEAD_BYTES = 16 * 1024  # request target, headers and trailers
MAX_UNREAD_BODY = 64 * 1024  # bytes that the ASGI lane has not asked for yet
HTTP_2 = b"PRI"  # the method that begins a connection of HTTP/2
BLANKS = b" \t"  # around a value, they are no part of it (RFC 9110, section 5.5); httptools leaves those behind it
NOT_HTTP = "Invalid HTTP request received."
HEAD_TOO_LARGE = f"The request line and headers are larger than {MAX_HEAD_BYTES} bytes"


class Phase(Enum):
    """The part of a request that a connection reads.

    Requests come one after the other: IDLE → HEAD → BODY → IDLE. The next one is not parsed before the response to the
    last one is written, though the client may have sent it already.
    """

    IDLE = auto()  # between two requests
    HEAD = auto()
    UPGRADE = auto()  # after a head that asks for another protocol; then HEAD again, without that wish
    BODY = auto()
    LAST = auto()  # nothing more: the last response is written, and bytes that still come are dropped


IDLE, HEAD, UPGRADE, BODY, LAST = Phase  # for the hot path: Python 3.11 is slow to look up `Phase.IDLE`


class Reader(HttpToolsProtocol, ABC):
    """The reading half of a connection. A subclass answers the requests."""

    flow: Flow
    # uvicorn's class has a dict beside them, which is slow to look into: it is large
    __slots__ = (
        "_client_ended",
        "_parsed",
        "_phase",
        "_received",
        "_since",
        "cycle",
        "flow",
        "server_state",
        "transport",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.url = b""
        self._phase = IDLE
        self._received = b""
        self._parsed = 0  # bytes of it
        self._head_bytes = 0
        self._unfinished = 0  # bytes that httptools keeps to itself, because their header or chunk has no end yet
        self._head: bytes | None = None  # the bytes being parsed, if they are one whole head
        self._body_left = 0  # bytes to come, unless the body is chunked
        self._chunks: Chunks | None = None
        self._waits_for_turn = False  # to parse more chunks
        self._client_ended = False  # its side of the connection
        self._since: float | None = None  # the first sweep in the present state

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast(Transport, transport))
        self.flow = Flow(self.transport, self._parse_on)

    @abstractmethod
    def read_held(self) -> None:
        """Read the bytes that are held, if any."""

    @abstractmethod
    def _begin_request(self) -> None:
        """Begin to answer the request whose head was parsed."""

    @abstractmethod
    def _take_body(self, body: bytes) -> None:
        """Take some bytes of the body."""

    @abstractmethod
    def _end_request(self) -> None:
        """Go on with the whole body."""

    @abstractmethod
    def _refuse(self, error: ServiceError) -> None:
        """Refuse the request that is arriving."""

    @abstractmethod
    def _end(self) -> None:
        """End our side after the last response."""

    @property
    @abstractmethod
    def _is_full(self) -> bool:
        """True if more of the body has been read than the ASGI lane has asked for."""

    @property
    def _is_busy(self) -> bool:
        """True if a response is pending."""
        return self.cycle is not None and not self.cycle.response_complete

    def _receive(self, data: bytes) -> None:
        self._received += data
        self._parse_on()

    def _parse_on(self) -> None:
        """Parse what was received, as far as nothing before it is pending; read on when all of it is parsed."""
        while self._parsed < len(self._received) and self._may_parse():
            start, self._parsed = self._parsed, self._end_of_piece()
            self._parse(self._received[start : self._parsed])
            if self._chunks is not None and self._parsed < len(self._received):
                self._waits_for_turn = True
                self.loop.call_soon(self._take_turn)
        if self._parsed == len(self._received):
            self._received = self._received[-len(END_OF_HEAD) + 1 :]  # which may begin the end of a head
            self._parsed = len(self._received)
        self._read_or_wait()

    def _take_turn(self) -> None:
        self._waits_for_turn = False
        self._parse_on()

    def _may_parse(self) -> bool:
        if self._waits_for_turn or self.transport.is_closing() or self._phase is LAST:
            return False
        return not (self._is_busy or self.flow.write_paused) if self._phase is IDLE else not self._is_full

    def _read_or_wait(self) -> None:
        """Let the transport read, unless bytes wait here, or the client must read first."""
        if self.transport.is_closing():
            return
        waits = self._parsed < len(self._received)
        if self._client_ended:  # to read on is not allowed
            if not waits and not self._is_busy and self._phase is not LAST:
                self._end()
        elif waits or self._is_full or (self._phase is IDLE and self.flow.write_paused):
            self.flow.pause_reading()
        else:
            self.flow.read_more()

    def _end_of_piece(self) -> int:
        """Return the end of the bytes to parse next: at most one head, or the body of one request."""
        received, parsed = self._received, self._parsed
        if self._phase is not BODY:
            end = received.find(END_OF_HEAD, max(parsed - len(END_OF_HEAD) + 1, 0)) + len(END_OF_HEAD)
            return min(end if end > parsed else len(received), parsed + MAX_HEAD_BYTES, len(received))
        if self._chunks is not None:
            return self._chunks.cut(received, parsed)
        return min(parsed + self._body_left, len(received))

    def _parse(self, piece: bytes) -> None:
        self._head = piece if self._phase is IDLE else None
        self._unfinished += len(piece)
        rest = memoryview(piece)
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                    break
                except HttpParserUpgrade as upgrade:
                    rest = rest[upgrade.args[0] :]
                    self._parse_without_upgrade()
        except HttpParserError as error:
            self._refuse(refusal_of(error, self.parser.get_method()))
            return
        if self._unfinished > MAX_HEAD_BYTES:
            self._refuse(HeadersTooLarge(HEAD_TOO_LARGE))

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
        self._head_bytes = 0
        self._since = None
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer, which nobody reads."""
        self._count(len(name) + len(value) + len(": \r\n"))
        if self._phase is HEAD:
            self.headers.append((name.lower(), value.rstrip(BLANKS)))

    def _count(self, size: int) -> None:
        self._unfinished = 0
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadersTooLarge(HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Check the head, and begin the request."""
        self._unfinished = 0
        check_head(self.parser.get_http_version(), self.headers)
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._phase = UPGRADE
            return
        length = content_length(self.headers)
        self._body_left = length or 0
        self._chunks = Chunks() if length is None else None
        self._begin_request()
        self._phase = BODY

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        self._body_left -= len(body)
        self._take_body(body)

    def on_message_complete(self) -> None:
        if self._phase is not UPGRADE:
            self._phase = IDLE
            self._chunks = None
            self._end_request()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._parse_on()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn always closes
        """Return True to stay open: a client may end its side after a request, and still wait for the response."""
        self.read_held()
        self._client_ended = True
        if not self.transport.can_write_eof():  # with TLS no connection stays half open
            return False
        waits = self._parsed < len(self._received)
        if self._is_busy and not waits:
            self.cycle.keep_alive = False
        return waits or (self._is_busy and self._phase is IDLE)


def refusal_of(error: HttpParserError, method: bytes) -> ServiceError:
    """Return the refusal of bytes that httptools could not parse, or that a callback refused by raising."""
    if isinstance(error, HttpParserCallbackError) and isinstance(error.__context__, ServiceError):
        return error.__context__
    if method == HTTP_2:
        return UnsupportedVersion("HTTP/2 is not supported; send HTTP/1.1")
    return NotHttp(NOT_HTTP)
