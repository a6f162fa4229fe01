"""Recordings for the tests of the commands that look at them: those of `recorder demo`, made by the real services.

`SOURCES` are the two ways to them: a running ingest server, and the folder alone.
"""

import http.client
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.commands.conftest import CLI, environment, free_ports

SOURCES = ("server", "folder")
DEMO_EXCHANGES = 6


@dataclass(slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def objects(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]


def run(folder: Path, *arguments: str, **environ: str) -> Ran:
    done = subprocess.run(
        [sys.executable, str(CLI), *arguments],
        cwd=folder,
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@dataclass(slots=True)
class Recordings:
    """A folder with a config.yaml, whose ingest server runs on `port`, and recordings in `logs`."""

    folder: Path
    port: int
    log_dir: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log_dir = self.folder / "logs"

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def ask(self, source: str, *arguments: str, **environ: str) -> Ran:
        """Run a command on one of SOURCES."""
        options = ("--server", self.url) if source == "server" else ("--log-dir", str(self.log_dir))
        return run(self.folder, *arguments, *options, **environ)

    def until(self, count: int) -> None:
        """Wait until the ingest server has indexed so many exchanges, all of them to their ends."""
        deadline = time.monotonic() + 30
        while len(found := self.ask("server", "list", "-n", "1000", "--json").objects) < count or not all(
            each["completed"] or each["error"] for each in found
        ):
            assert time.monotonic() < deadline, found


def hand_in(port: int, model: str, prompt: str, exchange_id: str | None = None) -> str:
    """Give the ingest server an exchange through its simple door; its id."""
    exchange_id = exchange_id or str(uuid.uuid4())
    asked = json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}]})
    said = {"message": {"role": "assistant", "content": f"So: {prompt}"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1200, "completion_tokens": 34, "total_tokens": 1234}
    answered = json.dumps({"object": "chat.completion", "model": model, "choices": [said], "usage": usage})
    head = "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    request = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n{head.format(len(asked))}{asked}"
    response = f"HTTP/1.1 200 OK\r\n{head.format(len(answered))}{answered}"
    client = http.client.HTTPConnection("localhost", port)
    for side, body in (("request", request), ("response", response)):
        client.request("PUT", f"/{exchange_id}/{side}", body.encode())
        assert client.getresponse().read() == b"stored\n"
    client.close()
    return exchange_id


@contextmanager
def recorded(folder: Path) -> Iterator[Recordings]:
    """Those of the demo, and an ingest server that serves them."""
    (port,) = free_ports(1)
    (folder / "config.yaml").write_text(
        f'ingest: {{port: {port}}}\nlogging: {{server_url: "http://localhost:{port}"}}\nroutes: {{}}\n'
    )
    made = run(folder, "demo", "--dir", str(folder))
    assert made.code == 0, made
    with serving(folder):
        recordings = Recordings(folder, port)
        recordings.until(DEMO_EXCHANGES)
        yield recordings


@contextmanager
def serving(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """`recorder ingest` in `folder`."""
    process = subprocess.Popen(
        [sys.executable, str(CLI), "ingest"], cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline()
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()
