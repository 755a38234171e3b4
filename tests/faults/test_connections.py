"""Clients that send too slowly, read too slowly, or come in masses: they are cut, and the others are served."""

import contextlib
import re
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.metrics import metric
from tests.support.server import Server, StartServer
from tests.support.sockets import connect, receive

MANY = 1000
GOOD = b'{"instances": [[15.2, 0.3]]}'
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(GOOD)
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LOGITS = b'{"logits": [%s], "include": ["log_probabilities", "sigmoid"]}' % b",".join([b"1"] * 20_000)
REQUEST = b"POST /softmax HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(LOGITS), LOGITS)
SHORT = {"header_timeout": "0.2", "request_timeout": "0.7", "keep_alive_timeout": "1.5"}
MAX_GROWTH_KIB = 32 * 1024
OPEN_FILES = 4096


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def hasty(lane: str, start_shared_server: StartServer) -> Server:
    """A server that soon loses its patience."""
    return start_shared_server(express=lane, **SHORT)


def timeouts(server: Server) -> float:
    return metric(server.url, "softmaxd_rejections_total", reason="request_timeout")


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allow this process to open many files; a service that was started before has its own limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, OPEN_FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def peak_kib(server: Server) -> int:
    """Return the most memory that the service has had."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())[0])


def test_a_client_that_sends_and_never_reads_is_cut_before_the_service_grows(
    start_server: StartServer, lane: str
) -> None:
    server = start_server(express=lane, request_timeout="2")
    with connect(server.port) as connection:
        connection.sendall(REQUEST + LAST)
        assert len(receive(connection)) > 20 * len(REQUEST)
    before = peak_kib(server)

    sent = 0
    with connect(server.port) as connection, contextlib.suppress(ConnectionError):
        while True:
            sent += connection.send(REQUEST)

    assert sent > 20 * len(REQUEST)
    assert peak_kib(server) - before < MAX_GROWTH_KIB
    assert httpx.get(server.url + "/livez").status_code == 200


def test_a_client_that_reads_late_gets_every_answer(start_server: StartServer, lane: str) -> None:
    server = start_server(express=lane)
    with connect(server.port) as connection:
        connection.sendall(REQUEST * 20 + LAST)

        assert receive(connection).count(b"HTTP/1.1 200 OK\r\n") == 21


def test_a_late_head_gets_408_and_the_connection_closes(hasty: Server) -> None:
    before = timeouts(hasty)
    with connect(hasty.port) as connection:
        connection.sendall(HEAD[:-2])

        answer = receive(connection)

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"\r\nconnection: close\r\n" in answer
    assert b"\r\ncontent-type: application/json\r\n" in answer
    assert answer.endswith(b'{"detail":"The request line and headers did not arrive within 0.2 s"}')
    assert timeouts(hasty) == before + 1


@pytest.mark.parametrize("head", [HEAD, HEAD.replace(b"Content-Length: %d" % len(GOOD), b"Transfer-Encoding: chunked")])
def test_a_late_body_gets_408_and_the_connection_closes(hasty: Server, head: bytes) -> None:
    before, requests = timeouts(hasty), metric(hasty.url, "softmaxd_requests_total", operation="/predict")
    with connect(hasty.port) as connection:
        connection.sendall(head)

        answer = receive(connection)

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.endswith(b'{"detail":"The request did not arrive within 0.7 s"}')
    assert timeouts(hasty) == before + 1
    assert metric(hasty.url, "softmaxd_requests_total", operation="/predict") == requests


def test_a_late_body_that_nobody_waits_for_closes_the_connection(hasty: Server) -> None:
    with connect(hasty.port) as connection:
        connection.sendall(HEAD.replace(b"/predict", b"/nope") + GOOD[:5])

        answer = receive(connection)

    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b'{"detail":"Not Found"}')


def test_a_connection_that_sends_nothing_is_closed_without_a_word(hasty: Server) -> None:
    with connect(hasty.port) as silent, connect(hasty.port) as blank:
        blank.sendall(b"\r\n\r\n")

        assert (receive(silent), receive(blank)) == (b"", b"")


def test_an_idle_connection_is_closed_after_the_keep_alive_timeout(hasty: Server) -> None:
    with connect(hasty.port) as first, connect(hasty.port) as second, connect(hasty.port) as silent:
        for idle in (first, second):
            idle.sendall(HEAD + GOOD)
            receive(idle, b"}")
        receive(silent)  # its header timeout is over, which is shorter
        second.sendall(HEAD + GOOD)
        assert b" 200 OK" in receive(second, b"}")

        assert (receive(first), receive(second)) == (b"", b"")


@pytest.mark.anew  # with the limit of open files that it inherits
def test_half_open_and_dripping_connections_leave_good_clients_served_and_are_gone_after_their_deadline(
    start_server: StartServer, many_files: None
) -> None:
    server = start_server(header_timeout="1", request_timeout="2")
    halves = [b"", b"P", HEAD[:20], HEAD + GOOD[:5]]
    drips = [b"GET /livez HTTP/1.1\r\nX: ", HEAD.replace(b"%d" % len(GOOD), b"100000"), LIVEZ[:-2] + b"X-Drip: "]
    good = connect(server.port)
    good.sendall(HEAD + GOOD)
    answer = receive(good, b"}").split(b"\r\n\r\n")[1]

    with contextlib.ExitStack() as stack:
        half_open = [stack.enter_context(connect(server.port)) for _ in range(MANY)]
        dripping = [stack.enter_context(connect(server.port)) for _ in range(MANY)]
        for index, connection in enumerate(half_open):
            connection.sendall(halves[index % len(halves)])
        for index, connection in enumerate(dripping):
            connection.sendall(drips[index % len(drips)])
        alive = dripping
        while alive:
            alive = [connection for connection in alive if still_takes(connection, b"1")]
            good.sendall(HEAD + GOOD)
            assert receive(good, b"}").endswith(answer)
        half_open_answers = [receive(connection)[:12] for connection in half_open]
        dripping_answers = {receive(connection)[:12] for connection in dripping}

    good.close()
    assert half_open_answers == [b"", b"HTTP/1.1 408", b"HTTP/1.1 408", b"HTTP/1.1 408"] * (MANY // 4)
    assert dripping_answers == {b"HTTP/1.1 408"}
    refused = metric(server.url, "softmaxd_rejections_total", reason="request_timeout")
    assert refused == MANY * 3 / 4 + MANY
    assert sockets_of(server) < 20


def still_takes(connection: socket.socket, drip: bytes) -> bool:
    """Whether a connection is still open, after one more byte."""
    try:
        connection.sendall(drip)
    except ConnectionError:
        return False
    return True


def sockets_of(server: Server) -> int:
    return sum(1 for file in Path(f"/proc/{server.process.pid}/fd").iterdir() if "socket" in str(file.readlink()))


@pytest.mark.anew  # with the limit of open files that it inherits
def test_a_service_without_free_files_goes_on_when_it_has_some_again(
    start_server: StartServer, many_files: None
) -> None:
    server = start_server()
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))

    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(server.port)) for _ in range(100)]
        assert receive(held[-1]) == b""  # cut at once, as there is no file for it

    assert httpx.get(server.url + "/livez").status_code == 200


@pytest.mark.anew  # with the limit of open files that it inherits
def test_the_usual_limit_of_open_files_is_not_that_of_connections(start_server: StartServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    server = start_server()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0] > 1024
