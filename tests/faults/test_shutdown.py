"""SIGTERM and Ctrl-C: not ready any more, what is in flight is answered, exit code 0."""

import contextlib
import signal
import socket
import time

import httpx
import pytest

from tests.conftest import Server, StartServer, softmaxd

BODY = b'{"instances": [[15.2, 0.3]]}'
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)


def half_sent_request(server: Server) -> socket.socket:
    """Return a connection on which a request is in flight: the service waits for the rest of its body."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(HEAD)
    assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(BODY[:10])
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
def test_what_is_in_flight_is_answered(start_server: StartServer, number: signal.Signals) -> None:
    server = start_server()
    with half_sent_request(server) as connection:
        server.send_signal(number)
        not_ready = until_not_ready(server)
        refused = httpx.post(server.url + "/predict", content=BODY)
        alive = httpx.get(server.url + "/livez")
        health, _, _ = softmaxd("health", "--port", str(server.port))
        connection.sendall(BODY[10:])
        answer = connection.recv(65536)

    assert server.wait() == 0
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    for response in (not_ready, refused):
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert alive.status_code == 200
    assert health == 1


def test_a_request_that_never_ends_is_given_up_after_the_drain_timeout(start_server: StartServer) -> None:
    server = start_server(drain_timeout="0.2")
    with half_sent_request(server):
        server.send_signal(signal.SIGTERM)

        assert server.wait() == 0
    assert [message["message"] for message in server.messages()[-2:]] == [
        "gave up 1 requests that were still in flight",
        "stopped",
    ]


def test_a_second_signal_ends_the_drain(start_server: StartServer) -> None:
    server = start_server(drain_timeout="600")
    with half_sent_request(server):
        server.send_signal(signal.SIGINT)
        until_not_ready(server)
        server.send_signal(signal.SIGINT)

        assert server.wait() == 0


def test_a_client_that_leaves_in_its_body_leaves_no_error(start_server: StartServer) -> None:
    server = start_server()
    half_sent_request(server).close()
    with contextlib.suppress(httpx.HTTPError):
        httpx.get(server.url + "/livez")

    assert server.stop() == 0
    assert {message["level"] for message in server.messages()} == {"INFO"}
