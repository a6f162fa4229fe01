"""The anthropic SDK's own accumulator rebuilds the same message and usage from the same bytes."""

import json
from typing import Any

import anthropic
import pytest

from tests.traffic.llm.dialects.anthropic_examples import (
    CACHED,
    CONTENTS,
    OVERLOADED,
    PARALLEL_TOOLS,
    PLAIN,
    THINKING,
    Blocks,
    blocks,
    events,
    start,
    streamed,
    whole,
)
from tests.traffic.llm.example import Example, decode
from tests.traffic.llm.overheard import Overheard
from traffic.llm.call import LlmCall, Part, Reasoning, Text, ToolCall, ToolResult

TOOLS: Any = [{"name": "weather", "description": "Tells it", "input_schema": {"type": "object"}}]
MESSAGES: Any = [
    {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "21 °C"}]},
]
REQUEST: dict[str, Any] = {
    "model": "claude-test",
    "max_tokens": 64,
    "system": "Be kind.",
    "messages": MESSAGES,
    "tools": TOOLS,
    "metadata": {"user_id": "user_1"},
}


def client(overheard: Overheard) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=overheard.url, api_key="sk-test", max_retries=0)


async def final_message(example: Example, coding: str = "") -> tuple[anthropic.types.Message, LlmCall]:
    """As the SDK accumulates it, and as it is decoded."""
    async with Overheard(example, coding) as overheard, client(overheard) as sdk:
        async with sdk.messages.stream(**REQUEST) as stream:
            message = await stream.get_final_message()
        return message, decode(overheard.raw).call


def assert_same(message: anthropic.types.Message, call: LlmCall) -> None:
    assert (call.response_id, call.response_model) == (message.id, message.model)
    assert call.finish_reason == message.stop_reason
    parts = call.output[0].parts if call.output else ()
    assert len(parts) == len(message.content)
    for part, block in zip(parts, message.content, strict=True):
        assert_same_part(part, block)
    usage = message.usage
    cached, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    assert (call.usage.cached_input_tokens, call.usage.cache_write_tokens) == (cached, written)
    assert call.usage.input_tokens == usage.input_tokens + (cached or 0) + (written or 0)
    assert call.usage.output_tokens == usage.output_tokens
    if usage.cache_creation is not None:  # the SDK does not look for it in message_delta
        assert call.usage.cache_write_1h_tokens == usage.cache_creation.ephemeral_1h_input_tokens
    details = usage.output_tokens_details
    assert call.usage.reasoning_tokens == (details.thinking_tokens if details else None)


def assert_same_part(part: Part, block: Any) -> None:
    match part:
        case Text(said):
            assert (block.type, said) == ("text", block.text)
        case Reasoning(thought):
            assert thought == (block.thinking if block.type == "thinking" else "")
        case ToolCall(id=call_id, name=name, arguments=arguments):
            assert (call_id, name, json.loads(arguments)) == (block.id, block.name, block.input)
        case ToolResult(id=call_id, text=said, is_error=is_error):
            assert call_id == block.tool_use_id
            assert is_error is not isinstance(block.content, list)
            assert json.loads(said) == json.loads(block.model_dump_json())["content"]
        case _:
            pytest.fail(f"no block is said by {part}")


def assert_as_asked(call: LlmCall) -> None:
    assert [message.role for message in call.input] == ["system", "user", "assistant", "tool"]
    assert [message.text for message in call.input] == ["Be kind.", "Weather?", "", ""]
    assert call.input[2].parts == (ToolCall("t1", "weather", '{"city":"Bern"}'),)
    assert call.input[3].parts == (ToolResult("t1", None, "21 °C"),)
    assert [tool.name for tool in call.tools] == ["weather"]
    assert (call.model, call.session, call.problems) == ("claude-test", "user_1", ())


@pytest.mark.parametrize("coding", ["", "gzip", "deflate", "br"])  # the SDK asks for no zstd
@pytest.mark.parametrize("name", CONTENTS)
async def test_a_streamed_message_is_the_sdks_final_one(name: str, coding: str) -> None:
    message, call = await final_message(streamed(CONTENTS[name], CACHED), coding)
    assert_same(message, call)
    assert_as_asked(call)
    assert (call.stream, call.truncated) == (True, False)


