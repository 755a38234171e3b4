"""SIGTERM and Ctrl-C: not ready any more, what is in flight is answered, exit code 0."""

import contextlib
import signal
import socket
import time
from functools import partial

import httpx
import pytest

from tests.conftest import Server, StartServer, connect, receive, softmaxd

BODY = b'{"instances": [[15.2, 0.3]]}'
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY)


@pytest.fixture(params=["on", "off"], ids="express={}".format)
def start(request: pytest.FixtureRequest, start_server: StartServer) -> StartServer:
    """Start servers in each of the lanes."""
    return partial(start_server, express=request.param)


def half_sent_request(server: Server) -> socket.socket:
    """Return a connection on which a request is in flight: the service waits for the rest of its body."""
    connection = connect(server.port)
    connection.sendall(HEAD + BODY[:10])
    assert httpx.get(server.url + "/livez").status_code == 200  # so it has read that before
    return connection


def until_not_ready(server: Server) -> httpx.Response:
    for _ in range(200):
        response = httpx.get(server.url + "/readyz")
        if response.status_code != 200:
            return response
        time.sleep(0.05)
    raise AssertionError("the service stayed ready")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_exits_with_0(start_server: StartServer, number: signal.Signals) -> None:
    server = start_server()
    with httpx.Client() as idle:
        idle.get(server.url + "/livez")

        server.send_signal(number)

        assert server.wait() == 0
    assert server.messages()[-1]["message"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_is_answered(start: StartServer, number: signal.Signals) -> None:
    server = start()
    with half_sent_request(server) as connection:
        server.send_signal(number)
        not_ready = until_not_ready(server)
        refused = httpx.post(server.url + "/predict", content=BODY)
        alive = httpx.get(server.url + "/livez")
        health, _, _ = softmaxd("health", "--port", str(server.port))
        connection.sendall(BODY[10:])
        answer = receive(connection)

    assert server.wait() == 0
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"}")
    for response in (not_ready, refused):
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert alive.status_code == 200
    assert health == 1


def test_a_request_that_never_ends_is_given_up_after_the_drain_timeout(start: StartServer) -> None:
    server = start(drain_timeout="0.2")
    with half_sent_request(server):
        server.send_signal(signal.SIGTERM)

        assert server.wait() == 0
    assert [message["message"] for message in server.messages()[-2:]] == [
        "gave up 1 requests that were still in flight",
        "stopped",
    ]


def test_a_second_signal_ends_the_drain(start: StartServer) -> None:
    server = start(drain_timeout="600")
    with half_sent_request(server):
        server.send_signal(signal.SIGINT)
        until_not_ready(server)
        server.send_signal(signal.SIGINT)

        assert server.wait() == 0


def test_a_client_that_leaves_in_its_body_leaves_no_error(start: StartServer) -> None:
    server = start()
    half_sent_request(server).close()
    with contextlib.suppress(httpx.HTTPError):
        httpx.get(server.url + "/livez")

    assert server.stop() == 0
    assert {message["level"] for message in server.messages()} == {"INFO"}
