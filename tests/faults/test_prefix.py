"""A service under a prefix, in both lanes: whether a proxy strips the prefix or not."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.metrics import metric
from tests.support.raw_requests import BODY, INFER, INFERENCE, request
from tests.support.server import Server
from tests.support.sockets import comparable, connect, receive

LAST = b"GET /ml/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    """Two services at `/ml`, with the express lane on and off."""
    lanes = [Server(environment={"SOFTMAXD_ROOT_PATH": "/ml", "SOFTMAXD_EXPRESS": lane}) for lane in ("on", "off")]
    yield lanes
    for server in lanes:
        assert server.stop() == 0


def answers(server: Server, sent: bytes) -> bytes:
    with connect(server.port) as connection:
        connection.sendall(sent + LAST)
        return comparable(receive(connection))


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (request(b"/ml/predict", BODY), 200, b'{"model":"blobs"'),
        (request(b"/predict", BODY), 200, b'{"model":"blobs"'),
        (request(b"/ml" + INFER, INFERENCE), 200, b'{"model_name":"blobs"'),
        (request(b"/ml" + INFER, b"{}"), 400, b'{"error":'),
        (request(b"/ml/v2/nope", BODY), 404, b'{"error":"Not Found"}'),
        (request(b"/ml/v1/models", BODY), 405, b'{"error":"Method Not Allowed"}'),
        (request(b"/ml/v2/x", BODY, b"X-Long: " + b"x" * 17_000), 431, b'{"error":'),
        (request(b"/ml/nope", BODY), 404, b'{"detail":"Not Found"}'),
        (request(b"/ml/ml/predict", BODY), 404, b'{"detail":"Not Found"}'),
        (request(b"/mlx/predict", BODY), 404, b'{"detail":"Not Found"}'),
        (request(b"/ml", BODY), 404, b'{"detail":"Not Found"}'),
    ],
)
def test_both_lanes_answer_the_same_under_a_prefix(
    servers: list[Server], sent: bytes, status: int, body: bytes
) -> None:
    express, asgi = (answers(server, sent) for server in servers)
    head, _, rest = express.partition(b"\r\n\r\n")

    assert express == asgi
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert rest.startswith(body)


def test_the_express_lane_answers_under_a_prefix(servers: list[Server]) -> None:
    express = servers[0]
    before = metric(express.url, "softmaxd_requests_total", lane="express")

    answers(express, request(b"/ml/predict", BODY))

    assert metric(express.url, "softmaxd_requests_total", lane="express") == before + 1


def test_documents_name_the_prefix(servers: list[Server]) -> None:
    url = servers[0].url

    assert httpx.get(f"{url}/ml/openapi.json").json()["servers"][0] == {"url": "/ml"}
    assert httpx.get(f"{url}/openapi.json").json()["servers"][0] == {"url": "/ml"}
    assert httpx.get(f"{url}/ml/").json()["docs"] == "/ml/docs"
