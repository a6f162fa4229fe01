"""traffic/export/otlp.py: spans as OTLP JSON, read by OpenTelemetry's own protobuf messages."""

import base64
import json
from typing import Any

from google.protobuf.json_format import Parse  # type: ignore[import-untyped]  # its wheel carries no type information
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tests.traffic.export.made import chat, export, lines, numbered, plain
from tests.traffic.llm.example import Example, decode, raw
from traffic.capture.exchange import RecordedExchange
from traffic.export.lineage import Lineage
from traffic.export.spans import span_of

_IDS = ("traceId", "spanId", "parentSpanId")


def read(line: Any) -> ExportTraceServiceRequest:
    """As a collector: protobuf's JSON, in which OTLP writes ids as hex where protobuf has base64."""
    (resource_spans,) = line["resourceSpans"]
    (span,) = resource_spans["scopeSpans"][0]["spans"]
    for name in _IDS:
        if name in span:
            span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    request = ExportTraceServiceRequest()
    Parse(json.dumps(line), request)
    return request


def sent(*exchanges: RecordedExchange) -> list[ExportTraceServiceRequest]:
    """What OpenTelemetry's SDK makes of the same spans."""
    lineage = Lineage()
    found = []
    for exchange in exchanges:
        call = decode(exchange).call
        span = span_of(exchange.metadata, call, lineage.place(exchange.metadata, call), with_content=False)
        flags = TraceFlags(TraceFlags.SAMPLED)
        readable = ReadableSpan(
            span.name,
            context=SpanContext(span.trace_id, span.span_id, is_remote=False, trace_flags=flags),
            parent=SpanContext(span.trace_id, span.parent_id, is_remote=True, trace_flags=flags)
            if span.parent_id
            else None,
            resource=Resource({"service.name": "llm-flight-recorder"}),
            attributes=span.attributes,
            kind=SpanKind.CLIENT,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=InstrumentationScope("llm-flight-recorder"),
        )
        found.append(encode_spans([readable]))
    return found


def test_each_line_is_what_opentelemetrys_sdk_sends_of_the_same_span() -> None:
    refused = numbered(3, raw(Example("/v1/chat/completions", {"model": "m", "messages": []}, b"no", status=429)))
    asked = {"model": "m", "messages": [], "temperature": 0.5, "stop": ["a", "b"], "seed": 7, "stream": True}
    exchanges = [
        chat(1, "Hi", "Hello"),
        chat(2, "Hi", "Hello", "How?", "So"),
        refused,
        numbered(4, raw(Example("/v1/chat/completions", asked, b"{}"))),
    ]
    assert [read(line) for line in lines("otlp", *exchanges)] == sent(*exchanges)


def test_a_conversation_is_one_trace() -> None:
    first, second = (
        line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        for line in lines("otlp", chat(1, "Hi", "Hello"), chat(2, "Hi", "Hello", "How?", "So"))
    )
    assert second["traceId"] == first["traceId"]
    assert second["parentSpanId"] == first["spanId"]
    assert "parentSpanId" not in first


def test_what_was_said_is_in_it_only_where_it_is_asked_for() -> None:
    assert b"What is said" not in export("otlp", chat(1, "What is said", "Hello"))[0]
    assert b"What is said" in export("otlp", chat(1, "What is said", "Hello"), with_content=True)[0]


def test_plain_http_is_left_out_and_counted() -> None:
    assert export("otlp", plain(1), plain(2)) == (b"", {"no call to an LLM": 2})


def test_a_number_that_no_integer_of_64_bits_holds_is_a_float() -> None:
    asked = {"model": "m", "messages": [], "seed": 2**63}
    (line,) = lines("otlp", raw(Example("/v1/chat/completions", asked, b"{}")))
    read(line)
    attributes = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]
    assert {"key": "gen_ai.request.seed", "value": {"doubleValue": 2.0**63}} in attributes
