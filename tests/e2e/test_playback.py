"""Sessions of the openai, anthropic and ollama SDKs are recorded; then their upstreams and the recorder are stopped and
the player takes their place: the SDKs' objects are the same, and so is every byte that they get.

A session is a coroutine that takes a base URL and returns all that its SDK made of the answers, errors included. SDKs
try again where llama.cpp has closed a connection at the moment of a request; the 502 of then is played as well.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from replay.play.library import Library
from replay.play.server import Player
from replay.play.settings import INSTANT, PlaySettings
from tests.e2e.conftest import Flight, to
from tests.e2e.test_websocket import echo
from tests.e2e.wire import Observer
from tests.traffic.llm.dialects import anthropic_examples, ollama_examples, openai_chat_examples
from tests.traffic.llm.example import Example

Session = Callable[[str], Awaitable[list[Any]]]

MESSAGES: Any = [{"role": "user", "content": "Say something. Grüße!"}]
NO_MESSAGES: Any = "none"
WEATHER: Any = {
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


async def compare(flight: Flight, upstream_port: int, session: Session) -> None:
    """Run the session through the recorder, stop everything, run it again before the player."""
    async with Observer(upstream_port) as upstream:
        await flight.start(to(upstream.port))
        first = await session(f"{flight.url}/lm")
        records = await flight.land()
    library = Library(flight.log_dir)
    library.refresh()
    player = Player(library, PlaySettings(host="127.0.0.1", port=0, speed=INSTANT))
    async with player, Observer(player.port) as before:
        again = await session(f"http://127.0.0.1:{before.port}/lm")
    assert again == first
    assert len(first) > 0
    assert list(player.misses) == []
    assert player.hits == {"exact": len(records)}
    got = b"".join(bytes(passage.to_client) for passage in before.passages)
    assert got == b"".join(record.response for record in records)


async def openai_session(url: str) -> list[Any]:
    import openai

    found: list[Any] = []
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=2) as client:
        found += (await client.models.list()).data
        found.append(await client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=8))
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        stream: Any = await client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=16, **options)
        found += [chunk async for chunk in stream]
        events: Any = await client.responses.create(model="tiny", input="Hi", max_output_tokens=8, stream=True)
        found += [event async for event in events]
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model="tiny", messages=NO_MESSAGES)
        found.append((caught.value.status_code, caught.value.body))
    return found


async def anthropic_session(url: str) -> list[Any]:
    import anthropic

    found: list[Any] = []
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant-test", max_retries=2) as client:
        asked: Any = {"model": "tiny", "max_tokens": 16, "messages": MESSAGES, "extra_body": {"temperature": 0}}
        found.append(await client.messages.create(**asked))
        async with client.messages.stream(**asked) as stream:
            found += [event async for event in stream]
            found.append(await stream.get_final_message())
    return found


async def test_openai_sdk_and_a_real_server(flight: Flight, llama_port: int) -> None:
    await compare(flight, llama_port, openai_session)


async def test_anthropic_sdk_and_a_real_server(flight: Flight, llama_port: int) -> None:
    await compare(flight, llama_port, anthropic_session)


class Provider:
    """Answers as the providers do, also with tool calls; a chat without tools gets a 429 first, once."""

    def __init__(self) -> None:
        self.application = web.Application()
        self.application.router.add_post("/v1/chat/completions", self._openai)
        self.application.router.add_post("/v1/messages", self._anthropic)
        self.application.router.add_post("/api/chat", self._ollama)
        self.application.router.add_get("/realtime", echo)
        self._is_limited = True

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if not asked.get("tools") and self._is_limited:
            self._is_limited = False
            return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"retry-after-ms": "1"})
        examples, is_last = openai_chat_examples, asked["messages"][-1]["role"] == "tool"
        message, deltas, reason = examples.ANSWERS["plain" if is_last or not asked.get("tools") else "parallel tools"]
        if asked.get("stream"):
            return await _send(request, examples.streamed(deltas, reason, examples.USAGE))
        return await _send(request, examples.whole(message, reason=reason, usage=examples.USAGE))

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        examples, is_last = anthropic_examples, isinstance(asked["messages"][-1]["content"], list)
        content, reason = (examples.PLAIN, "end_turn") if is_last else (examples.PARALLEL_TOOLS, "tool_use")
        make = examples.streamed if asked.get("stream") else examples.whole
        return await _send(request, make(content, examples.CACHED, reason))

    async def _ollama(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        lines = ollama_examples.CHATS["parallel tools" if asked.get("tools") else "plain"]
        make = ollama_examples.streamed if asked.get("stream", True) else ollama_examples.whole
        return await _send(request, make(lines))


async def _send(request: web.Request, example: Example) -> web.StreamResponse:
    """A stream in the pieces of its events, compressed as the client likes it."""
    response = web.StreamResponse(headers={"Content-Type": example.content_type})
    response.enable_compression()
    await response.prepare(request)
    for piece in example.answer.splitlines(keepends=True):
        await response.write(piece)
    await response.write_eof()
    return response


@asynccontextmanager
async def provider() -> AsyncIterator[int]:
    """Its port."""
    runner = web.AppRunner(Provider().application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def openai_tools(url: str) -> list[Any]:
    """An agent's loop, whole and streamed; and a call that is tried again behind a 429."""
    import openai
    from openai.lib.streaming.chat import ChatCompletionStreamState

    found: list[Any] = []
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=1) as client:
        create: Any = client.chat.completions.create
        asked: Any = {"model": "gpt-4o-mini", "tools": [{"type": "function", "function": WEATHER}]}
        whole = await create(messages=MESSAGES, **asked)
        calls = whole.choices[0].message.tool_calls
        results = [{"role": "tool", "tool_call_id": call.id, "content": "21 °C"} for call in calls]
        history = [*MESSAGES, whole.choices[0].message.model_dump(exclude_none=True), *results]
        found += [whole, await create(messages=history, **asked)]
        for messages in (MESSAGES, history):
            state = ChatCompletionStreamState()
            async for chunk in await create(messages=messages, stream=True, **asked):
                found.append(chunk)
                state.handle_chunk(chunk)
            found.append(state.current_completion_snapshot)
        found.append(await create(model="gpt-4o-mini", messages=MESSAGES))
    assert json.loads(calls[0].function.arguments) == {"city": "Zürich"}
    return found


