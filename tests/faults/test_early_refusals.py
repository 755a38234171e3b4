"""A refusal that is sent before the body was read reaches clients that write everything before they read."""

import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from tests.support.server import Server, StartServer
from tests.support.sockets import connect, receive

SIZES = (1_300_000, 4_000_000, 20_000_000)
TIMES = 4


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def server(request: pytest.FixtureRequest, start_shared_server: StartServer) -> Server:
    return start_shared_server(express=str(request.param))


def by_urllib(server: Server, path: str, body: bytes, headers: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(server.url + path, body, headers), timeout=30) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def by_http_client(server: Server, path: str, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def by_http_client_in_chunks(server: Server, path: str, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        pieces = iter([body[: len(body) // 2], body[len(body) // 2 :]])
        connection.request("POST", path, pieces, headers, encode_chunked=True)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("client", [by_urllib, by_http_client, by_http_client_in_chunks])
def test_the_client_sees_the_status(
    server: Server, client: Callable[[Server, str, bytes, dict[str, str]], int], size: int
) -> None:
    body = b" " * size
    json, text = {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}
    asked = [("/models/nope/predict", json), ("/nope", json), ("/livez", json), ("/predict", text)]
    expected = [404, 404, 405, 415] * TIMES
    if size > 8 * 2**20:
        asked.append(("/predict", json))
        expected = [404, 404, 405, 415, 413] * TIMES

    assert [client(server, path, body, headers) for _ in range(TIMES) for path, headers in asked] == expected


@pytest.mark.parametrize("size", [1, 10_000], ids=["slowly", "fast"])
def test_a_client_that_goes_on_after_a_refusal_is_cut(start_server: StartServer, size: int) -> None:
    server = start_server(max_body_bytes="100000")
    with connect(server.port) as endless:
        endless.sendall(b"POST /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n")
        assert receive(endless).startswith(b"HTTP/1.1 404 ")

        assert is_cut(endless, size)


def is_cut(connection: socket.socket, size: int) -> bool:
    """Send some bytes now and then until the service has closed its socket, which resets the connection."""
    for _ in range(1000):
        try:
            connection.sendall(b"x" * size)
        except ConnectionError:
            return True
        time.sleep(0.01)
    return False
