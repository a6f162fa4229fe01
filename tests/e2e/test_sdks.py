"""Clients and servers that nobody here wrote: the openai, anthropic and ollama SDKs and curl, before a real llama.cpp
server. What a client got through the recorder is what the server sent, to the byte, and what the files hold.

llama.cpp does not speak Ollama's own API, so behind the ollama SDK an aiohttp server answers as Ollama does.
"""

import asyncio
import json
import re
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import pytest
from aiohttp import web

from recorder.settings import Capture
from tests.e2e.conftest import Flight, to
from tests.e2e.recorded import Recorded
from tests.e2e.wire import Observer

MESSAGES: Any = [{"role": "user", "content": "Say something. Grüße!"}]
NO_MESSAGES: Any = "no list"
REMOVED = re.compile(rb"\r\n(?:Connection|Keep-Alive):[^\r]*", re.IGNORECASE)


class Observed:
    """The recorder between two observers."""

    def __init__(self, flight: Flight, upstream_port: int) -> None:
        self._flight = flight
        self._upstream_port = upstream_port
        self._stack = AsyncExitStack()
        self.url = ""

    async def __aenter__(self) -> Self:
        self.behind = await self._stack.enter_async_context(Observer(self._upstream_port))
        await self._flight.start(to(self.behind.port), capture=Capture(redact=False))
        self.before = await self._stack.enter_async_context(Observer(self._flight.port))
        self.url = f"http://127.0.0.1:{self.before.port}/lm"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def compare(self, exchanges: int) -> list[Recorded]:
        """Both sides of the wire and the files hold the same; the records, in order."""
        records = await self._flight.land()
        assert len(records) == exchanges
        assert all(record.metadata["completed"] for record in records)
        asked = b"".join(passage.to_server for passage in self.before.passages)
        got = b"".join(passage.to_client for passage in self.before.passages)
        forwarded = b"".join(passage.to_server for passage in self.behind.passages)
        sent = b"".join(passage.to_client for passage in self.behind.passages)
        expected = re.sub(rb"(GET|POST) /lm/", rb"\1 /", REMOVED.sub(b"", asked))
        expected = expected.replace(b":%d" % self.before.port, b":%d" % self.behind.port)
        are_same = {  # no diffs of megabytes
            "what the client got": got == REMOVED.sub(b"", sent),
            "what the upstream got": forwarded == expected,
            "the recorded responses": b"".join(each.response for each in records) == sent,
            "the recorded requests": b"".join(each.sent_request for each in records) == forwarded,
        }
        assert [what for what, is_same in are_same.items() if not is_same] == []
        return records


async def test_openai_sdk(flight: Flight, llama_port: int) -> None:
    import openai

    async with Observed(flight, llama_port) as observed:
        async with openai.AsyncOpenAI(base_url=f"{observed.url}/v1", api_key="sk-test", max_retries=0) as client:
            models = await client.models.list()
            assert len(models.data) == 1
            whole = await client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=8)
            assert whole.usage is not None
            assert 0 < whole.usage.completion_tokens <= 8
            events = 0
            async for _ in await client.chat.completions.create(
                model="tiny",
                messages=MESSAGES,
                max_tokens=16,
                stream=True,
                stream_options={"include_usage": True},
            ):
                events += 1
            assert events > 2
        records = await observed.compare(3)
    assert records[2].response.count(b"data: {") == events
    assert b"data: [DONE]\n\n" in records[2].response
    assert b"\r\nauthorization: bearer sk-test\r\n" in records[1].request.lower()


async def test_openai_sdk_responses(flight: Flight, llama_port: int) -> None:
    import openai

    async with Observed(flight, llama_port) as observed:
        async with openai.AsyncOpenAI(base_url=f"{observed.url}/v1", api_key="sk-test", max_retries=0) as client:
            names = [
                event.type
                async for event in await client.responses.create(
                    model="tiny", input="Say something.", max_output_tokens=16, stream=True
                )
            ]
        (record,) = await observed.compare(1)
    assert names[0] == "response.created"
    assert record.response.count(b"event: response.") == len(names)


