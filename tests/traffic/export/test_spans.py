"""traffic/export/spans.py: what a span says of a call, and in which trace it stands."""

import json
from typing import Any

import msgspec
import pytest

from traffic.capture.events import ExchangeError, Finished, Received, Started
from traffic.capture.metadata import Headers, Metadata, Stored, build
from traffic.export.spans import Place, span_of
from traffic.llm.call import (
    LlmCall,
    Media,
    Message,
    ProviderError,
    Reasoning,
    Text,
    Timing,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)

ID = "092d0424-1111-4222-8333-444455556666"
PARENT = "aaaaaaaa-1111-4222-8333-00000000beef"
NOWHERE = Place(None, None)
CALL = LlmCall(
    dialect="openai.chat",
    operation="chat",
    provider="openai",
    model="gpt-4o",
    response_model="gpt-4o-2024-08-06",
    response_id="chatcmpl-1",
    stream=True,
    parameters={"temperature": 0.5, "max_completion_tokens": 100, "stop": "END", "seed": "no number"},
    tools=(Tool("weather", "Tells it"),),
    input=(
        Message("system", (Text("Be brief"),)),
        Message("user", (Text("Hi"), Media("image", "image/png", "https://x.example/a.png"))),
        Message("tool", (ToolResult("c0", "weather", "rain"),)),
    ),
    output=(Message("assistant", (Reasoning("hm"), Text("Hello"), ToolCall("c1", "weather", '{"a": 1}'))),),
    finish_reason="tool_calls",
    usage=Usage(
        input_tokens=12, output_tokens=5, cached_input_tokens=3, cache_write_tokens=2, reasoning_tokens=1, sources={}
    ),
    timing=Timing(ttft_ms=250.5),
)


def facts(headers: Headers | None = None, status: int | None = 200, error: ExchangeError | None = None) -> Metadata:
    received = Received("POST /openai/chat/completions HTTP/1.1", "localhost:5601", [])
    url, upstream_url = "http://localhost:5601/openai/x", "https://api.openai.com/v1/x"
    started_ns = 1_789_264_867_123_456_000
    started = Started(ID, started_ns, "openai", "/openai/", "POST", url, upstream_url, "127.0.0.1:1", received)
    finished = Finished(True, None, "upstream", 1, 2, 1_500_250, 1, 1, 0, [])
    request = Stored(headers or [], None, 1, None, [])
    return build(started, finished, error, request, Stored([], status, 1, None, []))


def test_a_span_has_the_call_s_figures_under_the_convention_s_names_and_the_recording_s_times() -> None:
    span = span_of(facts(), CALL, Place("run-7", None), with_content=False)
    assert span.name == "chat gpt-4o"
    assert (span.start_ns, span.end_ns) == (1_789_264_867_123_456_000, 1_789_264_868_623_706_000)
    assert span.error is None
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.response.time_to_first_chunk": 0.2505,
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.cache_creation.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "gen_ai.conversation.id": "run-7",
        "server.address": "api.openai.com",
        "server.port": 443,
    }


@pytest.mark.parametrize(
    "parameters",
    [
        {"generationConfig": {"topP": 0.9, "maxOutputTokens": 64, "stopSequences": ["END"]}},
        {"options": {"top_p": 0.9, "num_predict": 64, "stop": ["END", 1]}, "keep_alive": -1},
        {"top_p": 0.9, "max_tokens": 64, "stop_sequences": ["END"], "generationConfig": None, "options": []},
    ],
)
def test_parameters_are_found_where_each_dialect_has_them(parameters: dict[str, Any]) -> None:
    call = msgspec.structs.replace(CALL, parameters=parameters)
    attributes = span_of(facts(), call, NOWHERE, with_content=False).attributes
    names = ("top_p", "max_tokens", "stop_sequences", "temperature")
    assert [attributes.get(f"gen_ai.request.{name}") for name in names] == [0.9, 64, ["END"], None]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("http://[secret:0123abcd]@llm.test/v1", ("llm.test", 80)),
        ("http://[::1]:8080/v1", ("::1", 8080)),
        ("http://[::/", (None, None)),
        ("http://llm.test:99999/", (None, None)),
    ],
)
def test_a_server_is_told_whatever_its_url_looks_like(url: str, server: tuple[str | None, int | None]) -> None:
    attributes = span_of(
        msgspec.structs.replace(facts(), upstream_url=url), CALL, NOWHERE, with_content=False
    ).attributes
    assert (attributes.get("server.address"), attributes.get("server.port")) == server


