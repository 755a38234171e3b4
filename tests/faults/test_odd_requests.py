"""Any path segment, query and header is answered with a documented status, and the lanes answer the same bytes."""

from collections.abc import Iterator

import pytest

from tests.support.raw_requests import BODY, request
from tests.support.server import Server
from tests.support.sockets import comparable, connect, receive

DOCUMENTED = {200, 204, 304, 400, 401, 403, 404, 405, 413, 415, 422, 431}
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

SEGMENTS = [
    *(b"", b".", b"..", b"%2e%2e", b"%2F", b"%2F%2F", b"%5C", b"%00", b"blobs%00", b"%ED%A0%80", b"%C3%A9", b"%ff"),
    *(b"%", b"%zz", b"%0d%0aX:y", b"%3F", b"%23", b"%20", b"{name}", b":predict", b"+", b"a;b", b'"<>|', b"\xff"),
    *(b"x" * 15_000, b"9" * 15_000, b"%D9%A3", b"\x7f"),
]
TARGETS = [
    *(b"/%s", b"%s", b"//%s/predict", b"http://x/%s", b"http://%s/predict"),
    *(b"/predict?%s", b"/predict?x=%s&y", b"/nope?%s", b"/v2/nope?%s"),
    *(b"/models/%s", b"/models/%s/predict", b"/models/blobs/versions/%s/predict"),
    *(b"/v1/models/%s:predict", b"/v1/models/blobs/versions/%s:classify", b"/v1/models/%s/metadata"),
    *(b"/v2/models/%s/infer", b"/v2/models/blobs/versions/%s/infer", b"/v2/repository/models/%s/load"),
    *(b"/docs/assets/%s", b"/docs/assets/%s/x"),
]
PATHS = [
    *(b"/predict", b"/v1/models/blobs:predict", b"/v2/models/blobs/infer", b"/v2/repository/index"),
    *(b"/v2/repository/models/blobs/load", b"/docs/assets/swagger-ui.css", b"/nope"),
]
FIELDS = [
    *(b"X-Bytes: \xff\x80", b"X-Control: \x01", b"X-Blanks:\t y \t", b"X-Long: " + b"y" * 15_000, b": x", b"X Y: z"),
    *(b"Content-Type:", b"Content-Type: \xff", b"Content-Type: " + b";" * 9_000),
    *(b"Content-Encoding:", b"Content-Encoding: \xff\xfe", b"Content-Encoding: gzip, gzip"),
    *(b"Accept-Encoding: gzip;q=nan", b"Accept-Encoding: gzip;q=1e999", b"Accept-Encoding: " + b"gzip," * 3_000),
    *(b"Inference-Header-Content-Length: " + digits for digits in (b"9" * 5_000, b"0" * 5_000, b"\xd9\xa3", b"1_0")),
    *(b"Authorization: Bearer \xff", b"Authorization:", b"Range: bytes=x", b"Range: bytes=99999999-"),
    *(b"If-None-Match: \xff", b"If-Modified-Since: x", b"Origin: \xff", b"Origin: null", b"Cookie: \xff;=;"),
]
LENGTHS = [b"Content-Length: " + b"0" * 5_000 + b"%d" % len(BODY), b"Content-Length: 1_0", b"Content-Length: \xd9\xa3"]


@pytest.fixture(scope="module")
def ports() -> Iterator[list[int]]:
    """Two services, with the express lane on and off."""
    servers = [Server(environment={"SOFTMAXD_EXPRESS": express}) for express in ("on", "off")]
    yield [server.port for server in servers]
    for server in servers:
        assert server.stop() == 0
        assert not [line for line in server.messages() if line["level"] in {"ERROR", "CRITICAL"}]


def answers(port: int, sent: bytes) -> bytes:
    """Return the bytes that come back, without dates and ids."""
    with connect(port) as connection:
        connection.sendall(sent + LAST)
        return comparable(receive(connection))


def check(ports: list[int], sent: bytes) -> None:
    express, asgi = (answers(port, sent) for port in ports)
    head, _, rest = express.partition(b"\r\n\r\n")

    assert express == asgi, sent[:200]
    assert int(head[9:12]) in DOCUMENTED, (sent[:200], express)
    if int(head[9:12]) >= 400:
        assert b"\r\ncontent-type: application/json" in head, (sent[:200], express)
        assert rest.startswith((b'{"detail":', b'{"error":')), (sent[:200], express)


@pytest.mark.parametrize("target", TARGETS, ids=bytes.decode)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_segment_and_query_is_answered_alike(ports: list[int], method: str, target: bytes) -> None:
    for segment in SEGMENTS:
        body = BODY if method == "POST" else b""
        check(ports, request(target % segment, body, method=method.encode()))


@pytest.mark.parametrize("path", PATHS, ids=bytes.decode)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_header_is_answered_alike(ports: list[int], method: str, path: bytes) -> None:
    for field in FIELDS:
        check(ports, request(path, BODY if method == "POST" else b"", field, method=method.encode()))


@pytest.mark.parametrize("path", PATHS, ids=bytes.decode)
def test_any_length_is_answered_alike(ports: list[int], path: bytes) -> None:
    for length in LENGTHS:
        check(ports, request(path, BODY, length=length))
