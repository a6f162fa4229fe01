"""recorder up: two supervised processes that start, stop, come back, and never outlive it."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.commands.conftest import Start

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def read_start(process: "subprocess.Popen[str]", lines: int = 5) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(lines)]


def health(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/health")
    status = connection.getresponse().status
    connection.close()
    return status


def test_start_prints_the_base_urls_and_both_services_answer(
    start: Start, config: tuple[int, int], tmp_path: Path
) -> None:
    process = start("up")
    recorder_port, ingest_port = config
    upstream = (tmp_path / "config.yaml").read_text().partition('destination: "')[2].partition('"')[0]
    base = f"http://localhost:{recorder_port}"
    assert read_start(process) == [
        f"ingest server listens on http://localhost:{ingest_port}; recordings go to {tmp_path}/logs\n",
        f"recorder listens on {base}\n",
        f"  /lmstudio/  {upstream:26}  OPENAI_BASE_URL={base}/lmstudio/v1\n",
        f"  /quiet/     https://api.openai.com/v1/  OPENAI_BASE_URL={base}/quiet  [no-log]\n",
        f"  /claude/    https://api.anthropic.com/  ANTHROPIC_BASE_URL={base}/claude\n",
    ]
    assert [health(recorder_port), health(ingest_port)] == [200, 200]


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_and_exits_0(start: Start, number: signal.Signals) -> None:
    process = start("up")
    read_start(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert out == "recorded 0 exchanges, 0 B; lost 0\n"


def test_without_a_configuration_a_message_says_so(start: Start) -> None:
    process = start("up")
    assert process.stderr is not None
    assert process.stderr.readline() == (
        "warning: there is no config.yaml here, so the built-in defaults apply; `recorder init` writes them to a file\n"
    )


@pytest.mark.parametrize(("index", "key"), [(0, "server.port"), (1, "ingest.port")])
def test_a_port_in_use_stops_everything_and_is_one_line_that_names_the_key(
    recorder: Run, config: tuple[int, int], index: int, key: str
) -> None:
    port = config[index]
    with socket.create_server(("127.0.0.1", port)):
        found = recorder("up")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        f"Error: {key}: localhost:{port} is already in use; stop what uses it, or set another {key}\n"
    )


def test_children_end_when_up_is_killed(start: Start, config: tuple[int, int]) -> None:
    """Their stdout is the test's pipe: it ends when the last of them has ended."""
    process = start("up")
    read_start(process)
    process.kill()
    assert process.stdout is not None
    assert process.stdout.read() == "recorded 0 exchanges, 0 B; lost 0\n"
    for port in config:
        with pytest.raises(ConnectionRefusedError):
            health(port)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the children in /proc")
def test_a_killed_child_comes_back(start: Start, config: tuple[int, int]) -> None:
    process = start("up")
    read_start(process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (proxy,) = [pid for pid in children if b"\0proxy\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(int(proxy), signal.SIGKILL)
    assert process.stderr is not None
    assert "proxy was ended by SIGKILL; it is started again in 0." in process.stderr.readline()
    while not (line := process.stderr.readline()).endswith("proxy runs again\n"):
        assert line  # what the new one tells
    assert health(config[0]) == 200


def test_a_line_per_call_comes_between_the_console_lines_and_mixes_with_none(
    start: Start, config: tuple[int, int], tmp_path: Path
) -> None:
    """Prompts of any length, from many clients at once, through one pipe that is read late."""
    count, prompts = 40, ["short", "x" * 3_000, "語" * 50_000]
    with ThreadingHTTPServer(("127.0.0.1", 0), _Model) as upstream:
        serving = threading.Thread(target=upstream.serve_forever)
        serving.start()
        path = tmp_path / "config.yaml"
        route = f'routes: {{m: {{pattern: /m/, destination: "http://127.0.0.1:{upstream.server_address[1]}/"}}}}\n'
        text = path.read_text().partition("routes:")[0] + route
        path.write_text(text.replace("logging: {", "logging: {metrics: true, "))
        process = start("up")
        read_start(process, 3)
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda number: _ask(config[0], prompts[number % 3]), range(count)))
        assert process.stdout is not None
        lines: list[str] = []
        while sum(line.startswith("{") for line in lines) < count:
            lines.append(process.stdout.readline())
            assert lines[-1].endswith("\n"), lines[-1]
        upstream.shutdown()
        serving.join()
    calls = [json.loads(line) for line in lines if line.startswith("{")]
    assert {(call["model"], call["prompt_tokens"], call["completion_tokens"]) for call in calls} == {("m-1", 3, 4)}
    assert {call["prompt"] for call in calls if len(call["prompt"]) < 3_001} >= {"short", "x" * 3_000}
    assert all(prompts[2].startswith(call["prompt"].rstrip("…")) for call in calls if "語" in call["prompt"])
    others = [line for line in lines if not line.startswith("{")]
    console = re.compile(r"\d{4}-\d\d-\d\d \S+ \[[0-9a-f]{8}\] (POST /m/\S+ -> \S+ \[log\]|200 [^{}]+)\n")
    assert [line for line in others if not console.fullmatch(line)] == [], "console lines are whole"


class _Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "a"}
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        answer = {"id": "1", "object": "chat.completion", "model": "m-1", "choices": choices, "usage": usage}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _ask(port: int, prompt: str) -> None:
    body = json.dumps({"model": "m-1", "messages": [{"role": "user", "content": prompt}]})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/m/v1/chat/completions", body, {"Content-Type": "application/json"})
    assert connection.getresponse().read()
    connection.close()
