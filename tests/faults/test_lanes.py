"""The two lanes cannot be told apart: whatever is sent to both, the same bytes come back, but for the date."""

import contextlib
import os
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.support.metrics import metric
from tests.support.server import Server
from tests.support.sockets import connect, receive

REQUESTS = 5000 if "CI" in os.environ else 500
LEAST_SHARE = 0.1  # of the drawn requests, for the express lane; more find nothing unanswered before them
REQUESTS_TOTAL = "softmaxd_requests_total"
OF_REQUESTS = ("operation", "status")  # labels
COUNTERS = {REQUESTS_TOTAL, "softmaxd_rejections_total"}
MAX_ROWS, MAX_BODY_BYTES = 100, 100_000

Parts = list[bytes]  # the service has read each part before the next one comes

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
        """Return the answers, dates blanked, until the service closes the connection: at the latest after LAST."""
        with connect(self.server.port) as connection:
            with contextlib.suppress(ConnectionError):  # closed: after an error the service reads nothing more
                for part in parts:
                    connection.sendall(part)
                    self._wait_until_read()
                connection.sendall(LAST)
            received = receive(connection)
        return re.sub(rb"(?<=\r\ndate: )[^\r]+", b"", received)

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


def request(
    target: bytes = b"/predict",
    body: bytes = b'{"instances": [[15.2, 0.3]]}',
    *fields: bytes,
    method: bytes = b"POST",
    version: bytes = b"1.1",
    length: bytes | None = None,
    end: bytes = b"\r\n",
) -> bytes:
    """Return a request with its Content-Length, or with the field `length` in its place."""
    lines = [b"%s %s HTTP/%s" % (method, target, version), b"Host: x", *fields]
    lines += [b"Content-Length: %d" % len(body) if length is None else length, b""]
    return b"".join(line + end for line in lines) + body


def chunked(body: bytes, sizes: list[int], trailer: bytes = b"") -> bytes:
    """Return a body in chunks of these sizes, and a last one with the rest."""
    chunks = []
    for size in sizes:
        chunks.append(body[:size])
        body = body[size:]
    parts = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, body] if chunk]
    return b"".join(parts) + b"0\r\n%s\r\n" % trailer


PREDICT = request()
SOFTMAX = request(b"/softmax", b'{"logits": [0.7, 1.5, 4.8]}')
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD, BODY = PREDICT[: PREDICT.index(b"{")], PREDICT[PREDICT.index(b"{") :]
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB"
UPGRADES = request(b"/predict", BODY, UPGRADE)
CHUNKED = request(body=chunked(BODY, [5, 1, 9]), length=b"Transfer-Encoding: chunked")
BROKEN = request(body=b"zz\r\n", length=b"Transfer-Encoding: chunked")
EXPECTS = request(b"/softmax", b'{"logits": [1, 2]}', b"Expect: 100-continue")
CLOSES = request(b"/predict", BODY, b"Connection: close")
TOO_MANY_ROWS = request(body=b'{"instances": [%s]}' % b",".join([b"[1, 2]"] * (MAX_ROWS + 1)))
TOO_LARGE = request(body=BODY.ljust(MAX_BODY_BYTES + 1))
LARGE = request(body=BODY.ljust(MAX_BODY_BYTES))
LONG_HEAD = request(b"/predict", BODY, b"X-Long: " + b"x" * 17_000)
ENDLESS_HEAD = b"POST /predict HTTP/1.1\r\nX-Endless: " + b"x" * 600_000
AS_LONG_AS_BODY = b"GET /".ljust(len(BODY) - 13, b"n") + b" HTTP/1.1\r\n\r\n"