@pytest.mark.parametrize(("ours", "theirs"), [("aws", "aws.bedrock"), ("x-ai", "x_ai"), ("acme", "acme")])
def test_a_provider_has_the_convention_s_name(ours: str, theirs: str) -> None:
    span = span_of(facts(), msgspec.structs.replace(CALL, provider=ours), NOWHERE, with_content=False)
    assert span.attributes["gen_ai.provider.name"] == theirs


def test_content_comes_as_json_and_only_when_asked_for() -> None:
    assert not any("messages" in name for name in span_of(facts(), CALL, NOWHERE, with_content=False).attributes)
    attributes = span_of(facts(), CALL, NOWHERE, with_content=True).attributes
    read = {name: json.loads(value) for name, value in attributes.items() if isinstance(value, str) and value[0] == "["}
    assert read == {
        "gen_ai.system_instructions": [{"type": "text", "content": "Be brief"}],
        "gen_ai.input.messages": [
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "Hi"},
                    {
                        "type": "uri",
                        "modality": "image",
                        "mime_type": "image/png",
                        "uri": "https://x.example/a.png",
                    },
                ],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c0", "response": "rain"}]},
        ],
        "gen_ai.output.messages": [
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "hm"},
                    {"type": "text", "content": "Hello"},
                    {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"a": 1}},
                ],
                "finish_reason": "tool_calls",
            }
        ],
        "gen_ai.tool.definitions": [{"type": "function", "name": "weather", "description": "Tells it"}],
    }


@pytest.mark.parametrize("arguments", ['{"a": ', "no JSON", ""])
def test_arguments_that_are_no_json_stay_what_they_are(arguments: str) -> None:
    call = msgspec.structs.replace(CALL, output=(Message("assistant", (ToolCall(None, "f", arguments),)),))
    text = span_of(facts(), call, NOWHERE, with_content=True).attributes["gen_ai.output.messages"]
    assert isinstance(text, str)
    assert json.loads(text)[0]["parts"][0]["arguments"] == (arguments or {})


def test_exchanges_of_one_session_share_a_trace_in_which_one_continues_another() -> None:
    parent = msgspec.structs.replace(facts(), id=PARENT)
    first = span_of(parent, CALL, Place("run-7", None), with_content=False)
    second = span_of(facts(), CALL, Place("run-7", PARENT), with_content=False)
    other = span_of(facts(), CALL, Place("run-8", None), with_content=False)
    assert first.trace_id == second.trace_id != other.trace_id
    assert (first.parent_id, second.parent_id) == (None, first.span_id)
    assert first.span_id != second.span_id


def test_a_call_stands_in_the_trace_of_the_program_that_made_it() -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = [("Traceparent", f"00-{trace}-00f067aa0ba902b7-01")]
    span = span_of(facts(headers), CALL, Place("run-7", PARENT), with_content=False)
    assert (span.trace_id, span.parent_id) == (int(trace, 16), 0x00F067AA0BA902B7)


@pytest.mark.parametrize("value", ["", "00-xyz-1-01", f"00-{'0' * 32}-{'0' * 16}-01"])
def test_a_traceparent_that_is_none_is_none(value: str) -> None:
    plain = span_of(facts(), CALL, NOWHERE, with_content=False)
    assert span_of(facts([("traceparent", value)]), CALL, NOWHERE, with_content=False).trace_id == plain.trace_id


@pytest.mark.parametrize(
    ("call", "recorded", "kind", "words"),
    [
        (
            msgspec.structs.replace(CALL, error=ProviderError("rate_limit_error", None, "slow down")),
            facts(status=429),
            "rate_limit_error",
            "slow down",
        ),
        (
            CALL,
            facts(error=ExchangeError("upstream_reset", "response_body", "upstream", "it was reset")),
            "upstream_reset",
            "it was reset",
        ),
        (CALL, facts(status=502), "502", "HTTP 502"),
    ],
)
def test_what_failed_says_why(call: LlmCall, recorded: Metadata, kind: str, words: str) -> None:
    span = span_of(recorded, call, NOWHERE, with_content=False)
    assert (span.attributes["error.type"], span.error) == (kind, words)


def test_a_call_without_a_model_is_named_by_its_operation() -> None:
    call = LlmCall(dialect="openai.chat", operation="chat")
    assert span_of(facts(), call, NOWHERE, with_content=False).name == "chat"
