"""Anthropic's Messages API in the normal form, and what holds of it wherever the network cuts it."""

import json
from typing import Any

import pytest

from tests.traffic.llm.dialects.anthropic_examples import (
    ASKED,
    CACHED,
    CONTENTS,
    MODEL,
    OVERLOADED,
    PARALLEL_TOOLS,
    PLAIN,
    SERVER_TOOLS,
    THINKING,
    blocks,
    events,
    start,
    streamed,
    whole,
)
from tests.traffic.llm.example import DECODER, Example, decode, raw
from tests.traffic.llm.properties import check_all, check_usage
from traffic.llm.call import (
    Chunk,
    LlmCall,
    Media,
    Message,
    ProviderError,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)

CLOUD = {"anthropic_version": "vertex-2023-10-16", "messages": ASKED["messages"]}


def asked(**fields: Any) -> LlmCall:
    """The call of a request with these fields."""
    return decode(whole(PLAIN, CACHED)._replace(asked={**ASKED, **fields})).call


@pytest.mark.parametrize("name", CONTENTS)
def test_streamed_and_whole_answers_are_the_same_call_wherever_they_are_cut(name: str) -> None:
    call = check_all(streamed(CONTENTS[name], CACHED)).call
    alike = check_all(whole(CONTENTS[name], CACHED)).call
    assert (call.stream, alike.stream) == (True, False)
    for field in ("dialect", "operation", "model", "response_model", "response_id", "finish_reason", "truncated"):
        assert getattr(call, field) == getattr(alike, field)
    assert call.problems == alike.problems == ()
    assert _with_parsed_arguments(call.output) == _with_parsed_arguments(alike.output)
    assert call.usage.input_tokens == alike.usage.input_tokens == 2112


def _with_parsed_arguments(output: tuple[Message, ...]) -> list[object]:
    """Streamed, arguments stand as the model wrote them; whole, they are JSON of the parsed ones."""
    parts = [part for message in output for part in message.parts]
    return [(part.id, part.name, json.loads(part.arguments)) if isinstance(part, ToolCall) else part for part in parts]


def test_text_reasoning_and_tools_take_the_normal_form() -> None:
    assert decode(streamed(THINKING, CACHED)).call.output == (
        Message("assistant", (Reasoning("The user wants…"), Reasoning(""), Text("Sunny."))),
    )
    assert decode(streamed(PARALLEL_TOOLS, CACHED, "tool_use")).call.output == (
        Message(
            "assistant",
            (
                Text("I'll look."),
                ToolCall("toolu_1", "weather", '{"city": "Zürich", "days": [1, 2]}'),
                ToolCall("toolu_2", "now", "{}"),
            ),
        ),
    )
    found = '[{"type":"web_search_result","url":"https://a.test","title":"A","encrypted_content":"x","page_age":null}]'
    failed = '{"type":"web_fetch_tool_result_error","error_code":"url_not_accessible"}'
    assert decode(streamed(SERVER_TOOLS, CACHED)).call.output == (
        Message(
            "assistant",
            (
                ToolCall("srvtoolu_1", "web_search", '{"query": "weather"}'),
                ToolResult("srvtoolu_1", None, found),
                ToolResult("srvtoolu_2", None, failed, is_error=True),
                Text("Found."),
            ),
        ),
    )


def test_each_event_tells_what_it_added_and_when() -> None:
    chunks = decode(raw(streamed(PARALLEL_TOOLS, CACHED), block_bytes=1_000_000)).chunks
    said = [(chunk.kind, chunk.text) for chunk in chunks]
    assert said[:4] == [("text", "I'll l"), ("text", "ook."), ("tool_call", "weather"), ("tool_call", '{"city')]
    assert said[-1] == ("tool_call", "now")
    assert {chunk.at_ms for chunk in chunks} == {2.0}
    assert isinstance(chunks[0], Chunk)


def test_input_tokens_include_those_of_the_cache_and_each_figure_names_its_json_path() -> None:
    assert decode(whole(PLAIN, CACHED)).call.usage == Usage(
        input_tokens=2112,
        output_tokens=57,
        cached_input_tokens=2000,
        cache_write_tokens=100,
        cache_write_1h_tokens=40,
        reasoning_tokens=20,
        sources={
            "input_tokens": "derived: usage.input_tokens + usage.cache_read_input_tokens"
            " + usage.cache_creation_input_tokens",
            "output_tokens": "reported: usage.output_tokens",
            "cached_input_tokens": "reported: usage.cache_read_input_tokens",
            "cache_write_tokens": "reported: usage.cache_creation_input_tokens",
            "cache_write_1h_tokens": "reported: usage.cache_creation.ephemeral_1h_input_tokens",
            "reasoning_tokens": "reported: usage.output_tokens_details.thinking_tokens",
        },
    )
    usage = decode(whole(PLAIN, {"input_tokens": 12, "output_tokens": 57, "cache_read_input_tokens": None})).call.usage
    assert usage.sources["input_tokens"] == "reported: usage.input_tokens"
    assert (usage.source, usage.cached_input_tokens) == ("reported", None)


