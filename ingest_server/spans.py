"""Sends the spans of calls to an OpenTelemetry collector: OTLP over HTTP, in batches, by threads of their own.

What the collector does not take is tried again for a while and then given up, with a warning: spans are derived, the
recordings stay. Built by the indexer's process where `export.otlp` is configured.
"""

import threading
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from ingest_server.settings import Otlp
from traffic.export.spans import Span

SCOPE: Final = "llm-flight-recorder"
WAITING_MAX: Final = 10_000  # spans; more are dropped, with a warning
BATCH_MAX: Final = 64  # with content a span may have a few hundred kilobytes
SEND_S: Final = 10.0  # retries included
CLOSE_S: Final = 2.0

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class SpanSender:
    """`send` and `close` are called by one thread."""

    def __init__(self, otlp: Otlp) -> None:
        self._exporter = OTLPSpanExporter(
            endpoint=f"{otlp.endpoint.rstrip('/')}/v1/traces", headers=otlp.headers, timeout=SEND_S
        )
        self._processor = BatchSpanProcessor(
            self._exporter, max_queue_size=WAITING_MAX, max_export_batch_size=BATCH_MAX, schedule_delay_millis=1000
        )
        self._resource = Resource({"service.name": SCOPE})
        self._scope = InstrumentationScope(SCOPE)

    def send(self, span: Span) -> None:
        """Hand over; never waits."""
        parent = None if span.parent_id is None else _context(span.trace_id, span.parent_id, is_remote=True)
        self._processor.on_end(
            ReadableSpan(
                span.name,
                context=_context(span.trace_id, span.span_id),
                parent=parent,
                resource=self._resource,
                attributes=span.attributes,
                kind=SpanKind.CLIENT,
                status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
                start_time=span.start_ns,
                end_time=span.end_ns,
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Send what waits; what has not gone after CLOSE_S is given up, as its collector is away."""
        closing = threading.Thread(target=self._processor.shutdown, name="spans", daemon=True)
        closing.start()
        closing.join(CLOSE_S)
        if closing.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # it waits to try again
            closing.join(CLOSE_S)


def _context(trace_id: int, span_id: int, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote, _SAMPLED)
