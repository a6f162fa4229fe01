"""The google-genai SDK reads the same message and usage from the same bytes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from tests.traffic.llm.dialects.gemini_examples import (
    MODEL,
    PARALLEL_TOOLS,
    PLAIN,
    QUOTA,
    STREAMS,
    Chunks,
    answer,
    streamed,
    whole,
)
from tests.traffic.llm.example import decode
from tests.traffic.llm.overheard import Overheard
from traffic.llm.call import LlmCall, Media, Reasoning, Text, ToolCall, ToolResult

CONTENTS: Any = [
    types.Content(
        role="user",
        parts=[types.Part.from_text(text="Weather?"), types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")],
    ),
    types.Content(role="model", parts=[types.Part.from_function_call(name="weather", args={"city": "Bern"})]),
    types.Content(role="user", parts=[types.Part.from_function_response(name="weather", response={"result": "21 °C"})]),
]
CONFIG = types.GenerateContentConfig(
    system_instruction="Be kind.",
    temperature=0.5,
    tools=[types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", description="Tells it")])],
)


@asynccontextmanager
async def models(overheard: Overheard) -> AsyncIterator[Any]:
    async with httpx.AsyncClient() as http:  # its own one, on aiohttp, warns of itself
        options = types.HttpOptions(base_url=overheard.url, api_version="v1beta", httpx_async_client=http)
        sdk = genai.Client(api_key="sk-test", http_options=options)
        yield sdk.aio.models
        sdk.close()


async def read_stream(chunks: Chunks) -> tuple[list[types.GenerateContentResponse], LlmCall]:
    async with Overheard(streamed(chunks)) as overheard, models(overheard) as sdk:
        stream = await sdk.generate_content_stream(model=MODEL, contents=CONTENTS, config=CONFIG)
        pieces = [piece async for piece in stream]
        return pieces, decode(overheard.raw).call


def assert_same(pieces: list[types.GenerateContentResponse], call: LlmCall) -> None:
    end = pieces[-1]
    assert (call.response_id, call.response_model) == (end.response_id, end.model_version)
    reason = (end.candidates or [])[0].finish_reason
    assert call.finish_reason == (reason.value if reason else None)
    assert_same_parts([part for piece in pieces for part in piece.parts or []], call)
    usage = end.usage_metadata
    assert usage is not None
    counted = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)
    assert call.usage.input_tokens == counted
    output = [each for each in (usage.candidates_token_count, usage.thoughts_token_count) if each is not None]
    assert call.usage.output_tokens == (sum(output) if output else None)
    assert usage.total_token_count == counted + sum(output)
    assert call.usage.cached_input_tokens == usage.cached_content_token_count
    assert call.usage.reasoning_tokens == usage.thoughts_token_count


def assert_same_parts(parts: list[types.Part], call: LlmCall) -> None:
    ours = call.output[0].parts
    assert "".join(part.text or "" for part in parts if not part.thought) == call.output[0].text
    thought = "".join(part.text or "" for part in parts if part.thought)
    assert thought == "".join(part.text for part in ours if isinstance(part, Reasoning))
    calls = [part.function_call for part in parts if part.function_call]
    found = [part for part in ours if isinstance(part, ToolCall) and part.name != "code_execution"]
    assert [(each.id, each.name, each.args) for each in calls] == [
        (part.id, part.name, json.loads(part.arguments)) for part in found
    ]
    code = [part.executable_code.code for part in parts if part.executable_code]
    assert code == [
        json.loads(part.arguments)["code"]
        for part in ours
        if isinstance(part, ToolCall) and part.name == "code_execution"
    ]
    outcomes = [part.code_execution_result.output for part in parts if part.code_execution_result]
    assert outcomes == [part.text for part in ours if isinstance(part, ToolResult)]


def assert_as_asked(call: LlmCall) -> None:
    assert [message.role for message in call.input] == ["system", "user", "assistant", "tool"]
    assert call.input[0].text == "Be kind."
    assert call.input[1].parts == (Text("Weather?"), Media("image", "image/png", "inline", 4))
    assert call.input[2].parts == (ToolCall(None, "weather", '{"city":"Bern"}'),)
    assert call.input[3].parts == (ToolResult(None, "weather", '{"result":"21 °C"}'),)
    assert [tool.name for tool in call.tools] == ["weather"]
    assert (call.model, call.problems) == (MODEL, ())
    assert call.parameters["generationConfig"]["temperature"] == 0.5


@pytest.mark.parametrize("name", STREAMS)
async def test_a_streamed_answer_is_what_the_sdks_pieces_add_up_to(name: str) -> None:
    pieces, call = await read_stream(STREAMS[name])
    assert_same(pieces, call)
    assert_as_asked(call)
    assert (call.stream, call.truncated) == (True, False)


@pytest.mark.parametrize("name", STREAMS)
async def test_a_whole_answer_is_the_sdks(name: str) -> None:
    async with Overheard(whole(STREAMS[name])) as overheard, models(overheard) as sdk:
        response = await sdk.generate_content(model=MODEL, contents=CONTENTS, config=CONFIG)
        call = decode(overheard.raw).call
    assert_same([response], call)
    assert_as_asked(call)
    assert (call.stream, call.truncated) == (False, False)


@pytest.mark.parametrize("chunks", STREAMS.values(), ids=STREAMS)
async def test_a_cut_stream_is_what_the_sdk_has_so_far(chunks: Chunks) -> None:
    for length in range(1, len(chunks)):
        pieces, call = await read_stream(chunks[:length])
        assert_same(pieces, call)
        assert call.truncated


async def test_an_error_in_the_middle_of_a_stream_is_the_one_that_the_sdk_raises() -> None:
    async with Overheard(streamed([*PLAIN[:2], QUOTA])) as overheard, models(overheard) as sdk:
        stream = await sdk.generate_content_stream(model=MODEL, contents=CONTENTS, config=CONFIG)
        pieces = [await anext(stream), await anext(stream)]
        with pytest.raises(errors.APIError) as raised:
            await anext(stream)
        call = decode(overheard.raw).call
    assert call.error is not None
    assert (call.error.type, call.error.code) == (raised.value.status, str(raised.value.code))
    assert call.error.message == raised.value.message
    assert call.output[0].text == "".join(piece.text or "" for piece in pieces)


async def test_an_error_instead_of_an_answer_is_the_one_that_the_sdk_raises() -> None:
    async with Overheard(answer(QUOTA, 429)) as overheard, models(overheard) as sdk:
        with pytest.raises(errors.ClientError) as raised:
            await sdk.generate_content(model=MODEL, contents=CONTENTS, config=CONFIG)
        call = decode(overheard.raw).call
    assert call.error is not None
    assert (call.error.type, call.error.message) == (raised.value.status, raised.value.message)
    assert_as_asked(call)


async def test_a_chat_that_goes_on_says_what_was_answered_before() -> None:
    """The SDK's own memory of a streamed answer, sent back by it, is the answer as it was decoded."""
    async with Overheard(streamed(PARALLEL_TOOLS)) as first:
        async with models(first) as sdk:
            chat_history = [each async for each in await sdk.generate_content_stream(model=MODEL, contents="Weather?")]
        answered = decode(first.raw).call.output[0]
    said = types.Content(role="model", parts=[part for piece in chat_history for part in piece.parts or []])
    async with Overheard(whole(PLAIN)) as second, models(second) as sdk:
        await sdk.generate_content(model=MODEL, contents=["Weather?", said, "And?"])
        assert decode(second.raw).call.input[1] == answered
