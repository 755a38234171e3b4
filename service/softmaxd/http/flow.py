"""Replaces two parts of uvicorn's connection, so that ours decides when to read on and how to close."""

import os
import socket
from asyncio import Transport
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl


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


def has_bytes(transport: Transport) -> bool:
    """Return True if bytes have arrived that the event loop has not handed over yet."""
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as ours:
            return bool(ours.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:  # none
        return False