async def anthropic_tools(url: str) -> list[Any]:
    import anthropic

    found: list[Any] = []
    tool: Any = {"name": "weather", "description": "", "input_schema": WEATHER["parameters"]}
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant-test", max_retries=0) as client:
        asked: Any = {"model": anthropic_examples.MODEL, "max_tokens": 100, "tools": [tool]}
        whole = await client.messages.create(messages=MESSAGES, **asked)
        results: Any = [
            {"type": "tool_result", "tool_use_id": block.id, "content": "21 °C"}
            for block in whole.content
            if block.type == "tool_use"
        ]
        said: Any = [block.model_dump(exclude_none=True) for block in whole.content]
        history = [*MESSAGES, {"role": "assistant", "content": said}, {"role": "user", "content": results}]
        found += [whole, await client.messages.create(messages=history, **asked)]
        for messages in (MESSAGES, history):
            async with client.messages.stream(messages=messages, **asked) as stream:
                found += [event async for event in stream]
                found.append(await stream.get_final_message())
    assert whole.stop_reason == "tool_use"
    return found


async def ollama_tools(url: str) -> list[Any]:
    import ollama

    found: list[Any] = []
    async with ollama.AsyncClient(host=url) as client:
        for tools in ([{"type": "function", "function": WEATHER}], None):
            asked: Any = {"model": "tiny", "messages": MESSAGES, "tools": tools}
            found.append(await client.chat(**asked))
            found += [part async for part in await client.chat(**asked, stream=True)]
    assert found[0].message.tool_calls[0].function.arguments == {"city": "Zürich"}
    return found


async def websocket(url: str) -> list[Any]:
    found: list[Any] = []
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/realtime?model=tiny") as socket:
        for text in ("hello", "and more " * 20_000):
            await socket.send_str(text)
            found.append(await socket.receive_str())
        await socket.send_bytes(bytes(range(256)))
        found.append(await socket.receive_bytes())
        await socket.close()
        found.append(socket.close_code)
    return found


@pytest.mark.parametrize("session", [openai_tools, anthropic_tools, ollama_tools])
async def test_an_agents_session_with_tool_calls_and_streams(flight: Flight, session: Session) -> None:
    async with provider() as port:
        await compare(flight, port, session)


async def test_a_websocket_session(flight: Flight) -> None:
    """Its bytes are the recorded ones, but for the answer to the handshake's key, which is the client's own."""
    async with provider() as port:
        await flight.start(to(port))
        first = await websocket(f"{flight.url}/lm")
        (record,) = await flight.land()
    library = Library(flight.log_dir)
    library.refresh()
    async with Player(library, PlaySettings(host="127.0.0.1", port=0)) as player, Observer(player.port) as before:
        assert await websocket(f"http://127.0.0.1:{before.port}/lm") == first
    assert list(player.misses) == []
    (passage,) = before.passages
    head, _, frames = bytes(passage.to_client).partition(b"\r\n\r\n")
    recorded_head, _, recorded_frames = record.response.partition(b"\r\n\r\n")
    assert frames == recorded_frames
    assert len(head) == len(recorded_head)