def test_counts_of_message_delta_replace_those_of_message_start() -> None:
    last = [{"type": "message_delta", "delta": {}, "usage": {"input_tokens": 15, "output_tokens": 9}}]
    usage = decode(events(*start({**CACHED}), *blocks(PLAIN), *last, {"type": "message_stop"})).call.usage
    assert (usage.input_tokens, usage.output_tokens) == (2115, 9)
    assert usage.sources["input_tokens"] == (
        "derived: usage.input_tokens + message.usage.cache_read_input_tokens"
        " + message.usage.cache_creation_input_tokens"
    )
    assert usage.sources["output_tokens"] == "reported: usage.output_tokens"
    check_usage(usage)


def test_a_cut_stream_tells_what_was_counted_so_far() -> None:
    call = decode(events(*start({"input_tokens": 12, "output_tokens": 1}), *blocks(PLAIN))).call
    assert (call.truncated, call.finish_reason) == (True, None)
    assert (call.usage.input_tokens, call.usage.output_tokens) == (12, 1)
    assert call.usage.sources["output_tokens"] == "reported: message.usage.output_tokens"


def test_an_error_in_the_middle_of_a_stream_ends_it_and_what_came_before_stays() -> None:
    call = check_all(events(*start(CACHED), *blocks(PLAIN[:1])[:2], OVERLOADED)).call
    assert call.error == ProviderError("overloaded_error", None, "Overloaded")
    assert (call.truncated, call.problems) == (False, ())
    assert call.output == (Message("assistant", (Text("Grüezi"),)),)


def test_an_error_instead_of_an_answer_is_told() -> None:
    answer = b'{"type":"error","error":{"type":"not_found_error","message":"model: x"},"request_id":"req_1"}'
    call = decode(Example("/v1/messages", ASKED, answer, status=404)).call
    assert call.error == ProviderError("not_found_error", None, "model: x")
    assert (call.output, call.usage, call.truncated) == ((), Usage(), False)


def test_what_is_no_message_has_not_come_to_its_end() -> None:
    call = decode(Example("/v1/messages", ASKED, b"{}")).call
    assert (call.output, call.error, call.truncated) == ((), None, True)


def test_system_is_the_first_message_as_text_or_blocks() -> None:
    blocks = [
        {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "!"},
    ]
    assert asked(system="Be kind.").input[0] == Message("system", (Text("Be kind."),))
    assert asked(system=blocks).input[0] == Message("system", (Text("Be kind."), Text("!")))
    assert asked(system=blocks).input[1] == Message("user", (Text("Weather in Zürich?"),))


def test_results_of_tools_are_messages_of_their_own() -> None:
    content = [
        {"type": "tool_result", "tool_use_id": "a", "content": "21 °C"},
        {
            "type": "tool_result",
            "tool_use_id": "b",
            "is_error": True,
            "content": [
                {"type": "text", "text": "See"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
                {"type": "text", "text": "this"},
            ],
        },
        {"type": "tool_result", "tool_use_id": "c"},
        {"type": "text", "text": "And now?"},
    ]
    messages = [
        {"role": "assistant", "content": PARALLEL_TOOLS[1:]},
        {"role": "user", "content": content},
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "Well,"},
    ]
    assert asked(messages=messages).input == (
        Message(
            "assistant",
            (ToolCall("toolu_1", "weather", '{"city":"Zürich","days":[1,2]}'), ToolCall("toolu_2", "now", "{}")),
        ),
        Message("tool", (ToolResult("a", None, "21 °C"),)),
        Message("tool", (ToolResult("b", None, "See\nthis", True), Media("image", "image/png", "inline", 4))),
        Message("tool", (ToolResult("c", None, ""),)),
        Message("user", (Text("And now?"),)),
        Message("system", (Text("Be brief."),)),
        Message("assistant", (Text("Well,"),)),
    )


