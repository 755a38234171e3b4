"""Replaces parts of uvicorn's connection, so that ours decides when to read on and how to close."""

import os
import socket
from asyncio import Transport
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

KEEP_ALIVE = (b"connection", b"keep-alive")


class Flow(FlowControl):
    """uvicorn's flow control; whoever wants to read on asks the connection, which may hold bytes back."""

    def __init__(self, transport: Transport, read_on: Callable[[], None]) -> None:
        super().__init__(transport)
        self._read_on = read_on

    def resume_reading(self) -> None:
        self._read_on()

    def read_more(self) -> None:
        """Let the transport read, which the connection alone decides."""
        super().resume_reading()


class LastingTransport:
    """The transport as uvicorn's request and response see it: to close is up to the connection."""

    def __init__(self, transport: Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


def end_writing(transport: Transport) -> None:
    """End our side of a connection and go on to read; TLS cannot: there the client ends, or the sweep of deadlines."""
    if transport.can_write_eof():
        transport.write_eof()


def answer_http_1_0(cycle: RequestResponseCycle, *, keep_alive: bool) -> None:
    """Let uvicorn answer a request of HTTP/1.0, which knows no `100 Continue` and says that a connection stays."""
    cycle.waiting_for_100_continue = False
    if keep_alive:
        cycle.keep_alive = True
        cycle.default_headers = [*cycle.default_headers, KEEP_ALIVE]


def has_bytes(transport: Transport) -> bool:
    """Return True if bytes have arrived that the event loop has not handed over yet."""
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as ours:
            return bool(ours.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:  # none
        return False
