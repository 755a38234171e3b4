"""Connections on which a test sends and receives the bytes itself."""

import contextlib
import json
import re
import socket
from collections.abc import Sequence

# dates, request ids that the service makes, and ids of spans
OWN = re.compile(
    rb"(?<=\r\n)(date: )[^\r]+|(x-request-id: )[0-9a-f]{16}-[0-9a-f]+|(traceparent: 00-[0-9a-f]{32}-)[0-9a-f]{16}"
)


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


def comparable(answers: bytes) -> bytes:
    """Return answers without the parts that differ each time: dates, and ids that the service makes."""
    return OWN.sub(rb"\1\2\3", answers)


def post_together(port: int, path: str, bodies: Sequence[object]) -> list[tuple[int, str]]:
    """Send requests at the same moment, each on its own connection; return status and body of each answer."""
    connections = [connect(port) for _ in bodies]
    for connection, body in zip(connections, bodies, strict=True):
        text = json.dumps(body).encode()
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        connection.sendall(head % (path.encode(), len(text)) + text)
    answers = [receive(connection).decode() for connection in connections]
    for connection in connections:
        connection.close()
    return [(int(answer[9:12]), answer.partition("\r\n\r\n")[2]) for answer in answers]
