"""Spans in this process; tests/faults/test_traces.py has those of a real server, as a collector gets them."""

import logging
import sys
from collections.abc import Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from softmaxd.http.access_log import facts
from softmaxd.http.tracing import Trace, Tracing, is_asked_for, start_tracing

IDS = ((b"x-request-id", b"7"), (b"traceparent", b"replaced"))
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def begin(spans: InMemorySpanExporter, provider: TracerProvider) -> Trace:
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Tracing(provider).begin([(b"host", b"x")], IDS)


def ended(spans: InMemorySpanExporter, status: int, reason: str) -> ReadableSpan:
    """Return the only span of a request without stages."""
    begin(spans, TracerProvider()).end("POST", "/predict", status, reason, facts(None, None))
    (span,) = spans.get_finished_spans()
    return span


@pytest.mark.parametrize(("status", "reason"), [(500, "internal_error"), (504, "queue_timeout")])
def test_an_error_of_the_service_is_one_of_its_span(spans: InMemorySpanExporter, status: int, reason: str) -> None:
    span = ended(spans, status, reason)

    assert span.attributes is not None
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, reason)
    assert span.attributes["error.type"] == reason


@pytest.mark.parametrize(("status", "reason"), [(200, ""), (422, "invalid_body"), (499, "")])
def test_an_error_of_the_client_is_none_of_the_span(spans: InMemorySpanExporter, status: int, reason: str) -> None:
    span = ended(spans, status, reason)

    assert span.status.status_code == StatusCode.UNSET
    assert span.attributes == {
        **{"http.request.method": "POST", "http.route": "/predict", "http.response.status_code": status},
        "softmaxd.request_id": "7",
    }


def test_an_answer_has_the_ids_of_its_span(spans: InMemorySpanExporter) -> None:
    ids = begin(spans, TracerProvider()).ids

    assert ids[0] == IDS[0]
    assert ids[1][1] != IDS[1][1]


def test_a_request_that_is_not_sampled_has_no_spans(spans: InMemorySpanExporter) -> None:
    trace = begin(spans, TracerProvider(sampler=ALWAYS_OFF))
    trace.stages.decode = (1.0, 2.0)
    trace.end("POST", "/predict", 500, "internal_error", facts(None, None))

    assert spans.get_finished_spans() == ()
    assert trace.ids[1][1].endswith((b"-00", b"-02"))


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({ENDPOINT: "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({ENDPOINT: "http://x", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_traces_are_on_where_the_environment_names_a_collector(environment: Mapping[str, str], asked: bool) -> None:
    assert is_asked_for(environment) is asked


def test_without_the_extra_a_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    assert start_tracing("1") is None
    assert caplog.records[0].levelno == logging.WARNING
    assert "pip install 'softmaxd[otel]'" in caplog.text


def test_tracing_starts_and_ends_without_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)
    assert start_tracing("1") is None

    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    tracing = start_tracing("1")
    assert tracing is not None
    tracing.close()
