"""From a client through the recorder, its ingest server and the indexer to a collector of spans."""

import json
from dataclasses import replace

import pytest

from ingest_server.settings import IndexSettings, Otlp
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok, until
from tests.ingest_server.collector import collecting

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
).encode()


def request(**fields: object) -> bytes:
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], **fields}).encode()
    head = f"POST /lm/v1/chat/completions HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Traceparent: 00-%b-00f067aa0ba902b7-01\r\n\r\n" % TRACE.encode() + body


@pytest.mark.parametrize("with_content", [False, True])
async def test_a_recorded_call_becomes_a_span_in_its_client_s_trace(flight: Flight, with_content: bool) -> None:
    async with collecting() as collector, ScriptedUpstream(answers(ok(ANSWER))) as upstream:
        otlp = Otlp(f"http://127.0.0.1:{collector.port}", content=with_content)
        await flight.start_ingest(index=replace(IndexSettings(), otlp=otlp))
        await flight.start_recorder(to(upstream.port))
        await flight.send(request(temperature=0))
        await until(lambda: bool(collector.spans), "the span has come")
        (record,) = await flight.land()
    (span,) = collector.spans
    attributes = {each.key: each.value for each in span.attributes}
    assert span.name == "chat gpt-4o"
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, "00f067aa0ba902b7")
    assert attributes["gen_ai.provider.name"].string_value == "openai"
    assert attributes["gen_ai.usage.input_tokens"].int_value == 9
    assert attributes["gen_ai.usage.output_tokens"].int_value == 2
    took_ns = span.end_time_unix_nano - span.start_time_unix_nano
    assert took_ns == int(record.metadata["durations_ms"]["total"] * 1_000_000)
    assert ("gen_ai.input.messages" in attributes) is with_content