INFER = b"/v2/models/blobs/infer"
INFERENCE = b'{"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [15.2, 0.3]}]}'
MANY_ROWS = INFERENCE.replace(b"[1, 2]", b"[100, 2]").replace(b"15.2, 0.3", b", ".join([b"1.5, 2"] * 100))
TENSOR, RAW = struct.pack("<2f", 15.2, 0.3), b"Inference-Header-Content-Length: 0"
DEFLATED = request(INFER, zlib.compress(MANY_ROWS), b"Content-Encoding: deflate", b"Accept-Encoding: gzip")
BOMB = request(INFER, zlib.compress(b" " * 10 * MAX_BODY_BYTES), b"Content-Encoding: deflate")

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
    "LF only": ([request(end=b"\n")], [400]),
    "100 Continue": ([EXPECTS, EXPECTS[:-1], EXPECTS[-1:]], [100, 200, 100, 200]),
    "HTTP/1.0": ([request(version=b"1.0"), PREDICT], [200]),
    "HTTP/1.0 that would stay": (
        [request(b"/softmax", BODY, b"Connection: keep-alive", version=b"1.0"), PREDICT],
        [422],
    ),
    "HEAD": ([request(method=b"HEAD", body=b""), LIVEZ.replace(b"GET", b"HEAD")], [405, 405]),
    "a query": ([request(b"/predict?x=1"), request(b"/predict?")], [200, 200]),
    "escapes": (
        [request(b"/pr%65dict"), request(b"/models/blo%62s/predict"), request(b"/models/%2e/predict")],
        [200, 200, 404],
    ),
    "an absolute target": ([request(b"http://x/predict"), request(b"http://other:1/predict?x")], [200, 200]),
    "no length": ([b"POST /predict HTTP/1.1\r\nHost: x\r\n\r\n", PREDICT], [422, 200]),
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
    "an upgrade, chunked": ([CHUNKED.replace(b"Host: x", UPGRADE) + PREDICT], [200, 200]),
    "an upgrade that closes": ([UPGRADES.replace(b"on: Up", b"on: close, Up") + PREDICT], [200]),
    "an upgrade without a body": ([LIVEZ.replace(b"Host: x", UPGRADE) * 2 + PREDICT], [200, 200, 200]),
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


