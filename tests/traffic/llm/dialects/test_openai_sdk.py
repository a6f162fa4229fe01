"""The openai SDK's own accumulators as oracles: of the same bytes, answers to requests that the SDK itself sent, they
and the decoder make the same message, tool calls, usage and finish reason.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionMessage
from openai.types.completion_usage import CompletionTokensDetails, PromptTokensDetails
from openai.types.responses import Response, ResponseOutputItem, ResponseUsage

from tests.traffic.llm.dialects import openai_chat_examples as chat
from tests.traffic.llm.dialects import openai_responses_examples as responses
from tests.traffic.llm.example import Example, decode
from tests.traffic.llm.overheard import Overheard
from traffic.llm.call import LlmCall, Message, Reasoning, Refusal, Text, ToolCall, ToolResult, Usage

MESSAGES: Any = chat.ASKED["messages"]
TWO = [
    {"index": 0, "delta": {"role": "assistant", "content": "A"}, "finish_reason": None},
    {"index": 1, "delta": {"role": "assistant", "content": "B"}, "finish_reason": None},
    {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"},
    {"index": 1, "delta": {"content": "b"}, "finish_reason": "length"},
]
CHAT: dict[str, Example] = {
    **{
        f"{name}, {'usage' if usage else 'no usage'}": chat.streamed(deltas, reason, usage)
        for name, (_, deltas, reason) in chat.ANSWERS.items()
        for usage in (chat.USAGE, None)
    },
    "two choices": chat.played(*(chat.chunk(choice) for choice in TWO), b"[DONE]"),
    "openrouter": chat.played(
        b": OPENROUTER PROCESSING",
        *(chat.chunk({"index": 0, "finish_reason": None, "delta": delta}) for delta in chat.PLAIN_DELTAS),
        b": OPENROUTER PROCESSING",
        chat.chunk({"index": 0, "finish_reason": "stop", "delta": {}}, usage={**chat.USAGE, "cost": 0.95}),
        b"[DONE]",
    ),
}


class Client:
    """The SDK before a socket that plays an example, and afterwards what was decoded of both."""

    def __init__(self, overheard: Overheard) -> None:
        self._overheard = overheard
        self.sdk = openai.AsyncOpenAI(base_url=f"{overheard.url}/v1", api_key="sk-test", max_retries=0)

    @property
    def call(self) -> LlmCall:
        return decode(self._overheard.raw).call


@asynccontextmanager
async def client_of(example: Example, coding: str = "") -> AsyncIterator[Client]:
    async with Overheard(example, coding) as overheard:
        client = Client(overheard)
        async with client.sdk:
            yield client


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("name", CHAT)
async def test_streamed_chat(name: str, coding: str) -> None:
    state = ChatCompletionStreamState()
    async with client_of(CHAT[name], coding) as client:
        stream = await client.sdk.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
        async for chunk in stream:
            state.handle_chunk(chunk)
    check_chat(client.call, state.current_completion_snapshot)
    assert client.call.stream
    assert not client.call.truncated


async def test_streamed_chat_through_the_helper() -> None:
    async with (
        client_of(CHAT["parallel tools, usage"]) as client,
        client.sdk.chat.completions.stream(model="gpt-4o-mini", messages=MESSAGES) as stream,
    ):
        completion = await stream.get_final_completion()
    check_chat(client.call, completion)


@pytest.mark.parametrize("name", chat.ANSWERS)
async def test_whole_chat(name: str) -> None:
    message, _, reason = chat.ANSWERS[name]
    async with client_of(chat.whole(message, message, reason=reason, usage=chat.USAGE)) as client:
        completion = await client.sdk.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    check_chat(client.call, completion)
    assert len(client.call.output) == 2


def check_chat(call: LlmCall, completion: ChatCompletion) -> None:
    assert (call.model, call.input) == ("gpt-4o-mini", (Message("user", (Text("Weather in Zürich?"),)),))
    assert (call.response_id, call.response_model) == (completion.id, completion.model)
    assert call.finish_reason == completion.choices[0].finish_reason
    assert len(call.output) == len(completion.choices)
    for message, choice in zip(call.output, completion.choices, strict=True):
        assert _told(message) == _chat_told(choice.message)
    assert _figures(call.usage) == _chat_figures(completion.usage)


def _told(message: Message) -> dict[str, Any]:
    """The parts by their kinds, as SDKs tell them apart."""

    def joined(kind: type[Text | Refusal | Reasoning]) -> str:
        return "".join(part.text for part in message.parts if isinstance(part, kind))

    calls = [(part.id, part.name, part.arguments) for part in message.parts if isinstance(part, ToolCall)]
    return {"text": joined(Text), "refusal": joined(Refusal), "reasoning": joined(Reasoning), "calls": calls}


def _chat_told(message: ChatCompletionMessage) -> dict[str, Any]:
    calls: list[Any] = [
        (call.id, call.function.name, call.function.arguments)
        for call in message.tool_calls or []
        if call.type == "function"
    ]
    if message.function_call is not None:
        calls.append((None, message.function_call.name, message.function_call.arguments))
    audio: Any = message.audio
    spoken = (audio["transcript"] if isinstance(audio, dict) else audio.transcript) if audio else ""
    return {
        "text": (message.content or "") + spoken,
        "refusal": message.refusal or "",
        "reasoning": getattr(message, "reasoning_content", ""),
        "calls": calls,
    }


def _figures(usage: Usage) -> list[int | None]:
    return [
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    ]


def _chat_figures(usage: CompletionUsage | None) -> list[int | None]:
    if usage is None:
        return [None] * 5
    asked = usage.prompt_tokens_details or PromptTokensDetails()
    answered = usage.completion_tokens_details or CompletionTokensDetails()
    return [
        usage.prompt_tokens,
        usage.completion_tokens,
        asked.cached_tokens,
        asked.cache_write_tokens,
        answered.reasoning_tokens,
    ]


@pytest.mark.parametrize("name", responses.ANSWERS)
async def test_streamed_response(name: str) -> None:
    async with (
        client_of(responses.streamed(responses.ANSWERS[name], usage=responses.USAGE)) as client,
        client.sdk.responses.stream(model="gpt-5-mini", input="Weather in Zürich?") as stream,
    ):
        response = await stream.get_final_response()
    check_response(client.call, response)
    assert client.call.stream


@pytest.mark.parametrize("name", responses.ANSWERS)
async def test_whole_response(name: str) -> None:
    async with client_of(responses.whole(responses.ANSWERS[name])) as client:
        response = await client.sdk.responses.create(model="gpt-5-mini", input="Weather in Zürich?")
    check_response(client.call, response)


async def test_incomplete_response_without_usage() -> None:
    why = {"reason": "max_output_tokens"}
    example = responses.whole(responses.PLAIN, status="incomplete", usage=None, incomplete_details=why)
    async with client_of(example) as client:
        response = await client.sdk.responses.create(model="gpt-5-mini", input="Weather in Zürich?")
    check_response(client.call, response)
    assert response.incomplete_details is not None
    assert client.call.finish_reason == response.incomplete_details.reason


def check_response(call: LlmCall, response: Response) -> None:
    assert (call.model, call.input) == ("gpt-5-mini", (Message("user", (Text("Weather in Zürich?"),)),))
    assert (call.response_id, call.response_model) == (response.id, response.model)
    (message,) = call.output
    told = _told(message)
    assert told["text"] == response.output_text
    assert told["calls"] == [(call_id, name, said) for call_id, name, said in map(_item_call, response.output) if name]
    assert told["reasoning"] == "".join(map(_item_reasoning, response.output))
    assert told["refusal"] == "".join(
        part.refusal
        for item in response.output
        if item.type == "message"
        for part in item.content
        if part.type == "refusal"
    )
    assert _figures(call.usage) == _response_figures(response.usage)


def _item_call(item: ResponseOutputItem) -> tuple[str | None, str, str]:
    match item.type:
        case "function_call":
            return item.call_id, item.name, item.arguments
        case "custom_tool_call":
            return item.call_id, item.name, item.input
        case "mcp_call":
            return item.id, item.name, item.arguments
        case "code_interpreter_call":
            return item.id, "code_interpreter", item.code or ""
        case "web_search_call":
            return item.id, "web_search", item.action.to_json(indent=None).replace(": ", ":").replace(", ", ",")
        case "image_generation_call":
            return item.id, "image_generation", ""
    return None, "", ""


def _item_reasoning(item: ResponseOutputItem) -> str:
    if item.type != "reasoning":
        return ""
    return "".join([*(part.text for part in item.summary), *(part.text for part in item.content or [])])


def _response_figures(usage: ResponseUsage | None) -> list[int | None]:
    if usage is None:
        return [None] * 5
    return [
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens_details.cached_tokens,
        usage.input_tokens_details.cache_write_tokens,
        usage.output_tokens_details.reasoning_tokens,
    ]


async def test_the_results_of_the_providers_tools() -> None:
    async with client_of(responses.whole(responses.OWN_TOOLS)) as client:
        response = await client.sdk.responses.create(model="gpt-5-mini", input="Weather in Zürich?")
    told = [part.text for part in client.call.output[0].parts if isinstance(part, ToolResult)]
    logs = [
        out.logs
        for item in response.output
        if item.type == "code_interpreter_call"
        for out in item.outputs or []
        if out.type == "logs"
    ]
    assert told == [*logs, *(item.output for item in response.output if item.type == "mcp_call")]


async def test_an_error_instead_of_an_answer() -> None:
    error = {"message": "No such model", "type": "invalid_request_error", "param": None, "code": "model_not_found"}
    async with client_of(chat.answered({"error": error}, status=404)) as client:
        with pytest.raises(openai.NotFoundError) as raised:
            await client.sdk.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    found = client.call.error
    assert found is not None
    assert (found.type, found.code) == (raised.value.type, raised.value.code)
    assert found.message in raised.value.message


async def test_an_error_in_mid_stream() -> None:
    error = {"message": "Provider disconnected", "code": 502}
    example = chat.played(chat.chunk({"index": 0, "delta": {"content": "So"}}), {"error": error})
    async with client_of(example) as client:
        stream = await client.sdk.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
        said = (await anext(aiter(stream))).choices[0].delta.content
        with pytest.raises(openai.APIError) as raised:
            await anext(aiter(stream))
    found = client.call.error
    assert found is not None
    assert (found.message, found.code) == (raised.value.message, str(raised.value.code))
    assert client.call.output[0].text == said


async def test_the_legacy_completions_streamed_and_whole() -> None:
    def piece(text: str, reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}
        return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "served", "choices": [choice]}

    events = [piece("Hel", None), piece("lo", "stop")]
    example = chat.played(*events, b"[DONE]")
    async with client_of(example) as client:
        stream = await client.sdk.completions.create(model="asked", prompt="Say", stream=True)
        said = "".join([chunk.choices[0].text async for chunk in stream])
    assert (client.call.output[0].text, client.call.dialect) == (said, "openai.completions")
    async with client_of(chat.answered({**piece("Hello", "stop"), "usage": chat.USAGE})) as client:
        whole = await client.sdk.completions.create(model="asked", prompt=["Say", "more"])
    assert client.call.output[0].text == whole.choices[0].text
    assert client.call.input == (Message("user", (Text("Say"),)), Message("user", (Text("more"),)))
    assert _figures(client.call.usage) == _chat_figures(whole.usage)


async def test_embeddings() -> None:
    vector = {"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    document = {"object": "list", "data": [vector], "model": "served", "usage": usage}
    async with client_of(chat.answered(document)) as client:
        answer = await client.sdk.embeddings.create(model="asked", input=["Say", "more"], encoding_format="float")
    call = client.call
    assert (call.dialect, call.operation, call.model, call.output) == ("openai.embeddings", "embeddings", "asked", ())
    assert (call.response_model, call.usage.input_tokens) == (answer.model, answer.usage.prompt_tokens)
    assert call.usage.output_tokens is None
    assert call.input == (Message("user", (Text("Say"),)), Message("user", (Text("more"),)))
