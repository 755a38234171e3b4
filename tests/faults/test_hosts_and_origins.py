"""Hosts and origins that the service does not know, in both lanes and in the form of each protocol."""

from collections.abc import Iterator

import pytest

from tests.support.raw_requests import BODY, INFER, INFERENCE, request
from tests.support.server import Server
from tests.support.sockets import comparable, connect, receive

V1 = b"/v1/models/blobs:predict"
LAST = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
FOREIGN = b"Origin: http://evil.test"
TEXT, JSON = b"Content-Type: text/plain", b"Content-Type: application/json"


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Server]]:
    """Two services for the hosts x and [::1], with the express lane on and off."""
    hosts = {"SOFTMAXD_ALLOWED_HOSTS": "x,[::1]:8000", "SOFTMAXD_CORS_ORIGINS": "https://page.test"}
    lanes = [Server(environment={**hosts, "SOFTMAXD_EXPRESS": lane}) for lane in ("on", "off")]
    yield lanes
    for server in lanes:
        assert server.stop() == 0


def answers(server: Server, sent: bytes) -> bytes:
    with connect(server.port) as connection:
        connection.sendall(sent + LAST)
        return comparable(receive(connection))


def at(host: bytes, sent: bytes) -> bytes:
    return sent.replace(b"Host: x\r\n", b"Host: %s\r\n" % host)


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (request(), 200, b'{"model":'),
        (at(b"X:1234", request()), 200, b'{"model":'),
        (at(b"[0::1]:8000", request()), 200, b'{"model":'),
        (at(b"evil.test", request()), 421, b'{"detail":'),
        (at(b"evil.test", request(V1)), 421, b'{"error":'),
        (at(b"evil.test", request(INFER, INFERENCE)), 421, b'{"error":'),
        (at(b"evil.test", request(b"/v2/models/blobs/infer?x", method=b"OPTIONS", body=b"")), 421, b'{"error":'),
        (at(b"[::1]:8001", request()), 421, b'{"detail":'),
        (at(b"[::1", request()), 400, b'{"detail":'),
        (at(b"x.evil.test", request()), 421, b'{"detail":'),
        (request(b"/predict", BODY, FOREIGN, TEXT), 403, b'{"detail":'),
        (request(b"/predict", BODY, FOREIGN), 403, b'{"detail":'),
        (request(b"/predict", BODY, FOREIGN, JSON), 200, b'{"model":'),
        (request(V1, BODY, FOREIGN, TEXT), 403, b'{"error":'),
        (request(V1, BODY, b"Origin: null", TEXT), 403, b'{"error":'),
        (request(V1, BODY, FOREIGN, JSON), 200, b'{"predictions":'),
        (request(V1, BODY, b"Origin: http://x", TEXT), 200, b'{"predictions":'),
        (request(V1, BODY, b"Origin: https://page.test", TEXT), 200, b'{"predictions":'),
        (request(V1, BODY, TEXT), 200, b'{"predictions":'),
        (request(INFER, INFERENCE, FOREIGN), 403, b'{"error":'),
        (request(INFER, INFERENCE, FOREIGN, b"Content-Type: application/octet-stream"), 200, b'{"model_name":'),
        (request(b"/v2/repository/index", b"", FOREIGN), 403, b'{"error":'),
    ],
    ids=range(22),
)
def test_both_lanes_answer_the_same(servers: list[Server], sent: bytes, status: int, body: bytes) -> None:
    express, asgi = (answers(server, sent) for server in servers)
    head, _, rest = express.partition(b"\r\n\r\n")

    assert express == asgi
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert rest.startswith(body)


@pytest.mark.parametrize("path", [b"/predict", V1, INFER, b"/v2/repository/models/x/load"])
def test_a_preflight_is_answered_in_every_protocol(servers: list[Server], path: bytes) -> None:
    asked = [b"Access-Control-Request-Method: POST", b"Access-Control-Request-Headers: authorization"]
    for server in servers:
        granted, refused = (
            answers(server, request(path, b"", b"Origin: " + origin, *asked, method=b"OPTIONS", length=b"X: 1"))
            for origin in (b"https://page.test", b"http://evil.test")
        )

        assert granted.startswith(b"HTTP/1.1 200 ")
        assert b"access-control-allow-origin: https://page.test\r\n" in granted
        assert b"access-control-allow-headers: authorization\r\n" in granted
        assert refused.startswith(b"HTTP/1.1 403 ")
        assert b"access-control-allow-origin" not in refused
        assert b'{"%s":"Disallowed CORS origin' % (b"detail" if path == b"/predict" else b"error") in refused


def test_an_error_is_readable_for_an_allowed_page(servers: list[Server]) -> None:
    for sent in (
        request(V1, b"x", b"Origin: https://page.test", JSON),
        request(b"/nope", b"", b"Origin: https://page.test", JSON),
    ):
        assert b"access-control-allow-origin: https://page.test\r\n" in answers(servers[0], sent)
