"""Runs `python cli.py …` as a real process in a folder of its own, and ends whatever a test leaves running."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CLI = Path(__file__).parent.parent.parent / "cli.py"

Start = Callable[..., "subprocess.Popen[str]"]


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"RECORDER_LOG", "CONFIG_PATH"}}
    return {**kept, **changes}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `recorder ARGUMENTS` in `tmp_path`, with pipes."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*arguments: str, **environ: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(CLI), *arguments],
            cwd=tmp_path,
            env=environment(**environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def recorder(start: Start) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run `recorder ARGUMENTS` to its end."""

    def run(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        process = start(*arguments, **environ)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    return run


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def config(tmp_path: Path) -> tuple[int, int]:
    """A config.yaml in `tmp_path`; the ports of its recorder and its ingest server."""
    recorder_port, ingest_port, upstream_port = free_ports(3)
    (tmp_path / "config.yaml").write_text(
        f"server: {{port: {recorder_port}}}\n"
        f"ingest: {{port: {ingest_port}}}\n"
        f'logging: {{server_url: "http://localhost:{ingest_port}"}}\n'
        "routes:\n"
        f'  lmstudio: {{pattern: "/lmstudio/", destination: "http://127.0.0.1:{upstream_port}/"}}\n'
        '  quiet: {pattern: "/quiet/", destination: "https://api.openai.com/v1/", logging: false}\n'
        '  claude: {pattern: "/claude/", destination: "https://api.anthropic.com/"}\n'
    )
    return recorder_port, ingest_port


@pytest.fixture
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, for a config.yaml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
