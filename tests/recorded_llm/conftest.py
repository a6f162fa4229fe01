"""An upstream that counts who calls it, and a folder of tests that pytest runs, with the plugin and none but it."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
ANSWER = "The capital of Switzerland is Bern."
USAGE = {"input_tokens": 9, "output_tokens": 8}
RunTests = Callable[..., pytest.RunResult]


class Upstream(ThreadingHTTPServer):
    """Speaks as OpenAI does, and streams as Anthropic does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str] = set()  # that came with them

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Upstream

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(question)
        self.server.keys.add((self.headers["Authorization"] or self.headers["x-api-key"]).removeprefix("Bearer "))
        kind, body = ("application/json", chat()) if "/chat/" in self.path else ("text/event-stream", stream())
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def chat() -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [choice],
    }
    return json.dumps(answer).encode()


def stream() -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": USAGE}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWER}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": USAGE},
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run_tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, upstream: Upstream) -> RunTests:
    """Run the tests of `pytester`'s folder whose clients would go to `upstream`, with keys or without."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # whether or not this package is installed
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{upstream.url}/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", upstream.url)

    def run(*arguments: str, key: str | None = "sk-very-secret") -> pytest.RunResult:
        for name in KEYS:
            if key is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, key)
        return pytester.runpytest_inprocess("-p", "recorded_llm.plugin", *arguments)

    return run


def recorded_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
