"""Floods of bytes on one connection: memory has a bound, and the other clients are answered meanwhile."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.support.memory import forget_peak, peak, resident
from tests.support.server import Server, StartServer
from tests.support.sockets import connect, receive

MAX_GROWTH = 16 * 2**20
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b'{"instances": [[15.2, 0.3]]}'
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHUNKED_HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def server(request: pytest.FixtureRequest, start_shared_server: StartServer) -> Server:
    server = start_shared_server(express=str(request.param), max_body_bytes=str(2**20))
    for _ in range(20):
        httpx.post(server.url + "/predict", content=BODY)
    return server


@pytest.fixture(scope="module")
def rest(server: Server) -> int:
    """The memory that the server has before the first flood."""
    return resident(server.process.pid)


@pytest.fixture
def bounded(server: Server, rest: int) -> Iterator[None]:
    """Look at the memory after the test."""
    forget_peak(server.process.pid)
    yield
    assert peak(server.process.pid) - rest < MAX_GROWTH


def send_all(connection: socket.socket, flood: bytes) -> threading.Thread:
    """Send in another thread; a connection that is closed meanwhile ends it."""

    def send() -> None:
        with contextlib.suppress(OSError):
            connection.sendall(flood)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("one", [GET, POST], ids=["GET", "POST"])
def test_requests_that_wait_for_their_turn_take_little_memory(server: Server, one: bytes) -> None:
    number = 4_000_000 // len(one) // 10
    with connect(server.port) as connection:
        sender = send_all(connection, one * number + LAST)
        answers = 0
        while chunk := connection.recv(2**20):
            answers += chunk.count(b"HTTP/1.1 200 OK\r\n")  # an answer that is cut in two is counted once or not at all
        sender.join()

    assert number * 0.99 < answers <= number + 1


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("one", [GET, POST], ids=["GET", "POST"])
def test_requests_whose_answers_nobody_reads_take_little_memory(server: Server, one: bytes) -> None:
    with connect(server.port) as connection:
        connection.settimeout(2)
        with pytest.raises(TimeoutError):  # the service reads no more
            connection.sendall(one * (64_000_000 // len(one)))
        assert httpx.get(server.url + "/livez").status_code == 200


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    "endless",
    [
        b"1\r\n{\r\n0\r\nX: " + b"a" * 4_000_000,
        b"0\r\n" + b"X: a\r\n" * 500_000,
        b"1;" + b"a" * 4_000_000,
    ],
    ids=["one trailer", "many trailers", "chunk extension"],
)
def test_trailers_count_as_bytes_of_the_head(server: Server, endless: bytes) -> None:
    with connect(server.port) as connection:
        sender = send_all(connection, CHUNKED_HEAD + endless)
        answer = receive(connection)
        sender.join()

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"\r\nconnection: close\r\n" in answer


@pytest.mark.usefixtures("bounded")
def test_chunks_of_one_byte_get_413_once_there_are_too_many(server: Server) -> None:
    with connect(server.port) as connection:
        sender = send_all(connection, CHUNKED_HEAD + b"1\r\n \r\n" * (2 * 2**20))
        answer = receive(connection)
        sender.join()

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_other_requests_are_answered_between_the_chunks_of_a_flood(server: Server) -> None:
    with connect(server.port) as connection, connect(server.port) as other:
        sender = send_all(connection, CHUNKED_HEAD + b"1\r\n \r\n" * (2**20 - 100) + b"0\r\n\r\n")
        answered = 0
        while not select.select([connection], [], [], 0)[0]:
            other.sendall(POST)
            assert receive(other, b"}").startswith(b"HTTP/1.1 200 ")
            answered += 1
        assert receive(connection, b"}").startswith(b"HTTP/1.1 422 ")
        sender.join()

    assert answered > 100  # about one for each thousand chunks
