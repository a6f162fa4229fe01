"""ingest_server/spans.py: spans reach a collector over HTTP, and one that is away holds nothing up."""

import asyncio
import socket
import threading

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status as WireStatus

from ingest_server.settings import Otlp
from ingest_server.spans import WAITING_MAX, SpanSender
from tests.ingest_server.collector import collecting
from traffic.export.spans import Span

SPAN = Span(
    name="chat gpt-4o",
    trace_id=0xABC,
    span_id=0xDEF,
    parent_id=0x123,
    start_ns=1_789_264_867_123_456_000,
    end_ns=1_789_264_868_623_706_000,
    attributes={"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 12},
    error="slow down",
)


def test_a_collector_that_is_away_holds_up_neither_a_call_nor_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """More spans than may wait, to a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    before = set(threading.enumerate())
    sender = SpanSender(Otlp(f"http://127.0.0.1:{port}"))
    for _ in range(2 * WAITING_MAX):
        sender.send(SPAN)
    sender.close()
    assert "Queue full, dropping" in caplog.text
    assert set(threading.enumerate()) <= before, "it goes on trying, and warning, after the end"


async def test_a_span_arrives_with_its_times_and_the_configured_headers() -> None:
    async with collecting() as collector:

        def send() -> None:
            sender = SpanSender(Otlp(f"http://127.0.0.1:{collector.port}/", {"x-api-key": "k"}))
            sender.send(SPAN)
            sender.close()

        await asyncio.to_thread(send)
    (span,) = collector.spans
    assert collector.keys == ["k"]
    assert (span.name, span.kind) == ("chat gpt-4o", WireSpan.SPAN_KIND_CLIENT)
    assert int.from_bytes(span.trace_id) == 0xABC
    assert (int.from_bytes(span.span_id), int.from_bytes(span.parent_span_id)) == (0xDEF, 0x123)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (SPAN.start_ns, SPAN.end_ns)
    assert {each.key for each in span.attributes} == set(SPAN.attributes)
    assert (span.status.code, span.status.message) == (WireStatus.STATUS_CODE_ERROR, "slow down")
