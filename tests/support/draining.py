"""A server that shuts down while a request is in flight."""

import socket

import httpx

from tests.support.server import Server
from tests.support.sockets import connect
from tests.support.waiting import until

BODY = b'{"instances": [[15.2, 0.3]]}'
SENT = 10  # bytes of the body
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY)


def half_sent_request(server: Server) -> socket.socket:
    """Return a connection with a request in flight: the service waits for the rest of its body."""
    connection = connect(server.port)
    connection.sendall(HEAD + BODY[:SENT])
    assert httpx.get(server.url + "/livez").status_code == 200  # the service has read the half request before this one
    return connection


def until_not_ready(server: Server) -> httpx.Response:
    """Wait until the service has seen the signal; return its answer to the readiness probe."""
    response = httpx.get(server.url + "/readyz")

    def is_not_ready() -> bool:
        nonlocal response
        response = httpx.get(server.url + "/readyz")
        return response.status_code != 200

    until(is_not_ready)
    return response


def until_not_listening(server: Server) -> None:
    """Wait until the service has stopped to listen."""

    def is_refused() -> bool:
        try:
            connect(server.port).close()
        except ConnectionError:
            return True
        return False

    until(is_refused)
