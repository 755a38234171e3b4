"""Errors of `/v2` have the form of its protocol, whichever part of the service answers."""

import signal
import socket
from typing import Any

import httpx
import pytest

from tests.support.draining import until_not_ready
from tests.support.server import Server, StartServer

INFER = "/v2/models/blobs/infer"
BODY: dict[str, Any] = {"inputs": [{"name": "features", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]}


def half_sent(server: Server, head: bytes) -> socket.socket:
    """Return a connection on which the body of a request stops after its first bytes."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % (INFER.encode(), head))
    return connection


def all_of(connection: socket.socket) -> bytes:
    answer = b""
    while received := connection.recv(65536):
        answer += received
    return answer


def test_a_full_queue_is_429(start_server: StartServer) -> None:
    server = start_server(max_queued_rows="1")

    response = httpx.post(server.url + INFER, json=BODY)

    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert response.json() == {"error": "0 rows are waiting; try again later"}


@pytest.mark.parametrize("head", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_a_body_that_does_not_arrive_in_time_is_408(start_server: StartServer, head: bytes) -> None:
    server = start_server(request_timeout="0.1")

    with half_sent(server, head) as connection:
        answer = all_of(connection)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"error":"The request did not arrive within 0.1 s"}')


def test_a_service_that_shuts_down_is_not_ready_but_answers(start_server: StartServer) -> None:
    server = start_server(drain_delay="60")
    assert httpx.get(server.url + "/livez").status_code == 200  # from here on it drains at a signal
    server.send_signal(signal.SIGTERM)
    until_not_ready(server)

    for path in ("/v2/health/ready", "/v2/models/blobs/ready"):
        response = httpx.get(server.url + path)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert response.headers["content-type"] == "application/json"
        assert response.json() == {"error": "The service is shutting down; retry elsewhere or later"}
    for answered in (httpx.get(server.url + "/v2/health/live"), httpx.post(server.url + INFER, json=BODY)):
        assert (answered.status_code, answered.headers["connection"]) == (200, "close")
