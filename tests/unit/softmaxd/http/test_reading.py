"""Bytes → requests: a reader that answers when a test says so."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import uvloop
from uvicorn.server import ServerState

from softmaxd.errors import HeadersTooLarge, NotHttp, ServiceError, UnsupportedVersion
from softmaxd.http.chunks import MAX_CHUNKS
from softmaxd.http.reading import MAX_HEAD_BYTES, Reader
from softmaxd.process import Server, new_server
from softmaxd.settings import Settings
from tests.support.paths import MODELS

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Requests(Reader):
    """Notes what it reads; each response is pending until `answer`."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.config, ServerState(), {})
        self.seen: list[object] = []
        self.full = False

    def read_held(self) -> None:
        """Do nothing: it holds no bytes."""

    def _begin_request(self) -> None:
        self.seen.append(self.parser.get_method())
        self.cycle = SimpleNamespace(response_complete=False, keep_alive=True)  # type: ignore[assignment]

    def _take_body(self, body: bytes) -> None:
        self.seen.append(body)

    def _end_request(self) -> None:
        self.seen.append("end")

    def _refuse(self, error: ServiceError) -> None:
        self.seen.append(type(error))
        self.transport.close()

    def _end(self) -> None:
        self.seen.append("last")
        self.transport.close()

    @property
    def _is_full(self) -> bool:
        return self.full

    def data_received(self, data: bytes) -> None:
        self._receive(data)

    def answer(self) -> None:
        self.cycle.response_complete = True
        self._parse_on()


def run(main: Callable[[Requests], Awaitable[None]], *parts: bytes) -> None:
    """Let a reader receive these parts, and go on."""

    async def connect() -> None:
        ours, theirs = socket.socketpair()
        with ours:
            loop = asyncio.get_running_loop()
            _, reader = await loop.connect_accepted_socket(lambda: Requests(SERVER), theirs)
            for part in parts:
                reader.data_received(part)
            await main(reader)
            reader.transport.abort()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(connect())


def read(*parts: bytes, answers: int = 0) -> tuple[list[object], Requests]:
    """Let a reader receive these parts and answer some requests; return what it saw."""
    readers: list[Requests] = []

    async def main(reader: Requests) -> None:
        readers.append(reader)
        for _ in range(answers):
            reader.answer()
        for _ in range(20):
            await asyncio.sleep(0)

    run(main, *parts)
    return readers[0].seen, readers[0]


SERVER = new_server(Server, Settings(models_dir=MODELS))
SERVER.config.load()


def test_the_next_request_is_read_when_the_last_one_is_answered() -> None:
    assert read(GET + POST + GET)[0] == [b"GET", "end"]
    assert read(GET + POST + GET, answers=1)[0] == [b"GET", "end", b"POST", b"abc", "end"]
    assert read(GET + POST + GET, answers=2)[0] == [b"GET", "end", b"POST", b"abc", "end", b"GET", "end"]


def test_while_bytes_wait_no_more_are_read() -> None:
    assert read(GET)[1].flow.read_paused is False
    assert read(GET + GET[:1])[1].flow.read_paused is True
    assert read(GET + GET, answers=1)[1].flow.read_paused is False
    assert read(GET + GET, GET, answers=1)[1].flow.read_paused is True


def test_a_client_that_has_ended_its_side_gets_its_last_response() -> None:
    async def main(reader: Requests) -> None:
        reader.data_received(GET + GET)
        assert reader.eof_received()
        reader.answer()
        assert reader.cycle.keep_alive
        assert reader.seen == [b"GET", "end"] * 2
        reader.answer()
        assert reader.seen[4:] == ["last"]

    run(main)


def test_a_client_that_ends_its_side_in_a_request_or_between_two_has_left() -> None:
    async def main(reader: Requests) -> None:
        assert not reader.eof_received()

    run(main)
    run(main, GET[:5])
    run(main, POST[:-1])


def test_the_end_of_a_head_may_come_in_pieces() -> None:
    for split in range(1, len(GET)):
        assert read(GET[:split], GET[split:] + POST)[0] == [b"GET", "end"]


def test_a_chunked_body_ends_before_the_next_request() -> None:
    body = b"3\r\nabc\r\n0\r\nX: y\r\n\r\n"

    assert read(CHUNKED + body + GET)[0] == [b"POST", b"abc", "end"]
    assert read(CHUNKED + body + GET, answers=1)[0] == [b"POST", b"abc", "end", b"GET", "end"]


def test_many_chunks_are_read_in_turns() -> None:
    seen, _ = read(CHUNKED + b"1\r\na\r\n" * (5 * MAX_CHUNKS) + b"0\r\n\r\n")

    assert seen == [b"POST", *[b"a"] * (5 * MAX_CHUNKS), "end"]


def test_what_cannot_be_read_is_refused() -> None:
    too_long = b"x" * (MAX_HEAD_BYTES + 1)

    assert read(GET.replace(b"x", too_long))[0] == [HeadersTooLarge]
    assert read(b"GET /" + too_long, too_long)[0] == [HeadersTooLarge]
    assert read(CHUNKED + b"1;" + too_long)[0] == [b"POST", HeadersTooLarge]
    assert read(CHUNKED + b"0\r\n" + b"X: y\r\n" * 10_000)[0] == [b"POST", HeadersTooLarge]
    assert read(b"\0" + GET)[0] == [NotHttp]
    assert read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")[0] == [UnsupportedVersion]
