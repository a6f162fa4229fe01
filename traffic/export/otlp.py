"""Spans of calls in OpenTelemetry's file format (OTLP JSON): an ExportTraceServiceRequest a line, for collectors'
`otlpjsonfile` receivers and whoever reads the like. Plain HTTP has no span.

In OTLP's JSON ids are hex digits and numbers of 64 bits are texts (OTLP 1.x, "JSON Protobuf Encoding").
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, BinaryIO, Final

import msgspec

from traffic.capture.exchange import RecordedExchange
from traffic.export.formats import NO_CALL, LeftOut
from traffic.export.lineage import Lineage
from traffic.export.spans import Attribute, Span, span_of
from traffic.llm.decode import Decoder

NAME: Final = "llm-flight-recorder"  # of the service and the scope
_CLIENT: Final = 3  # SPAN_KIND_CLIENT
_ERROR: Final = 2  # STATUS_CODE_ERROR
_NO_PARENT: Final = 0x100  # SpanFlags: whether the parent is of another process is known
_REMOTE_PARENT: Final = 0x300  # and it is
_INTEGER_MAX: Final = 2**63 - 1


def write(
    exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder, *, with_content: bool = False
) -> LeftOut:
    """`with_content`: prompts and answers as well."""
    lineage = Lineage()
    encode = msgspec.json.Encoder().encode
    left_out: Counter[str] = Counter()
    for exchange in exchanges:
        decoded = decoder.decode(exchange)
        if decoded is None:
            left_out[NO_CALL] += 1
            continue
        place = lineage.place(exchange.metadata, decoded.call)
        span = span_of(exchange.metadata, decoded.call, place, with_content=with_content)
        out.write(encode(_request(span)) + b"\n")
    return left_out


def _request(span: Span) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [_attribute("service.name", NAME)]},
                "scopeSpans": [{"scope": {"name": NAME}, "spans": [_span(span)]}],
            }
        ]
    }


def _span(span: Span) -> dict[str, Any]:
    has_parent = span.parent_id is not None
    return {
        "traceId": f"{span.trace_id:032x}",
        "spanId": f"{span.span_id:016x}",
        **({"parentSpanId": f"{span.parent_id:016x}"} if has_parent else {}),
        "flags": _REMOTE_PARENT if has_parent else _NO_PARENT,
        "name": span.name,
        "kind": _CLIENT,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": [_attribute(name, value) for name, value in span.attributes.items()],
        "status": {} if span.error is None else {"code": _ERROR, "message": span.error},
    }


def _attribute(name: str, value: Attribute) -> dict[str, Any]:
    return {"key": name, "value": _value(value)}


def _value(value: Attribute) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and abs(value) <= _INTEGER_MAX:
        return {"intValue": str(value)}
    if isinstance(value, int | float):
        return {"doubleValue": float(value)}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"arrayValue": {"values": [_value(each) for each in value]}}
