"""The access log of a real server: both lanes, all protocols, and nothing of a request that is nobody's business."""

import json
from collections.abc import Mapping
from itertools import count

import pytest

from tests.support.raw_requests import BODY, BROKEN, INFER, INFERENCE, request
from tests.support.server import Server, StartServer
from tests.support.sockets import connect, receive
from tests.support.waiting import until

MARK = "s3cr3t"
KEYS = tuple(b"%s: s3cr3t" % name for name in (b"Authorization", b"X-API-Key", b"Cookie", b"User-Agent", b"Referer"))
NAMED = INFERENCE[:-1] + b', "id": "mine \\u2028"}'
BLOBS = {"model": "blobs", "version": "2"}
NUMBERS = count(1)
REQUESTS: list[tuple[bytes, str, int, Mapping[str, object]]] = [
    (request(b"/predict?key=s3cr3t", BODY, *KEYS), "POST /predict", 200, {**BLOBS, "rows": 1}),
    (
        request(b"/models/blobs/predict", b'{"instances": ["s3cr3t"]}', *KEYS),
        "POST /models/blobs/predict",
        422,
        {**BLOBS, "reason": "invalid_body"},
    ),
    (request(b"/softmax", b'{"logits": [1, 2, 3]}', *KEYS), "POST /softmax", 200, {}),
    (request(b"/v1/models/blobs:predict", BODY, *KEYS), "POST /v1/models/blobs:predict", 200, {**BLOBS, "rows": 1}),
    (
        request(INFER, NAMED, *KEYS),
        "POST /v2/models/blobs/infer",
        200,
        {**BLOBS, "rows": 1, "infer_id": "mine \u2028"},
    ),
    (request(b"/models/x/predict", BODY, *KEYS), "POST /models/x/predict", 404, {"reason": "model_not_found"}),
    (request(b"/nope?key=s3cr3t", BODY, *KEYS), "POST /nope", 404, {"reason": "unroutable"}),
    (request(b"/livez", BODY, *KEYS), "POST /livez", 405, {"reason": "unroutable"}),
    (request(b"/livez", b"", *KEYS, method=b"GET"), "GET /livez", 200, {}),
    (request(b"/livez", b"", *KEYS, method=b"HEAD"), "HEAD /livez", 200, {}),
    (
        request(b"/predict", BODY, b"Origin: http://evil.test", *KEYS),
        "POST /predict",
        403,
        {"reason": "forbidden"},
    ),
    (request(b"/v2/x", BODY, b"X-Long: " + b"s3cr3t" * 3000), "POST /v2/x", 431, {"reason": "headers_too_large"}),
    (BROKEN, "POST /predict", 400, {"reason": "not_http"}),
]
NO_REQUESTS = [b"BREW / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\r\n\r\n", b"GET \xff HTTP/1.1\r\n\r\n"]


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def server(request: pytest.FixtureRequest, start_shared_server: StartServer) -> Server:
    return start_shared_server(express=str(request.param), access_log="all")


def lines(server: Server, sent: bytes, request_id: str) -> list[dict[str, object]]:
    """Return the lines about a request with this id, once the line of a later one is written."""
    last = f"last-{next(NUMBERS)}"
    own = [sent.replace(b"Host: x", b"Host: x\r\nX-Request-ID: " + request_id.encode(), 1)]
    own.append(request(b"/livez", b"", b"Connection: close", b"X-Request-ID: " + last.encode(), method=b"GET"))
    for each in own:
        with connect(server.port) as connection:
            connection.sendall(each.replace(b"Host: x", b"Connection: close\r\nHost: x", 1))
            receive(connection)
    until(lambda: any(last in line for line in list(server.lines)))
    return [line for line in server.messages() if line.get("request_id") == request_id]


@pytest.mark.parametrize(("sent", "request_line", "status", "more"), REQUESTS, ids=lambda value: str(value)[:40])
def test_each_request_has_one_line(
    server: Server, sent: bytes, request_line: str, status: int, more: Mapping[str, object]
) -> None:
    (line,) = lines(server, sent, f"mine-{next(NUMBERS)}")

    assert line["message"] == f"{request_line}: {status}"
    assert (line["level"], line["logger"]) == ("INFO", "softmaxd.http.access_log")
    assert (f"{line['method']} {line['path']}", line["status"]) == (request_line, status)
    assert line["client"] == "127.0.0.1"
    assert {key: line[key] for key in ("model", "version", "rows", "infer_id", "reason") if key in line} == more
    assert line.get("lane", "asgi") in {"express", "asgi"}
    assert ("seconds" in line) == (status not in {400, 431})
    assert MARK not in "".join(server.lines)


@pytest.mark.parametrize("sent", NO_REQUESTS)
def test_bytes_that_are_no_request_have_a_line_without_a_method(server: Server, sent: bytes) -> None:
    with connect(server.port) as connection:
        connection.sendall(sent)
        answer = receive(connection).decode().lower()
    request_id = answer.partition("x-request-id: ")[2].partition("\r\n")[0]
    until(lambda: any(request_id in line for line in list(server.lines)))

    (line,) = (line for line in server.messages() if line.get("request_id") == request_id)
    assert (line["message"], line["reason"]) == ("no request: 400", "not_http")
    assert not {"method", "path"} & set(line)


def test_the_line_has_the_ids_of_the_answer(server: Server) -> None:
    parent = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with connect(server.port) as connection:
        connection.sendall(request(b"/predict", BODY, b"Connection: close", parent))
        answer = receive(connection).decode()
    fields = dict(line.split(": ", 1) for line in answer.partition("\r\n\r\n")[0].split("\r\n")[1:])
    until(lambda: any(fields["x-request-id"] in line for line in list(server.lines)))

    line = next(line for line in server.messages() if line.get("request_id") == fields["x-request-id"])
    assert fields["traceparent"] == f"00-{line['trace_id']}-{line['span_id']}-01"


@pytest.mark.parametrize("path", [b"/predict", b"/nope"])
def test_a_client_that_leaves_has_a_line(server: Server, path: bytes) -> None:
    request_id = f"left-{next(NUMBERS)}"
    with connect(server.port) as connection:
        connection.sendall(request(path, BODY, b"X-Request-ID: " + request_id.encode())[:-1])
    until(lambda: any(request_id in line for line in list(server.lines)))

    (line,) = (line for line in server.messages() if line.get("request_id") == request_id)
    assert line["status"] == (499 if path == b"/predict" else 404)


def test_by_default_only_errors_of_the_service_and_slow_requests_have_lines(start_server: StartServer) -> None:
    server = start_server()
    before = len(server.lines)
    with connect(server.port) as connection:
        connection.sendall(request() + request(b"/nope") + request(b"/livez", method=b"GET", body=b""))
        connection.sendall(request(length=b"Transfer-Encoding: x"))
        receive(connection)
    until(lambda: len(server.lines) > before)
    assert server.stop() == 0

    (line,) = (json.loads(line) for line in server.lines[before:] if "stopped" not in line)
    assert (line["message"], line["reason"]) == ("POST /predict: 501", "unknown_transfer_coding")
