"""test.http: each of its requests, sent as its text says, does what its title says."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web

from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from recorder.server import Recorder
from recorder.settings import Capture, Console, RecorderSettings, Route
from traffic.http1.content import dechunk

FILE = Path(__file__).parent.parent / "test.http"
ROUTE = "lmstudio"
LOOK_S = 0.05  # between two looks whether the index has it
JSON, SSE, TEXT = "application/json", "text/event-stream", "text/plain"


@dataclass(frozen=True, slots=True)
class Expected:
    status: int
    content_type: str
    reaches_upstream: bool
    recorded: bool


EXPECTED = {
    "The models, direct to the upstream": Expected(200, JSON, reaches_upstream=True, recorded=False),
    "A chat, direct to the upstream": Expected(200, JSON, reaches_upstream=True, recorded=False),
    "The models, through the recorder": Expected(200, JSON, reaches_upstream=True, recorded=True),
    "A chat, through the recorder": Expected(200, JSON, reaches_upstream=True, recorded=True),
    "A streamed chat, through the recorder": Expected(200, SSE, reaches_upstream=True, recorded=True),
    "A path below no route: the recorder answers 404 and lists its routes": Expected(
        404, TEXT, reaches_upstream=False, recorded=True
    ),
    "The recorder's health": Expected(200, JSON, reaches_upstream=False, recorded=False),
}
# Of the ingest server, once a chat is recorded: the type of the answer.
QUESTIONS = {
    "What was recorded in the last hour": JSON,
    "The newest exchange, with all that was said": JSON,
    "Its response, without chunks and compression": JSON,
    "The events of its response, with their times": JSON,
    "Where something was said": JSON,
    "Conversations and agents' runs": JSON,
    "Figures by model": JSON,
    "Every endpoint, for programs": JSON,
}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    title: str
    method: str
    url: str
    headers: dict[str, str]
    body: str


def parse(text: str, **replaced: str) -> list[HttpRequest]:
    """The requests of a .http file: variables, then blocks of title, request line, headers, empty line, body."""
    preamble, *blocks = re.split(r"^### *", text, flags=re.MULTILINE)
    variables = dict(re.findall(r"^@(\w+) *= *(.*)$", preamble, flags=re.MULTILINE))
    assert set(replaced) <= set(variables)
    variables |= replaced
    return [_request(re.sub(r"\{\{(\w+)\}\}", lambda found: variables[found[1]], block)) for block in blocks]


def _request(block: str) -> HttpRequest:
    title, _, rest = block.partition("\n")
    head, _, body = rest.partition("\n\n")
    line, *fields = head.splitlines()
    method, url = line.split(" ")
    headers = dict(field.split(": ", 1) for field in fields)
    return HttpRequest(title, method, url, headers, body.strip())


def test_a_http_file_is_titles_request_lines_headers_and_bodies_with_variables_filled_in() -> None:
    text = "@base = http://a\n@name = b\n\n### One\nGET {{base}}/x\n\n"
    text += '### Two\nPOST {{base}}/y\nA: 1\n\n{"m":\n"{{name}}"}\n'
    assert parse(text, base="http://c") == [
        HttpRequest("One", "GET", "http://c/x", {}, ""),
        HttpRequest("Two", "POST", "http://c/y", {"A": "1"}, '{"m":\n"b"}'),
    ]


def test_the_file_holds_the_requests_of_the_manual_test_and_no_others() -> None:
    assert [request.title for request in parse(FILE.read_text("utf-8"))] == [*EXPECTED, *QUESTIONS]


def test_the_files_addresses_are_those_of_the_shipped_configuration() -> None:
    text, config = FILE.read_text("utf-8"), (FILE.parent / "config.yaml").read_text("utf-8")
    assert "@recorder = http://localhost:5601\n@ingest = http://localhost:8080\n" in text
    assert "@upstream = http://127.0.0.1:1234\n@" in text
    assert 'lmstudio:   {pattern: "/lmstudio/", destination: "http://127.0.0.1:1234/"}' in config
    assert "host: localhost           # where LLM clients reach the recorder\n  port: 5601" in config


@dataclass(slots=True)
class Upstream:
    url: str
    requests: list[str]  # targets


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A server that lists its models and answers chats, streamed where that is asked for."""
    seen = Upstream("", [])

    async def models(request: web.Request) -> web.Response:
        seen.requests.append(request.path)
        return web.json_response({"object": "list", "data": [{"id": "local-model"}]})

    async def chat(request: web.Request) -> web.StreamResponse:
        seen.requests.append(request.path)
        asked = await request.json()
        assert asked["model"] == "local-model"
        if not asked.get("stream"):
            return web.json_response({"choices": [{"message": {"role": "assistant", "content": "Hello."}}]})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in (b'data: {"choices": [{"delta": {"content": "One"}}]}\n\n', b"data: [DONE]\n\n"):
            await response.write(event)
        return response

    app = web.Application()
    app.add_routes([web.get("/v1/models", models), web.post("/v1/chat/completions", chat)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    seen.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield seen
    await runner.cleanup()


@asynccontextmanager
async def _services(upstream: Upstream, folder: Path) -> AsyncIterator[dict[str, str]]:
    """The addresses of a recorder and its ingest server, by the file's names for them."""
    journal_dir = folder / "journal"
    async with IngestServer(IngestSettings(port=0, log_dir=folder / "logs", key_dir=journal_dir)) as ingest:
        settings = RecorderSettings(
            port=0,
            routes=(Route(ROUTE, f"/{ROUTE}/", f"{upstream.url}/"),),
            console=Console(enabled=False),
            capture=Capture(server_url=f"http://localhost:{ingest.port}", journal_dir=journal_dir),
        )
        async with Recorder(settings) as recorder:
            yield {
                "recorder": f"http://localhost:{recorder.port}",
                "ingest": f"http://localhost:{ingest.port}",
                "upstream": upstream.url,
            }


async def _send(session: ClientSession, request: HttpRequest) -> tuple[ClientResponse, bytes]:
    async with session.request(
        request.method, request.url, headers=request.headers, data=request.body or None
    ) as response:
        return response, await response.read()


@pytest.mark.parametrize("title", EXPECTED)
async def test_a_request_of_the_file_gets_its_answer_and_leaves_its_recording(
    title: str, upstream: Upstream, tmp_path: Path
) -> None:
    async with _services(upstream, tmp_path) as addresses, ClientSession() as session:
        request = _find(title, **addresses)
        response, body = await _send(session, request)
    expected = EXPECTED[title]
    assert (response.status, response.content_type) == (expected.status, expected.content_type)
    assert len(upstream.requests) == expected.reaches_upstream
    assert (f"/{ROUTE}/" in body.decode()) == (expected.status == 404)  # lists the routes
    recordings = _recordings(tmp_path / "logs")
    assert len(recordings) == expected.recorded
    for metadata, recorded in recordings:
        assert metadata["url"] == request.url
        assert metadata["route"] == (ROUTE if expected.reaches_upstream else None)
        assert (metadata["completed"], metadata["response"]["status"]) == (True, expected.status)
        assert body in (dechunk(recorded.partition(b"\r\n\r\n")[2]) if expected.content_type == SSE else recorded)


@pytest.mark.parametrize("title", QUESTIONS)
async def test_a_question_of_the_file_is_answered_once_a_chat_is_recorded(
    title: str, upstream: Upstream, tmp_path: Path
) -> None:
    async with _services(upstream, tmp_path) as addresses, ClientSession() as session:
        await _send(session, _find("A chat, through the recorder", **addresses))
        async with asyncio.timeout(60):
            while True:  # the index is a moment behind
                response, body = await _send(session, _find("The newest exchange, with all that was said", **addresses))
                if response.status == 200:
                    break
                assert response.status in (404, 503), body
                await asyncio.sleep(LOOK_S)
        response, _ = await _send(session, _find(title, **addresses))
    assert (response.status, response.content_type) == (200, QUESTIONS[title])


def _find(title: str, **replaced: str) -> HttpRequest:
    [request] = [each for each in parse(FILE.read_text("utf-8"), **replaced) if each.title == title]
    return request


def _recordings(log_dir: Path) -> list[tuple[dict[str, Any], bytes]]:
    """Of each exchange the metadata and the stored response."""
    files = sorted(log_dir.glob("*_metadata.json"))
    return [
        (
            json.loads(file.read_text("utf-8")),
            file.with_name(file.name.replace("_metadata.json", "_response.bin")).read_bytes(),
        )
        for file in files
    ]