GOOD = {
    b"/predict": [
        b'{"instances": [[15.2, 0.3]]}',
        b'{"instances":[[1,2],[3,4]],"include":["logits","log_probabilities"],"top_k":2}',
        b'{"instances": [{"x1": 15.2, "x2": 0.3}]}',
        b'{"instances": [[1,2],[15,200]], "include": ["prediction_sets", "typicality"], "coverage": 0.999}',
    ],
    b"/softmax": [
        b'{"logits": [0.7, 1.5, 4.8]}',
        b'{"logits": [[1, 2], [3, 4]], "targets": [0, 1], "include": ["loss", "entropy", "sigmoid"]}',
    ],
}
GOOD[INFER] = [INFERENCE, INFERENCE[:-1] + b', "id": "a", "parameters": {"binary_data_output": true}}', MANY_ROWS]
GOOD[INFER].append(INFERENCE[:-1] + b', "outputs": [{"name": "prediction_sets"}, {"name": "typicality"}]}')
GOOD[b"/v2/repository/index"] = [b"", b'{"ready": true}']
GOOD[b"/models/blobs/predict"] = GOOD[b"/models/blobs/versions/1/predict"] = GOOD[b"/predict"]
BAD = [
    *(b"", b" ", b"not json", b"{}", b'{"instances": []}', b'{"logits": [NaN]}', b'{"instances": [[1e39, 0]]}'),
    *(b"\xff\r\n\r\n", b'{"logits": [%s]}' % b",".join([b"[1]"] * (MAX_ROWS + 1))),
]
ODD_TARGETS = [
    *(b"/predict?", b"/predict?x=1", b"/softmax?logits=1", b"/pr%65dict", b"/%73oftmax", b"//predict", b"/predict/"),
    *(
        b"/predict#x",
        b"http://x/predict",
        b"http://x:80/softmax?y",
        b"/models/nope/predict",
        b"/models/blo%62s/predict",
    ),
    *(b"/models/blobs/versions/99/predict", b"/models/blobs/versions/01/predict", b"/models/./predict", b"/PREDICT"),
    *(b"/models//predict", b"/models/blobs%2Fversions%2F1/predict"),
    *(b"/readyz", b"/models", b"/models/blobs", b"/", b"/nope"),
]
ODD_FIELDS = [
    UPGRADE,
    *(b"Connection: keep-alive", b"Connection: upgrade", b"Keep-Alive: timeout=5", b"Host: y", b"Accept: */*"),
    *(b"accept:*/*", b"X-A: 1", b"x-a:  1 ", b"X-Empty:", b"X-Bytes: \xe9\xff", b"X-Long: " + b"x" * 2000),
    *(b"Expect: 100-continue", b"EXPECT: 100-Continue", b"Expect: something", b"Content-Type: text/plain"),
    *(b"CONTENT-TYPE: application/json; charset=utf-8", b"Content-Type:", b"content-type: application/x+json"),
    *(b"Content-Encoding: gzip", b"Content-Encoding: identity", b"Accept-Encoding: gzip", b"accept-encoding: deflate"),
    *(RAW, b"Inference-Header-Content-Length: 20", b"inference-header-content-length: x"),
]
LAST_FIELDS = [  # after which the connection closes, or what came with them is dropped
    *(b"Connection: close", b"connection: Close", b"Connection: keep-alive, close", b"Content-Length : 1"),
    *(b"Bad Name: 1", b"X-Too-Long: " + b"x" * 17_000),
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw a request: two in three are plain, the others have something odd."""
    if draw(st.integers(0, 2)):
        target = draw(st.sampled_from(sorted(GOOD)))
        size = draw(st.sampled_from([0] * 50 + [MAX_BODY_BYTES, MAX_BODY_BYTES + 1]))
        return request(target, draw(st.sampled_from(GOOD[target] * 3 + BAD)).ljust(size))
    target = draw(st.sampled_from(sorted(GOOD) * 5 + ODD_TARGETS))
    body = draw(st.sampled_from([*GOOD.get(target, []), *BAD]))
    fields = draw(st.lists(st.sampled_from(ODD_FIELDS), max_size=2))
    method = draw(st.sampled_from([b"POST"] * 6 + [b"GET", b"HEAD", b"PUT", b"OPTIONS"]))
    length = draw(st.sampled_from([None] * 4 + [b"CONTENT-LENGTH:  00%d " % len(body), b""]))
    version, end = b"1.1", draw(st.sampled_from([b"\r\n"] * 20 + [b"\n"]))
    if length == b"":
        length = draw(st.sampled_from([b"Transfer-Encoding: chunked", b"transfer-encoding: Chunked", b"X-No: length"]))
        sizes, trailer = draw(st.lists(st.integers(1, 20), max_size=3)), draw(st.sampled_from([b"", b"X-T: 1\r\n"]))
        body = b"" if length == b"X-No: length" else chunked(body, sizes, trailer)
    elif draw(st.integers(0, 9)) == 0:
        fields.append(draw(st.sampled_from(LAST_FIELDS)))
        method = draw(st.sampled_from([method, b"post"]))
        version = draw(st.sampled_from([b"1.1", b"1.0"]))
        length = draw(st.sampled_from([length, b"Content-Length: 1\r\ncontent-length: 1", b"Content-Length: 1"]))
    before = draw(st.sampled_from([b""] * 5 + [b"\r\n", b"\n", b"\r\n\r\n"]))
    return before + request(target, body, *fields, method=method, version=version, length=length, end=end)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[int, Parts]:
    """Draw requests, some of them twice; return their number, and their bytes as they arrive."""
    drawn = draw(st.lists(requests(), min_size=1, max_size=6))
    drawn.extend(drawn[: draw(st.integers(0, 3))])
    stream = b"".join(drawn)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    anywhere = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return len(drawn), draw(st.sampled_from([[stream], drawn, anywhere]))


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
