"""Connections on which a test sends and receives the bytes itself."""

import contextlib
import socket


def connect(port: int) -> socket.socket:
    """Return a connection on which every send leaves at once."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def receive(connection: socket.socket, until: bytes | None = None) -> bytes:
    """Return the received bytes once they end in `until`, or when the service closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):  # it closed before it had read all, which is how TCP says so
        while chunk := connection.recv(65536):
            received += chunk
            if until is not None and received.endswith(until):
                break
    return received
