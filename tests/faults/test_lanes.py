"""The two lanes cannot be told apart: whatever is sent to both, the same bytes come back, but for dates and ids."""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families

from tests.support.drawn_requests import conversations
from tests.support.metrics import metric
from tests.support.raw_requests import (
    AS_LONG_AS_BODY,
    BODY,
    BOMB,
    BROKEN,
    CHUNKED,
    CLOSES,
    DEFLATED,
    ENDLESS_HEAD,
    EXPECTS,
    HEAD,
    INFER,
    INFERENCE,
    LARGE,
    LIVEZ,
    LONG_HEAD,
    MAX_BODY_BYTES,
    MAX_ROWS,
    PREDICT,
    RAW,
    SOFTMAX,
    TENSOR,
    TOO_LARGE,
    TOO_MANY_ROWS,
    UPGRADE,
    UPGRADES,
    Parts,
    request,
)
from tests.support.server import Server
from tests.support.sockets import comparable, connect, receive

REQUESTS = 2500 if "CI" in os.environ else 500
LEAST_SHARE = 0.1  # of the drawn requests, for the express lane; more find nothing unanswered before them
REQUESTS_TOTAL = "softmaxd_requests_total"
OF_REQUESTS = ("operation", "status")  # labels
COUNTERS = {REQUESTS_TOTAL, "softmaxd_rejections_total"}
OWN_ID = request(b"/predict", BODY, b"X-Request-ID: mine")
TRACED = request(b"/predict", BODY, b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
LAST = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Lane:
    """A service of its own, with the express lane on or off."""

    def __init__(self, express: str) -> None:
        limits = {"SOFTMAXD_MAX_ROWS": str(MAX_ROWS), "SOFTMAXD_MAX_BODY_BYTES": str(MAX_BODY_BYTES)}
        self.server = Server(environment={"SOFTMAXD_EXPRESS": express, **limits})
        self._probe = httpx.Client(base_url=self.server.url)

    def stop(self) -> None:
        self._probe.close()
        assert self.server.stop() == 0
        assert not [line for line in self.server.messages() if line["level"] in {"ERROR", "CRITICAL"}]

    def answers(self, parts: Parts) -> bytes:
        """Return the answers, comparable, until the service closes the connection: at the latest after LAST."""
        with connect(self.server.port) as connection:
            with contextlib.suppress(ConnectionError):  # closed: after an error the service reads nothing more
                for part in parts:
                    connection.sendall(part)
                    self._wait_until_read()
                connection.sendall(LAST)
            received = receive(connection)
        return comparable(received)

    def _wait_until_read(self) -> None:
        """Ask on another connection: the event loop reads all that has come before it answers."""
        assert self._probe.get("/livez").status_code == 200

    def counts(self) -> Counter[tuple[str, ...]]:
        """Return its counts so far, but for the lanes and the requests of `_wait_until_read`."""
        count: Counter[tuple[str, ...]] = Counter()
        for family in text_string_to_metric_families(self._probe.get("/metrics").text):
            for sample in family.samples:
                labels = {key: value for key, value in sample.labels.items() if key != "lane"}
                if sample.name in COUNTERS and labels.get("operation") not in {"/livez", "/metrics"}:
                    count[tuple(labels.values())] += int(sample.value)
        return count


@pytest.fixture(scope="module")
def lanes() -> Iterator[tuple[Lane, Lane]]:
    both = Lane("on"), Lane("off")
    yield both
    for lane in both:
        lane.stop()


CASES: dict[str, tuple[Parts, list[int]]] = {
    "numbers and tensors": ([request(INFER, INFERENCE), request(INFER, TENSOR, RAW) * 2], [200, 200, 200]),
    "compressed both ways": ([DEFLATED, DEFLATED[:-9], DEFLATED[-9:]], [200, 200]),
    "a bomb": ([BOMB + PREDICT], [413]),
    "wrong tensors": ([request(INFER, TENSOR[1:], RAW), request(INFER, TENSOR), PREDICT], [400, 400, 200]),
    "the index of the models": ([request(b"/v2/repository/index", b""), SOFTMAX], [200, 200]),
    "a long head of another protocol": ([LONG_HEAD.replace(b"/predict", INFER)], [431]),
    "another protocol's unknown paths": ([request(b"/v2/x"), request(b"/v2"), request(b"/v1/x")], [404, 405, 404]),
    "one by one": ([PREDICT, SOFTMAX, LIVEZ, PREDICT], [200, 200, 200, 200]),
    "many in one": ([PREDICT * 50 + SOFTMAX * 50], [200] * 100),
    "express, then ASGI": ([PREDICT + LIVEZ], [200, 200]),
    "ASGI, then express": ([LIVEZ + PREDICT], [200, 200]),
    "mixed": ([SOFTMAX + CHUNKED + SOFTMAX + LIVEZ + PREDICT + EXPECTS + PREDICT], [200] * 5 + [100, 200, 200]),
    "a wait between ASGI and express": ([LIVEZ + PREDICT[:-1], PREDICT[-1:] + SOFTMAX], [200, 200, 200]),
    "nothing after close": ([PREDICT + CLOSES + SOFTMAX], [200, 200]),
    "nothing after too many rows": ([TOO_MANY_ROWS + SOFTMAX + PREDICT + LIVEZ], [413]),
    "too many rows after others": ([LIVEZ + TOO_MANY_ROWS + SOFTMAX], [200, 413]),
    "too large": ([TOO_LARGE], [413]),
    "large": ([LARGE + PREDICT, LARGE], [200, 200, 200]),
    "bytes that are not HTTP wait for their turn": ([PREDICT + b"\0\0\0" + PREDICT], [200, 400]),
    "so does it behind ASGI": ([LIVEZ + SOFTMAX + b"\0\0\0", SOFTMAX], [200, 200, 400]),
    "so does a broken body": ([PREDICT + BROKEN + PREDICT, LIVEZ], [200, 400]),
    "a broken body behind another": ([PREDICT + CHUNKED + BROKEN], [200, 200, 400]),
    "a broken body alone": ([BROKEN + PREDICT], [400]),
    "a long head": ([SOFTMAX + LONG_HEAD + SOFTMAX], [200, 431]),
    "an endless head": ([PREDICT + ENDLESS_HEAD], [200, 431]),
    "a known head, body apart": ([PREDICT, HEAD, BODY, PREDICT], [200, 200, 200]),
    "a known head, body in two": ([PREDICT, HEAD + BODY[:5], BODY[5:], PREDICT], [200, 200, 200]),
    "a known head, and more after it": ([PREDICT, PREDICT + SOFTMAX[:9], SOFTMAX[9:], PREDICT], [200] * 4),
    "a known head after a blank line": ([PREDICT, b"\r\n", PREDICT, b"\r\n" + PREDICT, PREDICT], [200] * 4),
    "a known head as a body": (
        [PREDICT, request(body=b"{" + PREDICT)[: -len(PREDICT)], PREDICT, PREDICT],
        [200, 422, 200],
    ),
    "a known head as the end of a head": ([PREDICT, b"POST /predict HTTP/1.1\r\nX-", PREDICT, PREDICT], [200, 400]),
    "a known head, other cases": ([PREDICT, PREDICT.replace(b"Host", b"HOST"), PREDICT.swapcase()], [200, 200, 400]),
    "a known head that closes": ([CLOSES], [200]),
    "a blank head before a known one": ([b"\r\n\r\n" + PREDICT, b"\r\n\r\n" + AS_LONG_AS_BODY], [200, 404]),
    "ids": (
        [OWN_ID + PREDICT + OWN_ID, OWN_ID.replace(b"/predict", b"/nope"), TRACED * 2],
        [200, 200, 200, 404, 200, 200],
    ),
    "an id of a body that does not arrive": ([BROKEN.replace(b"Host: x", b"Host: x\r\nX-Request-ID: mine")], [400]),
    "LF only": ([request(end=b"\n")], [400]),
    "100 Continue": ([EXPECTS, EXPECTS[:-1], EXPECTS[-1:]], [100, 200, 100, 200]),
    "HTTP/1.0": ([request(version=b"1.0"), PREDICT], [200]),
    "HTTP/1.0 that would stay": (
        [request(b"/softmax", BODY, b"Connection: keep-alive", version=b"1.0"), PREDICT],
        [422, 200],
    ),
    "HEAD": ([request(method=b"HEAD", body=b""), LIVEZ.replace(b"GET", b"HEAD")], [405, 200]),
    "a query": ([request(b"/predict?x=1"), request(b"/predict?")], [200, 200]),
    "escapes": (
        [request(b"/pr%65dict"), request(b"/models/blo%62s/predict"), request(b"/models/%2e/predict")],
        [200, 200, 404],
    ),
    "an absolute target": ([request(b"http://x/predict"), request(b"http://other:1/predict?x")], [200, 200]),
    "no length": ([b"POST /predict HTTP/1.1\r\nHost: x\r\n\r\n", PREDICT], [422, 200]),
    "a length of thousands of digits": (
        [request(length=b"Content-Length: " + b"%05000d" % len(BODY)), PREDICT],
        [200, 200],
    ),
    "a length of thousands of nines": ([request(length=b"Content-Length: " + b"9" * 5000)], [400]),
    "repeated lengths": ([request(length=b"Content-Length: 28\r\ncontent-length: 28")], [400]),
    "repeated headers": (
        [request(b"/predict", BODY, b"Content-Type: application/json", b"content-type: text/plain")],
        [200],
    ),
    "upper case": (
        [request(b"/predict", BODY, b"CONTENT-TYPE: TEXT/PLAIN"), PREDICT.replace(b"Content-L", b"CONTENT-L")],
        [415, 200],
    ),
    "an upgrade": ([UPGRADES + LIVEZ, UPGRADES[:-9], UPGRADES[-9:] + PREDICT], [200] * 4),
    "an upgrade, chunked": ([CHUNKED.replace(b"Host: x", b"Host: x\r\n" + UPGRADE) + PREDICT], [200, 200]),
    "an upgrade that closes": ([UPGRADES.replace(b"on: Up", b"on: close, Up") + PREDICT], [200]),
    "an upgrade without a body": ([LIVEZ.replace(b"Host: x", b"Host: x\r\n" + UPGRADE) * 2 + PREDICT], [200, 200, 200]),
    "an upgrade that is not HTTP": ([UPGRADES + b"\0\0\0"], [200, 400]),
    "CONNECT": ([PREDICT + b"CONNECT x:443 HTTP/1.1\r\n\r\n" + PREDICT], [200, 400]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_conversation_gets_its_answers_in_order(lanes: tuple[Lane, Lane], case: str) -> None:
    parts, statuses = CASES[case]
    before = [lane.counts() for lane in lanes]

    express, asgi = (lane.answers(parts) for lane in lanes)

    assert statuses_of(express) == statuses, express
    assert express == asgi
    by_express, by_asgi = (lane.counts() - old for lane, old in zip(lanes, before, strict=True))
    assert by_express == by_asgi


def test_a_request_that_is_answered_gets_no_second_answer_when_its_body_breaks(lanes: tuple[Lane, Lane]) -> None:
    for lane in lanes:
        with connect(lane.server.port) as connection:
            connection.sendall(BROKEN[:-4].replace(b"/predict", b"/nope"))
            receive(connection, b'{"detail":"Not Found"}')
            connection.sendall(b"zz\r\n")

            assert receive(connection) == b""


@pytest.mark.parametrize("stream", [PREDICT + SOFTMAX, EXPECTS, CHUNKED + PREDICT], ids=["plain", "expect", "chunked"])
def test_it_does_not_matter_where_the_bytes_are_split(lanes: tuple[Lane, Lane], stream: bytes) -> None:
    express, asgi = lanes
    whole = asgi.answers([stream])

    for cut in range(1, len(stream)):
        parts = [stream[:cut], stream[cut:]]
        assert (cut, express.answers(parts)) == (cut, whole)
        assert (cut, asgi.answers(parts)) == (cut, whole)
    assert express.answers([bytes([byte]) for byte in stream]) == whole


def statuses_of(answers: bytes) -> list[int]:
    """Return the status of each answer, but for the one to LAST, which may not be read any more."""
    found = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]
    return found[:-1] if answers.endswith(b'{"status":"ready"}') else found


def test_both_lanes_give_the_same_bytes_to_drawn_requests(lanes: tuple[Lane, Lane]) -> None:
    express, asgi = lanes
    sent = 0

    @settings(max_examples=REQUESTS // 3, suppress_health_check=list(HealthCheck))
    @given(conversations())
    def compare(conversation: tuple[int, Parts]) -> None:
        nonlocal sent
        sent += conversation[0]
        assert express.answers(conversation[1]) == asgi.answers(conversation[1])

    by_express = metric(express.server.url, REQUESTS_TOTAL, lane="express")
    before = express.counts(), asgi.counts()
    compare()
    counts = express.counts() - before[0]

    assert sent >= REQUESTS
    assert counts == asgi.counts() - before[1]
    by_express = metric(express.server.url, REQUESTS_TOTAL, lane="express") - by_express
    assert by_express > LEAST_SHARE * sum(
        number for labels, number in counts.items() if len(labels) == len(OF_REQUESTS)
    )
    assert metric(asgi.server.url, REQUESTS_TOTAL, lane="express") == 0