@pytest.mark.parametrize("name", CONTENTS)
async def test_a_whole_message_is_the_sdks(name: str) -> None:
    async with Overheard(whole(CONTENTS[name], CACHED)) as overheard, client(overheard) as sdk:
        message = await sdk.messages.create(**REQUEST)
        call = decode(overheard.raw).call
    assert_same(message, call)
    assert_as_asked(call)
    assert (call.stream, call.truncated) == (False, False)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ({"input_tokens": 10, "output_tokens": 1}, {"output_tokens": 7}),
        ({"input_tokens": 10, "output_tokens": 1}, {"input_tokens": 12, "output_tokens": 7}),
        (CACHED, {"output_tokens": 7, "cache_read_input_tokens": 0}),
        (CACHED, {"output_tokens": 0, "input_tokens": None, "cache_creation_input_tokens": None}),
        ({"input_tokens": 0, "output_tokens": 0}, CACHED),
    ],
)
async def test_cumulative_counts_add_up_as_the_sdk_has_them(first: dict[str, Any], last: dict[str, Any]) -> None:
    delta = {"type": "message_delta", "delta": {"stop_reason": "max_tokens", "stop_sequence": None}, "usage": last}
    begun = {**start(first)[0]}
    example = events(begun, *blocks(PLAIN), {**delta, "usage": {**last, "output_tokens": 3}}, delta)
    message, call = await final_message(example)
    assert_same(message, call)


@pytest.mark.parametrize("content", [PLAIN, THINKING, PARALLEL_TOOLS])
async def test_a_cut_stream_is_what_the_sdk_has_so_far(content: Blocks) -> None:
    """Wherever it ends between two events; a tool's arguments are JSON to the SDK only as far as they go."""
    complete = [*start(CACHED), *blocks(content)]
    for length in range(1, len(complete)):
        async with Overheard(events(*complete[:length])) as overheard, client(overheard) as sdk:
            async with sdk.messages.stream(**REQUEST) as stream:
                message = await stream.get_final_message()
            call = decode(overheard.raw).call
        assert call.truncated
        assert (call.usage.output_tokens, call.usage.input_tokens) == (message.usage.output_tokens, 2112)
        said = [block.text for block in message.content if block.type == "text"]
        assert "".join(said) == (call.output[0].text if call.output else "")
        thought = [block.thinking for block in message.content if block.type == "thinking"]
        parts = call.output[0].parts if call.output else ()
        assert "".join(thought) == "".join(part.text for part in parts if isinstance(part, Reasoning))
        calls = [block.name for block in message.content if block.type == "tool_use"]
        assert calls == [part.name for part in parts if isinstance(part, ToolCall)]


async def test_an_error_in_the_middle_of_a_stream_is_the_one_that_the_sdk_raises() -> None:
    example = events(*start(CACHED), *blocks(PLAIN), OVERLOADED)
    async with Overheard(example) as overheard, client(overheard) as sdk:
        with pytest.raises(anthropic.APIStatusError) as raised:
            async with sdk.messages.stream(**REQUEST) as stream:
                await stream.get_final_message()
        call = decode(overheard.raw).call
    body: Any = raised.value.body
    assert call.error is not None
    assert (call.error.type, call.error.message) == (body["error"]["type"], body["error"]["message"])
    assert call.output[0].text == "".join(block["text"] for block in PLAIN)


async def test_an_error_instead_of_an_answer_is_the_one_that_the_sdk_raises() -> None:
    answer = b'{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"},"request_id":"req_1"}'
    async with Overheard(Example("/v1/messages", {}, answer, status=429)) as overheard, client(overheard) as sdk:
        with pytest.raises(anthropic.RateLimitError) as raised:
            await sdk.messages.create(**REQUEST)
        call = decode(overheard.raw).call
    body: Any = raised.value.body
    assert call.error is not None
    assert (call.error.type, call.error.message) == (body["error"]["type"], body["error"]["message"])
    assert_as_asked(call)


async def test_vertex_says_the_same_under_a_path_of_its_own() -> None:
    async with Overheard(streamed(PARALLEL_TOOLS, CACHED)) as overheard:
        sdk = anthropic.AsyncAnthropicVertex(
            base_url=overheard.url, region="eu", project_id="p", access_token="x", max_retries=0
        )
        async with sdk, sdk.messages.stream(**REQUEST) as stream:
            message = await stream.get_final_message()
        call = decode(overheard.raw).call
    assert_same(message, call)
    assert_as_asked(call)