async def test_openai_sdk_sees_the_servers_error(flight: Flight, llama_port: int) -> None:
    import openai

    async with Observed(flight, llama_port) as observed:
        async with openai.AsyncOpenAI(base_url=f"{observed.url}/v1", api_key="sk-test", max_retries=0) as client:
            with pytest.raises(openai.BadRequestError):
                await client.chat.completions.create(model="tiny", messages=NO_MESSAGES)
        (record,) = await observed.compare(1)
    assert record.metadata["response"]["status"] == 400


async def test_anthropic_sdk(flight: Flight, llama_port: int) -> None:
    import anthropic

    async with Observed(flight, llama_port) as observed:
        async with anthropic.AsyncAnthropic(base_url=observed.url, api_key="sk-ant-test", max_retries=0) as client:
            whole = await client.messages.create(model="tiny", max_tokens=8, messages=MESSAGES)
            assert 0 < whole.usage.output_tokens <= 8
            kinds = [
                event.type
                async for event in await client.messages.create(
                    model="tiny",
                    max_tokens=16,
                    messages=MESSAGES,
                    stream=True,
                )
            ]
        records = await observed.compare(2)
    assert kinds[-1] == "message_stop"  # llama.cpp does not always begin with message_start
    assert records[1].response.count(b"event: ") == len(kinds)


async def test_curl(flight: Flight, llama_port: int) -> None:
    """Three requests on one connection: streamed, not streamed, and one so long that curl waits for 100-continue."""
    prompt = {"messages": MESSAGES, "max_tokens": 12}
    asked = [{**prompt, "stream": True}, prompt, {"messages": [{"role": "user", "content": "x" * 1_500_000}]}]
    async with Observed(flight, llama_port) as observed:
        url = f"{observed.url}/v1/chat/completions"
        files = []
        for number, body in enumerate(asked):
            path = flight.log_dir.parent / f"body{number}.json"
            path.write_text(json.dumps(body))
            files.append(f"@{path}")
        options = ["--silent", "--no-buffer", "--header", "Content-Type: application/json", url, "--data"]
        rest = [word for file in files[1:] for word in ("--next", *options, file)]
        process = await asyncio.create_subprocess_exec(
            "curl", *options, files[0], *rest, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        records = await observed.compare(3)
    assert output.startswith(b"data: {")
    assert records[1].response.endswith(output.partition(b"data: [DONE]\n\n")[2].rpartition(b'{"error"')[0])
    assert b"\r\nExpect: 100-continue\r\n" in records[2].request
    assert records[2].response.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 ")


async def chat_as_ollama(request: web.Request) -> web.StreamResponse:
    """/api/chat as Ollama's docs/api.md describes it: JSON, or a line of JSON for each token."""
    asked = await request.json()
    common = {"model": asked["model"], "created_at": "2026-09-13T02:11:09.123456Z"}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 5}
    words = ["A", " few", " words", ".", ""]
    if not asked.get("stream", True):
        message = {"role": "assistant", "content": "".join(words)}
        return web.json_response({**common, "message": message, **end})
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    for word in words:
        part = {**common, "message": {"role": "assistant", "content": word}, "done": False}
        await response.write(json.dumps(part | (end if not word else {})).encode() + b"\n")
    await response.write_eof()
    return response


async def test_ollama_sdk(flight: Flight) -> None:
    import ollama

    application = web.Application()
    application.router.add_post("/api/chat", chat_as_ollama)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Observed(flight, runner.addresses[0][1]) as observed:
        async with ollama.AsyncClient(host=observed.url) as client:
            whole = await client.chat(model="tiny", messages=MESSAGES)
            assert whole.message.content == "A few words."
            parts = [part async for part in await client.chat(model="tiny", messages=MESSAGES, stream=True)]
            assert "".join(part.message.content or "" for part in parts) == "A few words."
            assert parts[-1].eval_count == 5
        records = await observed.compare(2)
    await runner.cleanup()
    assert records[1].response.count(b'"done": ') == 5
