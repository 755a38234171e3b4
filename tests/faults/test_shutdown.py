"""SIGTERM and Ctrl-C: the service is not ready any more, answers the requests in flight, and exits with 0."""

import contextlib
import signal
from functools import partial

import httpx
import pytest

from tests.support.command import softmaxd
from tests.support.draining import BODY, SENT, half_sent_request, until_not_listening, until_not_ready
from tests.support.server import StartServer
from tests.support.sockets import receive

pytestmark = pytest.mark.anew


@pytest.fixture(params=["on", "off"], ids="express={}".format)
def start(request: pytest.FixtureRequest, start_server: StartServer) -> StartServer:
    """Start servers in each of the lanes."""
    return partial(start_server, express=request.param)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_exits_with_0(start_server: StartServer, number: signal.Signals) -> None:
    server = start_server()
    with httpx.Client() as idle:
        idle.get(server.url + "/livez")

        server.send_signal(number)

        assert server.wait() == 0
    assert server.messages()[-1]["message"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_flight_is_answered(start: StartServer, number: signal.Signals) -> None:
    server = start()
    with half_sent_request(server) as connection:
        server.send_signal(number)
        until_not_listening(server)
        connection.sendall(BODY[SENT:])
        answer = receive(connection)

    assert server.wait() == 0
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.endswith(b"}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_before_it_stops_to_listen_it_is_not_ready_but_answers(start: StartServer, number: signal.Signals) -> None:
    server = start(drain_delay="2")
    with httpx.Client(base_url=server.url) as client:
        assert "connection" not in client.post("/predict", content=BODY).headers
        server.send_signal(number)
        not_ready = until_not_ready(server)
        answers = [client.post("/predict", content=BODY), httpx.post(server.url + "/predict", content=BODY)]
        answers.append(httpx.get(server.url + "/livez"))
        health, _, _ = softmaxd("health", "--port", str(server.port))

    assert server.wait() == 0
    assert (not_ready.status_code, not_ready.headers["retry-after"]) == (503, "1")
    assert [(answer.status_code, answer.headers["connection"]) for answer in answers] == [(200, "close")] * 3
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
        until_not_listening(server)
        server.send_signal(signal.SIGINT)

        assert server.wait() == 0


def test_a_client_that_leaves_in_its_body_leaves_no_error(start: StartServer) -> None:
    server = start()
    half_sent_request(server).close()
    with contextlib.suppress(httpx.HTTPError):
        httpx.get(server.url + "/livez")

    assert server.stop() == 0
    assert {message["level"] for message in server.messages()} == {"INFO"}
