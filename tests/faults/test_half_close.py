"""A client that ends its side of the connection after its requests, as `nc -N` does, gets its answers."""

import re
import socket

import pytest

from tests.support.raw_requests import chunked, request
from tests.support.server import Server, StartServer
from tests.support.sockets import connect, receive

SMALL = b'{"instances": [[15.2, 0.3]]}'
LARGE = b'{"instances": [%s]}' % b", ".join([b"[15.2, 0.3]"] * 50_000)
HALF = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def server(request: pytest.FixtureRequest, start_shared_server: StartServer) -> Server:
    return start_shared_server(express=str(request.param))


def answers_after_the_end(server: Server, *parts: bytes) -> list[bytes]:
    """Send, end our side, and return the statuses of the answers."""
    with connect(server.port) as connection:
        for part in parts:
            connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        answers = receive(connection)
    assert not answers or answers.endswith(b"}")
    return re.findall(rb"HTTP/1\.1 (\d+) ", answers)


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("coding", [None, b"Transfer-Encoding: chunked"], ids=["length", "chunked"])
def test_it_gets_its_answer(server: Server, body: bytes, version: bytes, coding: bytes | None) -> None:
    sent = chunked(body, [10, 1000]) if coding else body

    assert answers_after_the_end(server, request(body=sent, version=version, length=coding)) == [b"200"]


def test_it_gets_all_its_answers(server: Server) -> None:
    assert answers_after_the_end(server, request(), request() * 3 + request(body=LARGE), request()) == [b"200"] * 6


def test_a_get_request_is_answered(server: Server) -> None:
    assert answers_after_the_end(server, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") == [b"200"]


@pytest.mark.parametrize("half", [b"", HALF[:20], HALF], ids=["nothing", "half a head", "half a body"])
def test_half_a_request_is_not_answered(server: Server, half: bytes) -> None:
    assert answers_after_the_end(server, half) == []
    assert answers_after_the_end(server, request(), half) == [b"200"]
