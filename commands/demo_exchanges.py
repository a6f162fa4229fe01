"""What `recorder demo` runs: upstream, ingest server and recorder in one process, and a handful of exchanges."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession, web

from commands.demo_upstream import build_app
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from recorder.server import Recorder
from recorder.settings import Capture, RecorderSettings, Route


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange of the demo."""

    title: str
    path: str
    body: dict[str, object]


_ASK = [{"role": "user", "content": "What do you record?"}]
STEPS = (
    Step("OpenAI chat, one JSON answer", "/openai/v1/chat/completions", {"model": "demo", "messages": _ASK}),
    Step(
        "OpenAI chat, streamed",
        "/openai/v1/chat/completions",
        {"model": "demo", "stream": True, "messages": _ASK},
    ),
    Step(
        "Anthropic messages, streamed",
        "/anthropic/v1/messages",
        {"model": "demo", "max_tokens": 64, "stream": True, "messages": _ASK},
    ),
    Step("Ollama chat, streamed", "/ollama/api/chat", {"model": "demo", "messages": _ASK}),
    Step("OpenAI chat, 429: too many requests", "/openai/v1/chat/completions", {"model": "busy", "messages": _ASK}),
    Step(
        "OpenAI chat, cut by the upstream in mid-stream",
        "/openai/v1/chat/completions",
        {"model": "cut", "stream": True, "messages": _ASK},
    ),
)


async def run_exchanges(folder: Path, tell: Callable[[str], None]) -> None:
    """Record STEPS into `folder`/logs; the console lines go to stdout. `tell` gets the text before them."""
    upstream = web.AppRunner(build_app(), access_log=None)
    await upstream.setup()
    try:
        await web.TCPSite(upstream, "127.0.0.1", 0).start()
        upstream_url = f"http://127.0.0.1:{upstream.addresses[0][1]}/"
        journal_dir = folder / ".journal"
        ingest_settings = IngestSettings(port=0, log_dir=folder / "logs", key_dir=journal_dir)
        async with IngestServer(ingest_settings) as ingest:
            routes = tuple(Route(name, f"/{name}/", upstream_url) for name in ("openai", "anthropic", "ollama"))
            capture = Capture(server_url=f"http://localhost:{ingest.port}", journal_dir=journal_dir)
            async with Recorder(RecorderSettings(port=0, routes=routes, capture=capture)) as recorder:
                for line in _introduction(upstream_url, ingest.port, recorder.port):
                    tell(line)
                await _send_all(f"http://localhost:{recorder.port}")
    finally:
        await upstream.cleanup()


def _introduction(upstream_url: str, ingest_port: int, recorder_port: int) -> list[str]:
    return [
        f"upstream       {upstream_url}  (built in: OpenAI, Anthropic and Ollama dialects)",
        f"ingest server  http://localhost:{ingest_port}/",
        f"recorder       http://localhost:{recorder_port}/",
        "",
        "A client sends through the recorder:",
        *(f"  {number}. {step.title}" for number, step in enumerate(STEPS, 1)),
        "",
        "What the recorder's console shows meanwhile:",
    ]


async def _send_all(recorder_url: str) -> None:
    async with ClientSession() as client:
        for step in STEPS:
            try:
                async with client.post(recorder_url + step.path, json=step.body) as response:
                    await response.read()
            except ClientError:
                pass  # the upstream cut this one, and the recorder let the client see it
