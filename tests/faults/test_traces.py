"""Traces of a real server in both lanes, sent to a collector by OTLP."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.collector import Collector, attributes, collecting
from tests.support.raw_requests import BODY, INFER, INFERENCE, request
from tests.support.server import Server
from tests.support.sockets import connect, receive
from tests.support.waiting import until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SERVER_KIND, INTERNAL_KIND, ERROR_CODE = 2, 1, 2
MODEL = {"softmaxd.model.name": "blobs", "softmaxd.model.version": "2"}
STAGES = ("decode", "queue", "engine", "encode")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module", params=["express", "asgi"])
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(lane: str, collector: Collector) -> Iterator[Server]:
    environment = {
        "SOFTMAXD_EXPRESS": "on" if lane == "express" else "off",
        "SOFTMAXD_ACCESS_LOG": "all",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    }
    server = Server(environment=environment)
    yield server
    assert server.stop() == 0


def ask(server: Server, sent: bytes) -> tuple[int, dict[str, str]]:
    """Return the status and the headers of the answer."""
    with connect(server.port) as connection:
        connection.sendall(sent + LAST)
        head = receive(connection).partition(b"\r\n\r\n")[0].decode()
    status, *lines = head.split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines)


def spans(collector: Collector, fields: dict[str, str], root: str) -> dict[str, Any]:
    """Return the spans of the trace of an answer, once its root has come, which is sent last."""
    trace_id = fields["traceparent"].split("-")[1]
    until(lambda: root in collector.trace(trace_id))
    return collector.trace(trace_id)


@pytest.mark.parametrize(
    ("sent", "root", "more"),
    [
        (request(), "POST /predict", {**MODEL, "softmaxd.rows": 1}),
        (
            request(INFER, INFERENCE[:-1] + b', "id": "mine"}'),
            "POST /v2/models/{name}/infer",
            {**MODEL, "softmaxd.rows": 1, "softmaxd.infer_id": "mine"},
        ),
    ],
)
def test_a_prediction_has_a_span_and_one_for_each_stage(
    server: Server, collector: Collector, sent: bytes, root: str, more: dict[str, object]
) -> None:
    status, fields = ask(server, sent)
    found = spans(collector, fields, root)

    assert status == 200
    assert set(found) == {root, *STAGES}
    assert found[root].kind == SERVER_KIND
    assert fields["traceparent"].rpartition("-")[0] == f"00-{found[root].trace_id.hex()}-{found[root].span_id.hex()}"
    assert attributes(found[root]) == {
        **{"http.request.method": "POST", "http.route": root.split()[1], "http.response.status_code": 200},
        **{"softmaxd.request_id": fields["x-request-id"], **more},
    }
    of_model = {**MODEL, "softmaxd.rows": 1}
    assert attributes(found["engine"]) == {**of_model, "softmaxd.batch.rows": 1}
    ends = [found[root].start_time_unix_nano]
    for stage in STAGES:
        span = found[stage]
        assert (span.kind, span.parent_span_id) == (INTERNAL_KIND, found[root].span_id)
        assert attributes(span).items() >= of_model.items()
        assert span.start_time_unix_nano >= ends[-1] - 1_000_000  # clocks are read one after the other
        ends.append(span.end_time_unix_nano)
    assert ends == sorted(ends)
    assert found[root].end_time_unix_nano >= ends[-1] - 1_000_000


def test_the_trace_of_a_client_goes_on_through_answer_and_log(server: Server, collector: Collector, lane: str) -> None:
    before = len(collector.spans)
    status, fields = ask(server, request(b"/predict", BODY, f"traceparent: 00-{TRACE}-{SPAN}-01".encode()))
    until(lambda: any(span.name == "POST /predict" for span in collector.spans[before:]))

    span = next(span for span in collector.spans[before:] if span.name == "POST /predict")
    assert (status, span.trace_id.hex(), span.parent_span_id.hex()) == (200, TRACE, SPAN)
    until(lambda: any(fields["x-request-id"] in line for line in list(server.lines)))
    line = next(line for line in server.messages() if line.get("request_id") == fields["x-request-id"])
    assert (line["trace_id"], line["span_id"]) == (TRACE, span.span_id.hex())
    assert line["lane"] == lane
    assert fields["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01"


def test_a_trace_that_is_not_sampled_goes_on_unrecorded(server: Server, collector: Collector) -> None:
    parent = f"traceparent: 00-{'ab' * 16}-{SPAN}-00".encode()
    _, fields = ask(server, request(b"/predict", BODY, parent))
    spans(collector, ask(server, request())[1], "POST /predict")

    assert re.fullmatch(f"00-{'ab' * 16}-[0-9a-f]{{16}}-00", fields["traceparent"])
    assert not collector.trace("ab" * 16)


@pytest.mark.parametrize(
    ("sent", "status", "root", "stages"),
    [
        (request(body=b"{}"), 422, "POST /predict", {"decode"}),
        (request(b"/nope"), 404, "POST", set()),
        (request(b"/models/nope/predict"), 404, "POST /models/{name}/predict", set()),
        (request(b"/models", b"", method=b"GET"), 200, "GET /models", set()),
        (request(b"/softmax", b'{"logits": [1, 2]}'), 200, "POST /softmax", {"decode", "encode"}),
    ],
)
def test_other_requests_have_the_stages_that_they_reached(
    server: Server, collector: Collector, sent: bytes, status: int, root: str, stages: set[str]
) -> None:
    answered, fields = ask(server, sent)
    found = spans(collector, fields, root)

    assert answered == status == attributes(found[root])["http.response.status_code"]
    assert set(found) == {root, *stages}
    assert found[root].status.code != ERROR_CODE
    assert "traceparent" not in ask(server, request(b"/livez", b"", method=b"GET"))[1]


def test_the_service_is_named_and_the_environment_adds_to_it(server: Server, collector: Collector) -> None:
    spans(collector, ask(server, request())[1], "POST /predict")

    found = collector.resources[-1]
    assert (found["service.name"], found["deployment.environment.name"]) == ("softmaxd", "test")


def test_the_last_spans_are_sent_at_the_end_and_an_absent_collector_holds_nothing_up(collector: Collector) -> None:
    for url, is_there in ((collector.url, True), ("http://127.0.0.1:9", False)):
        server = Server(
            environment={"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "60000"}, traced=False
        )
        _, fields = ask(server, request())
        assert server.stop() == 0

        assert bool(collector.trace(fields["traceparent"].split("-")[1])) is is_there
        assert all(json.loads(line) for line in server.lines)
