"""The ollama SDK reads the same message and usage from the same bytes, streamed and not."""

import json
from typing import Any

import ollama
import pytest

from tests.traffic.llm.dialects.ollama_examples import CHAT, CHATS, COMPLETIONS, GENERATE, Lines, streamed, whole
from tests.traffic.llm.example import Example, decode
from tests.traffic.llm.overheard import Overheard
from traffic.llm.call import LlmCall, Media, Part, Reasoning, Text, ToolCall, ToolResult

MESSAGES: Any = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Weather?", "images": [b"\x89PNG"]},
    {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Bern"}}}]},
    {"role": "tool", "tool_name": "weather", "content": "21 °C"},
]
CODINGS = ["", "gzip", "deflate", "br"]  # the SDK asks for no zstd


def weather(city: str) -> str:
    """Tell it."""
    return city


def parts_of(call: LlmCall) -> tuple[Part, ...]:
    return call.output[0].parts if call.output else ()


def assert_counts(last: ollama.ChatResponse | ollama.GenerateResponse, call: LlmCall) -> None:
    assert (call.usage.input_tokens, call.usage.output_tokens) == (last.prompt_eval_count, last.eval_count)
    assert (call.finish_reason, call.response_model) == (last.done_reason, last.model)
    assert call.truncated is not last.done


def assert_same_chat(answers: list[ollama.ChatResponse], call: LlmCall) -> None:
    assert_counts(answers[-1], call)
    messages = [answer.message for answer in answers]
    parts = parts_of(call)
    said = "".join(part.text for part in parts if isinstance(part, Text))
    assert said == "".join(message.content or "" for message in messages)
    thought = "".join(part.text for part in parts if isinstance(part, Reasoning))
    assert thought == "".join(message.thinking or "" for message in messages)
    calls = [each.function for message in messages for each in message.tool_calls or []]
    assert [(part.name, json.loads(part.arguments)) for part in parts if isinstance(part, ToolCall)] == [
        (each.name, each.arguments) for each in calls
    ]
    assert [message.role for message in call.input] == ["system", "user", "assistant", "tool"]
    assert call.input[1].parts == (Text("Weather?"), Media("image", None, "inline", 4))
    assert call.input[2].parts == (ToolCall(None, "weather", '{"city":"Bern"}'),)
    assert call.input[3].parts == (ToolResult(None, "weather", "21 °C"),)
    assert [(tool.name, tool.description) for tool in call.tools] == [("weather", "Tell it.")]
    assert (call.model, call.parameters["think"], call.problems) == ("tiny", True, ())


def assert_same_completion(answers: list[ollama.GenerateResponse], call: LlmCall) -> None:
    assert_counts(answers[-1], call)
    said = "".join(part.text for part in parts_of(call) if isinstance(part, Text))
    assert said == "".join(answer.response or "" for answer in answers)
    thought = "".join(part.text for part in parts_of(call) if isinstance(part, Reasoning))
    assert thought == "".join(answer.thinking or "" for answer in answers)
    assert [message.text for message in call.input] == ["Be kind.", "Weather?"]
    assert call.input[1].parts[1:] == (Media("image", None, "inline", 4),)
    assert (call.model, call.problems) == ("tiny", ())


async def chat_stream(example: Example, coding: str = "") -> tuple[list[ollama.ChatResponse], LlmCall]:
    async with Overheard(example, coding) as overheard, ollama.AsyncClient(host=overheard.url) as sdk:
        stream = await sdk.chat(model="tiny", messages=MESSAGES, tools=[weather], think=True, stream=True)
        return [answer async for answer in stream], decode(overheard.raw).call


async def generate_stream(example: Example, coding: str = "") -> tuple[list[ollama.GenerateResponse], LlmCall]:
    async with Overheard(example, coding) as overheard, ollama.AsyncClient(host=overheard.url) as sdk:
        stream = await sdk.generate("tiny", "Weather?", system="Be kind.", images=[b"\x89PNG"], stream=True)
        return [answer async for answer in stream], decode(overheard.raw).call


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", CHATS)
async def test_a_streamed_chat_is_what_the_sdks_answers_add_up_to(name: str, coding: str) -> None:
    answers, call = await chat_stream(streamed(CHATS[name]), coding)
    assert_same_chat(answers, call)
    assert call.stream


@pytest.mark.parametrize("name", CHATS)
async def test_a_whole_chat_is_the_sdks(name: str) -> None:
    async with Overheard(whole(CHATS[name])) as overheard, ollama.AsyncClient(host=overheard.url) as sdk:
        answer = await sdk.chat(model="tiny", messages=MESSAGES, tools=[weather], think=True)
        call = decode(overheard.raw).call
    assert_same_chat([answer], call)
    assert not call.stream


@pytest.mark.parametrize("lines", CHATS.values(), ids=CHATS)
async def test_a_cut_chat_is_what_the_sdk_has_so_far(lines: Lines) -> None:
    for length in range(1, len(lines)):
        answers, call = await chat_stream(streamed(lines[:length]))
        assert_same_chat(answers, call)
        assert call.truncated


@pytest.mark.parametrize("name", COMPLETIONS)
async def test_a_completion_is_the_sdks_streamed_and_whole(name: str) -> None:
    answers, call = await generate_stream(streamed(COMPLETIONS[name]))
    assert_same_completion(answers, call)
    assert call.stream
    async with Overheard(whole(COMPLETIONS[name])) as overheard, ollama.AsyncClient(host=overheard.url) as sdk:
        answer = await sdk.generate("tiny", "Weather?", system="Be kind.", images=[b"\x89PNG"])
        call = decode(overheard.raw).call
    assert_same_completion([answer], call)
    assert not call.stream


async def test_an_error_in_the_middle_of_a_stream_is_the_one_that_the_sdk_raises() -> None:
    example = streamed([*CHATS["plain"][:2], {"error": "out of memory"}])
    async with Overheard(example) as overheard, ollama.AsyncClient(host=overheard.url) as sdk:
        stream = await sdk.chat(model="tiny", messages=MESSAGES, stream=True)
        answers = [await anext(stream), await anext(stream)]
        with pytest.raises(ollama.ResponseError) as raised:
            await anext(stream)
        call = decode(overheard.raw).call
    assert call.error is not None
    assert call.error.message == raised.value.error == "out of memory"
    assert call.output[0].text == "".join(answer.message.content or "" for answer in answers)


@pytest.mark.parametrize(("path", "asked"), [("/api/chat", CHAT), ("/api/generate", GENERATE)])
async def test_an_error_instead_of_an_answer_is_the_one_that_the_sdk_raises(path: str, asked: dict[str, Any]) -> None:
    example = Example(path, asked, b'{"error":"model \'tiny\' not found"}', status=404)
    async with Overheard(example) as overheard, ollama.AsyncClient(host=overheard.url) as sdk:
        asking = sdk.chat(model="tiny") if path == "/api/chat" else sdk.generate("tiny", "Weather?")
        with pytest.raises(ollama.ResponseError) as raised:
            await asking
        call = decode(overheard.raw).call
    assert call.error is not None
    assert call.error.message == raised.value.error == "model 'tiny' not found"
