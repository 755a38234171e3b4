"""Bytes of a client, to real connections in a real event loop: with the express lane, and without."""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Iterator
from typing import Any

import uvloop

from softmaxd.http.connection import Connection
from softmaxd.http.reading import Phase
from softmaxd.process import Server, new_server
from softmaxd.settings import Settings
from tests.support.paths import MODELS
from tests.support.raw_requests import MAX_BODY_BYTES, MAX_ROWS
from tests.support.sockets import comparable

PAUSE = b"<|>"  # the service reads all before it first; at the end, the client leaves then
END_SECONDS = 10.0  # in which a connection has to end after the last bytes of its client
TURNS = 25  # of the event loop without an answer, after which none is expected
WAITS = 2000  # of a millisecond at the most, for an answer from a thread
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Z]")
CLOSE = re.compile(rb"\r\nconnection: close(?=\r\n)")  # it may depend on time
COUNTS = re.compile(rb"# HELP|model_stats")  # in answers that each service has of its own
DOCUMENTED = {b"501", b"503", b"505"}  # of the statuses from 500 on


class Errors(logging.Handler):
    """Collects log lines of errors: a bug of ours has its traceback there."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Connections:
    """Services of this process, one with the express lane and one without; no socket listens."""

    def __init__(self) -> None:
        self._errors = Errors()
        logging.getLogger().addHandler(self._errors)
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        self._loop = uvloop.new_event_loop()
        self._loop.set_exception_handler(self._keep)
        asyncio.set_event_loop(self._loop)
        self._servers = [_server(express) for express in ("on", "off")]

    def close(self) -> None:
        """Leave the loop and the logs as they were."""
        logging.getLogger().removeHandler(self._errors)
        asyncio.set_event_loop(None)
        self._loop.close()

    def _keep(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._errors.lines.append(f"{context['message']}: {context.get('exception')!r}")

    def __call__(self, content: bytes) -> None:
        """Send the bytes to both services; an error, a 5xx, a difference, and anything left over gets out of here."""
        leaves, answers = content.endswith(PAUSE), []
        for server in self._servers:
            received = self._loop.run_until_complete(self._converse(server, content.split(PAUSE), leaves=leaves))
            assert set(STATUS.findall(received)) - DOCUMENTED <= _up_to(499), received
            lines, self._errors.lines = self._errors.lines, []
            assert lines == [], lines
            answers.append(CLOSE.sub(b"", comparable(bytes(received))))
        shorter, longer = sorted(answers, key=len)
        same = longer.startswith(shorter) if leaves else longer == shorter  # it may leave before the last one
        assert same or COUNTS.search(longer), answers

    async def _converse(self, server: Server, parts: list[bytes], *, leaves: bool) -> bytearray:
        """Return all that comes back until the client leaves, or has ended its side and the service the connection."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        await self._loop.connect_accepted_socket(lambda: _connection(server), theirs)
        reader, writer = await asyncio.open_connection(sock=ours)
        received = bytearray()
        receiving = asyncio.ensure_future(_receive(reader, received))
        async with asyncio.timeout(END_SECONDS):
            with contextlib.suppress(ConnectionError):
                await _send(server, writer, parts, received)
                if not leaves and not writer.is_closing():
                    writer.write_eof()
                    await receiving
            writer.transport.abort()
            await receiving
        await self._end(server)
        return received

    async def _end(self, server: Server) -> None:
        """Wait until nothing of the connection is left."""
        async with asyncio.timeout(END_SECONDS):
            while _is_served(server) or len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0)
        assert server._lifecycle.in_flight == 0
        factory: Any = server.config.http_protocol_class
        assert factory.keywords["lane"].budget.held == 0


@contextlib.contextmanager
def connections() -> Iterator[Connections]:
    """Give the services, and end them."""
    with contextlib.closing(Connections()) as found:
        yield found


async def _receive(reader: asyncio.StreamReader, received: bytearray) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65536):
            received += chunk


async def _send(server: Server, writer: asyncio.StreamWriter, parts: list[bytes], received: bytearray) -> None:
    """Send the parts, with a wait between them: the last answers may be pending when the client ends its side."""
    for number, part in enumerate(parts):
        if number:
            await _until_quiet(server, received)
        if writer.is_closing():
            return
        writer.write(part)
        await writer.drain()


async def _until_quiet(server: Server, received: bytearray) -> None:
    """Let the service read, run and answer, until nothing comes for some turns of the event loop."""
    for _ in range(WAITS):
        before, owed = len(received), _owes_an_answer(server)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        if owed or _owes_an_answer(server):
            await asyncio.sleep(0.001)
        elif before == len(received):
            return


def _owes_an_answer(server: Server) -> bool:
    """Return whether a request is in flight that waits for nothing of its client."""
    awaited = sum(
        isinstance(each, Connection) and each._phase is Phase.BODY for each in server.server_state.connections
    )
    return server._lifecycle.in_flight > awaited


def _is_served(server: Server) -> bool:
    return bool(server.server_state.connections or server.server_state.tasks)


def _connection(server: Server) -> asyncio.Protocol:
    """Return a new connection, as uvicorn makes it."""
    new: Any = server.config.http_protocol_class  # a partial of ours, which uvicorn only calls
    connection: asyncio.Protocol = new(config=server.config, server_state=server.server_state, app_state={})
    return connection


def _server(express: str) -> Server:
    limits = Settings.model_validate(
        {"models_dir": MODELS, "express": express, "max_rows": MAX_ROWS, "max_body_bytes": MAX_BODY_BYTES}
    )
    server = new_server(Server, limits)
    server.config.load()
    return server


def _up_to(status: int) -> set[bytes]:
    return {b"%d" % number for number in range(100, status + 1)}
