"""One connection of the service in this process, over a pair of sockets: the tests say when time passes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import uvloop

from softmaxd.http.connection import Connection
from softmaxd.process import Server, new_server
from softmaxd.settings import Settings
from tests.support.paths import MODELS

BODY = b'{"instances": [[15.2, 0.3]]}'
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY)
CHUNKED_HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LOGITS = b'{"logits": [%s]}' % b",".join([b"1"] * 200_000)  # whose answer is larger than all buffers
LONG_ANSWER = b"POST /softmax HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(LOGITS), LOGITS)


class Client:
    """A client of one connection, and the service's side of it."""

    def __init__(self, side: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.side = side
        self.reader = reader
        self.writer = writer

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not is_so():  # noqa: ASYNC110 - it takes turns of the event loop, in which the service reads
                await asyncio.sleep(0)

    async def ask(self, *parts: bytes) -> bytes:
        """Send a request and return the head of its answer, once its body is there too."""
        self.writer.writelines(parts)
        head = await self.reader.readuntil(b"\r\n\r\n")
        await self.reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        return head

    def sweep(self, *times: float) -> None:
        for now in times:
            self.side.sweep(now)

    @property
    def is_open(self) -> bool:
        return not self.side.transport.is_closing()


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Client]:
    """Connect to a server that is not started: nobody sweeps but the test."""

    def protocol() -> asyncio.Protocol:
        kind: Any = server.config.http_protocol_class
        return cast(asyncio.Protocol, kind(config=server.config, server_state=server.server_state, app_state={}))

    ours, theirs = socket.socketpair()
    _, side = await asyncio.get_running_loop().connect_accepted_socket(protocol, theirs)
    reader, writer = await asyncio.open_connection(sock=ours)
    client = Client(cast(Connection, side), reader, writer)
    try:
        yield client
    finally:
        writer.close()
        await writer.wait_closed()
        await client.until(lambda: side not in server.server_state.connections)


def run(
    main: Callable[[Server], Coroutine[Any, Any, None]], express: str = "on", models: Path = MODELS, **others: Any
) -> None:
    settings = Settings(models_dir=models, express=express, header_timeout=10, request_timeout=30, **others)
    server = new_server(Server, settings)
    server.config.load()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(server))
