"""Recordings to replay, and a server that answers them, for the tests of `recorder replay`."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from replay.exchange_files import write_exchange
from traffic.capture import foreign
from traffic.capture.exchange import RecordedExchange

START_NS = 1_789_265_469_000_000_000
PAID = "https://api.openai.com/v1/chat/completions"


def completion(output_tokens: int = 1000, model: str = "gpt-4o") -> bytes:
    """A thousand output tokens of gpt-4o cost a cent."""
    usage = {"prompt_tokens": 0, "completion_tokens": output_tokens, "total_tokens": output_tokens}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
    return json.dumps({"object": "chat.completion", "model": model, "choices": [choice], "usage": usage}).encode()


def record(folder: Path, port: int, at_ms: float = 0, upstream_url: str | None = None, model: str = "gpt-4o") -> str:
    """A chat that a recorder on `port` has recorded; its id."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": f"at {at_ms}"}]}).encode()
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.example\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nX-Proxy-Path: http://127.0.0.1:%d/up/v1/chat/completions\r\n\r\n%b"
    ) % (len(body), port, body)
    answer = completion(model=model)
    response = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
    facts = foreign.describe(request, response, START_NS + round(at_ms * 1_000_000))
    folder.mkdir(exist_ok=True)
    write_exchange(folder, RecordedExchange(replace(facts, upstream_url=upstream_url), request, response))
    return facts.id


@dataclass(slots=True)
class Answering:
    """`answer` is called for each request, in a thread of its own."""

    answer: Callable[["Answering"], bytes]
    port: int = 0
    bodies: list[bytes] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, head: dict[str, str], body: bytes) -> None:
        with self.changed:
            self.heads.append(head)
            self.bodies.append(body)
            self.changed.notify_all()

    def until(self, count: int) -> None:
        """So many requests are there."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.bodies) >= count, timeout=20)


@contextmanager
def answering(answer: Callable[[Answering], bytes] = lambda _: completion()) -> Iterator[Answering]:
    state = Answering(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            state.take(dict(self.headers), self.rfile.read(int(self.headers["Content-Length"])))
            said = state.answer(state)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            with suppress(ConnectionError):  # the client may have given up
                self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
