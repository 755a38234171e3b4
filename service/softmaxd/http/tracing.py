"""Traces by OpenTelemetry: a span for each request, and below it one for each stage: decode, queue, engine, encode.

The spans below are made once the request is answered, from the times that were noted. So tracing costs nothing where
it is off, and the exporter's thread is the only one that sends.
"""

import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

from softmaxd.errors import pip_install
from softmaxd.http.ids import TRACEPARENT, Ids
from softmaxd.http.operation import Headers
from softmaxd.http.stages import Stages, Times
from softmaxd.models.aside import start

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTER, DISABLED = "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED"
ERROR = 500
CLOSE_SECONDS = 1.0
OF_MODEL = {"softmaxd.model.name": "model", "softmaxd.model.version": "version", "softmaxd.rows": "rows"}

logger = logging.getLogger(__name__)


def is_asked_for(environment: Mapping[str, str]) -> bool:
    """Return True if the variables of OpenTelemetry name a collector, or an exporter."""
    if environment.get(DISABLED, "").lower() == "true" or environment.get(EXPORTER) == "none":
        return False
    return any(environment.get(name) for name in (*ENDPOINTS, EXPORTER))


def start_tracing(version: str) -> "Tracing | None":
    """Return the tracing for which the environment asks. Without the extra `otel` there is none, and a line says so."""
    if not is_asked_for(os.environ):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        install = pip_install("'softmaxd[otel]'")
        logger.warning("no traces are sent, though OTEL_ variables ask for them: they need `%s`", install)
        return None
    ours = Resource.create({"service.name": "softmaxd", "service.version": version})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    logger.info("traces are sent by OTLP")
    return Tracing(provider)


class Tracing:
    """Begins the span of each request. Names of attributes are those of OpenTelemetry's semantic conventions."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import propagate, trace  # noqa: PLC0415 - not without the extra

        self._provider = provider
        self._tracer = provider.get_tracer("softmaxd")
        self._extract = propagate.extract
        self._trace = trace

    def begin(self, headers: Headers, ids: Ids) -> "Trace":
        """Return the trace of a request, which goes on with that of its headers."""
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        span = self._tracer.start_span("HTTP", self._extract(carrier), self._trace.SpanKind.SERVER)
        context = span.get_span_context()
        parent = b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)
        return Trace(self, span, (*ids[:1], (TRACEPARENT, parent)))

    def add(self, parent: "Span", name: str, times: tuple[int, int], attributes: Mapping[str, Any]) -> None:
        """Add a span below another one, from and to nanoseconds since 1970."""
        begin, end = times
        below = self._trace.set_span_in_context(parent)
        self._tracer.start_span(name, below, attributes=attributes, start_time=begin).end(end)

    def fail(self, span: "Span", reason: str) -> None:
        """Mark a span as one of a request that the service could not answer."""
        span.set_status(self._trace.StatusCode.ERROR, reason)

    def close(self) -> None:
        """Send the last spans. If the collector does not take them within a second, they are lost."""
        wait([start(self._provider.shutdown)], CLOSE_SECONDS)


class Trace:
    """The trace of one request, with the ids of its answer."""

    def __init__(self, tracing: Tracing, span: "Span", ids: Ids) -> None:
        self.ids = ids
        self.stages = Stages()
        self._tracing = tracing
        self._span = span
        self._begin, self._offset = time.perf_counter(), time.time_ns()

    def end(self, method: str, route: str, status: int, reason: str, asked: Mapping[str, Any]) -> None:
        """End the span, and add those of the stages. `asked` has the fields of `facts`."""
        span = self._span
        if not span.is_recording():  # it was not sampled
            return
        of_model = {name: asked[field] for name, field in OF_MODEL.items() if asked[field]}
        of_request = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "error.type": reason if status >= ERROR else "",
            "softmaxd.request_id": self.ids[0][1].decode("ascii"),
            "softmaxd.infer_id": asked["infer_id"],
        }
        span.update_name(f"{method} {route}".strip())
        span.set_attributes({**of_model, **{name: value for name, value in of_request.items() if value}})
        if status >= ERROR:
            self._tracing.fail(span, reason)
        self._add_stages(of_model)
        span.end()

    def _add_stages(self, attributes: Mapping[str, Any]) -> None:
        stages = self.stages
        self._add("decode", stages.decode, attributes)
        if stages.decode and stages.engine and stages.outputs:
            rows = len(next(iter(stages.outputs.of_batch.values())))
            of_batch = {**attributes, "softmaxd.batch.rows": rows}
            self._add("queue", (stages.decode[1], stages.engine[0]), attributes)
            self._add("engine", stages.engine, of_batch)
        self._add("encode", stages.encode, attributes)

    def _add(self, name: str, times: Times | None, attributes: Mapping[str, Any]) -> None:
        if times:
            begin, end = (self._offset + round((each - self._begin) * 1e9) for each in times)
            self._tracing.add(self._span, name, (begin, end), attributes)
