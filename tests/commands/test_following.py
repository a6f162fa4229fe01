"""tail and list --follow: what comes is shown as it comes, also over an ingest server that goes and comes back."""

import json
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.commands.conftest import Start, free_ports
from tests.commands.recordings import hand_in, serving


def line_of(process: "subprocess.Popen[str]", stream: str = "stdout") -> str:
    pipe = getattr(process, stream)
    line = str(pipe.readline())
    assert line, (process.poll(), process.stderr.read() if process.stderr else "")
    return line


def is_silent(process: "subprocess.Popen[str]") -> bool:
    """Nothing of it waits to be read."""
    assert process.stdout is not None
    return not select.select([process.stdout], [], [], 0)[0]


@pytest.fixture
def port(tmp_path: Path) -> int:
    (found,) = free_ports(1)
    (tmp_path / "config.yaml").write_text(
        f'ingest: {{port: {found}}}\nlogging: {{server_url: "http://localhost:{found}"}}\nroutes: {{}}\n'
    )
    return found


def test_tail_shows_each_exchange_start_end_and_what_was_said(start: Start, tmp_path: Path, port: int) -> None:
    with serving(tmp_path):
        tail = start("tail")
        assert line_of(tail, "stderr") == f"listening to http://localhost:{port}\n"
        exchange_id = hand_in(port, "gpt-4o", "What do you record?")
        started, finished, said = (line_of(tail) for _ in range(3))
        assert started[10:] == f"{exchange_id[:8]}  ▶ handed in by another program\n"
        assert finished[10:24] == f"{exchange_id[:8]}  ■ 200"[:14]
        assert said[10:].startswith(f"{exchange_id[:8]}  ● gpt-4o  1.2k in, 34 out  ")
        assert said.endswith("  What do you record?\n")
        tail.send_signal(signal.SIGINT)
        assert tail.wait(timeout=20) == 130
        assert tail.stderr is not None
        assert tail.stderr.read() == ""


def test_tail_listens_again_when_the_server_is_back(start: Start, tmp_path: Path, port: int) -> None:
    with serving(tmp_path):
        tail = start("tail", "--json")
        assert line_of(tail, "stderr") == f"listening to http://localhost:{port}\n"
    assert line_of(tail, "stderr") == "the connection was closed: trying again\n"
    with serving(tmp_path):
        assert line_of(tail, "stderr") == f"listening to http://localhost:{port}\n"
        exchange_id = hand_in(port, "gpt-4o", "Are you there?")
        events = [json.loads(line_of(tail)) for _ in range(3)]
        assert [(each["event"], each["id"]) for each in events] == [
            ("started", exchange_id),
            ("finished", exchange_id),
            ("call", exchange_id),
        ]


def test_tail_needs_a_server_that_answers_at_first(start: Start, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    process = start("tail", "--server", url)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == (
        f"Error: the ingest server at {url} does not answer: Connection refused\n"
        "`recorder up` starts it; --log-dir reads a folder of recordings without one\n"
    )


@pytest.mark.parametrize("source", ["server", "folder"])
def test_list_follows_those_that_pass_its_filters(start: Start, tmp_path: Path, port: int, source: str) -> None:
    """Of a folder that has an ingest server, and of a copy of it that has none."""
    with serving(tmp_path):
        first = hand_in(port, "gpt-4o", "first")
        options = ["--server", f"http://localhost:{port}"]
        if source == "folder":
            (tmp_path / "copy").mkdir()
            _copy(tmp_path)
            options = ["--log-dir", "copy"]
        else:
            _until_listed(start, first)
        follower = start("list", "--follow", "--json", "--model", "gpt-4o", *options)
        assert json.loads(line_of(follower))["id"] == first
        hand_in(port, "other", "passed over")
        second = hand_in(port, "gpt-4o", "second")
        if source == "folder":
            _copy(tmp_path)
        assert json.loads(line_of(follower))["id"] == second
        assert is_silent(follower)
        follower.send_signal(signal.SIGINT)
        assert follower.wait(timeout=20) == 130


def test_of_a_folder_only_what_ends_is_told_and_once(start: Start, tmp_path: Path, port: int) -> None:
    """An exchange whose end was not recorded is read each time, as it may end yet."""
    with serving(tmp_path):
        hand_in(port, "gpt-4o", "without an end")
    (tmp_path / "copy").mkdir()
    _copy(tmp_path)
    (metadata,) = (tmp_path / "copy").glob("*_metadata.json")
    metadata.write_bytes(metadata.read_bytes().replace(b'"completed":true', b'"completed":false'))
    tail = start("tail", "--log-dir", "copy")
    assert line_of(tail, "stderr") == "listening to copy\n"
    with serving(tmp_path):
        second = hand_in(port, "gpt-4o", "second")
    _copy(tmp_path, second[:8])
    assert line_of(tail)[10:18] == second[:8]
    _copy(tmp_path)
    assert line_of(tail).endswith("  without an end\n")
    assert is_silent(tail)


def test_list_follows_over_a_server_that_goes_and_comes_back(start: Start, tmp_path: Path, port: int) -> None:
    with serving(tmp_path):
        first = hand_in(port, "gpt-4o", "first")
        _until_listed(start, first)
        follower = start("list", "-f")
        assert line_of(follower).startswith("time (UTC) ")
        assert first in line_of(follower)
    assert line_of(follower, "stderr") == "the connection was closed: trying again\n"
    with serving(tmp_path):
        second = hand_in(port, "gpt-4o", "second")
        assert second in line_of(follower)


def _until_listed(start: Start, exchange_id: str) -> None:
    deadline = time.monotonic() + 30
    while exchange_id not in start("list").communicate(timeout=60)[0]:
        assert time.monotonic() < deadline


def _copy(folder: Path, which: str = "") -> None:
    """The metadata last, as the ingest server writes it."""
    for part in ("request.bin", "response.bin", "metadata.json"):
        for file in (folder / "logs").glob(f"2*{which}_{part}"):
            (folder / "copy" / file.name).write_bytes(file.read_bytes())