def test_media_are_given_by_reference_and_search_results_as_text() -> None:
    content = [
        {"type": "image", "source": {"type": "url", "url": "https://a.test/cat.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grün"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "container_upload", "file_id": "file_2"},
        {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "found"}]},
        {"type": "unheard_of"},
        7,
    ]
    (message,) = asked(messages=[{"role": "user", "content": content}]).input
    assert message.parts == (
        Media("image", None, "https://a.test/cat.png"),
        Media("file", "application/pdf", "inline", 5),
        Media("file", "text/plain", "inline", 5),
        Media("file", None, "file_1"),
        Media("file", None, "file_2"),
        Text("found"),
    )


def test_the_rest_of_a_request_is_tools_parameters_and_the_session() -> None:
    tools = [
        {"name": "weather", "description": "Tells it", "input_schema": {}},
        {"type": "bash_20250124", "name": "bash"},
    ]
    call = asked(tools=tools, temperature=0.5, metadata={"user_id": "user_1_session_2"}, system="x")
    assert call.tools == (Tool("weather", "Tells it"), Tool("bash"))
    assert call.parameters == {"max_tokens": 1024, "temperature": 0.5, "metadata": {"user_id": "user_1_session_2"}}
    assert (call.session, call.session_source) == ("user_1_session_2", "metadata.user_id")
    assert (asked().session, asked().session_source) == (None, None)
    assert (call.model, call.response_model, call.response_id) == ("claude-test", MODEL, "msg_01")


@pytest.mark.parametrize(
    ("path", "document", "is_call"),
    [
        ("/v1/messages", ASKED, True),
        ("/v1/messages?beta=true", ASKED, True),
        ("/anthropic/v1/messages", ASKED, True),
        ("/v1/projects/p/locations/eu/publishers/anthropic/v1/messages", ASKED, True),
        ("/v1/messages", {"messages": "no list"}, True),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/claude-test@1:rawPredict", CLOUD, True),
        ("/x/projects/p/locations/l/publishers/anthropic/models/claude-test@1:streamRawPredict", CLOUD, True),
        ("/model/anthropic.claude-test-v1:0/invoke", CLOUD, True),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict", CLOUD, False),
        ("/v1/projects/p/locations/l/publishers/mistralai/models/m:rawPredict", ASKED, False),
        ("/invoke", CLOUD, False),
        ("/v1/messages/count_tokens", ASKED, False),
        ("/v1/messages/batches", {"requests": []}, False),
        ("/v1/messages", {"to": "+41", "body": "a text message"}, False),
        ("/v1/messages", None, False),  # GET
    ],
)
def test_it_is_recognised_by_the_end_of_its_path_and_its_shape(path: str, document: Any, is_call: bool) -> None:
    decoded = DECODER.decode(raw(Example(path, document, b"{}")))
    assert (decoded is not None and decoded.call.dialect == "anthropic.messages") is is_call


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/models/claude-test@1:rawPredict", "claude-test@1"),
        ("/model/anthropic.claude-test-v1%3A0/invoke", "anthropic.claude-test-v1:0"),
    ],
)
def test_clouds_name_the_model_in_the_path(path: str, model: str) -> None:
    call = decode(whole(PLAIN, CACHED)._replace(path=path, asked=CLOUD)).call
    assert (call.dialect, call.model, call.response_id) == ("anthropic.messages", model, "msg_01")


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [[]], [{"type": 7}], {"type": []}])
def test_nonsense_in_any_place_costs_a_field_at_most(wrong: Any) -> None:
    names = ("model", "system", "messages", "tools", "metadata", "stream")
    assert decode(whole(PLAIN, CACHED)._replace(asked=dict.fromkeys(names, wrong))).call.response_id == "msg_01"
    message = {"type": "message", "content": wrong, "usage": wrong, "stop_reason": wrong, "id": "msg_01"}
    lines = [
        {"type": "message_start", "message": wrong},
        {"type": "content_block_start", "index": wrong, "content_block": wrong},
        {"type": "content_block_start", "index": 0, "content_block": wrong},
        {"type": "content_block_delta", "index": 0, "delta": wrong},
        {"type": "message_delta", "delta": wrong, "usage": wrong},
        {"type": "content_block_stop", "index": 8},
        *start({"input_tokens": wrong}),
        {"type": "message_stop"},
    ]
    call = decode(events(*lines)).call
    assert (call.response_id, call.truncated) == ("msg_01", False)
    assert decode(whole([], {})._replace(answer=json.dumps(message).encode())).call.response_id == "msg_01"
