"""recorder play as a process: recordings in the place of their upstreams, misses explained, forwarded or recorded."""

import http.client
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from replay.exchange_files import write_exchange
from replay.play.library import Library
from tests.commands.conftest import CLI, Start, environment, free_ports
from tests.replay.play.made import CHAT, chat, exchange, library, ok, recorded, request

PROBLEMS = (
    (["empty"], 1, "empty: there are no recordings; --on-miss record makes some"),
    (["half"], 1, "half: none of the 1 exchanges has a whole request and an answer"),
    (
        ["logs", "--speed", "fast"],
        2,
        "Invalid value for '--speed': expected a speed such as 1x, 10x or 0.5x, or instant; got 'fast'",
    ),
    (["logs", "--ignore", "a[["], 2, "Invalid value for '--ignore': 'a[[' is no JSON path"),
    (
        ["logs", "empty", "--on-miss", "record"],
        2,
        "--on-miss record adds to a folder of recordings: give one, and nothing else",
    ),
    (
        ["logs", "--host", "0.0.0.0"],
        2,
        "other machines reach 0.0.0.0, and the player asks for no keys: listen on localhost; --insecure-public-bind",
    ),
    (["logs", "--host", "no-such.invalid"], 1, "no-such.invalid:0: "),
    (["nowhere"], 1, "nowhere: no such file, and no recording whose files begin so"),
)
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Playing = tuple["subprocess.Popen[str]", int, str]


def playing(start: Start, *arguments: str) -> Playing:
    """The process, its port, and what it says at first."""
    process = start("play", *arguments, "--port", "0")
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.search(r"localhost:(\d+)", line)
    assert match is not None, (line, process.communicate(timeout=20))
    return process, int(match[1]), line.replace(match[0], "HERE")


def post(port: int, document: Any, path: str = CHAT) -> tuple[int, bytes]:
    client = http.client.HTTPConnection("localhost", port, timeout=20)
    sent = request(document).partition(b"\r\n\r\n")[2]
    client.request("POST", path, sent, {"Content-Type": "application/json"})
    response = client.getresponse()
    found = response.status, response.read()
    client.close()
    return found


def end(process: "subprocess.Popen[str]") -> tuple[list[str], str]:
    """Stop it; its lines without their times, and what it said on stderr."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    return re.sub(r"(?m)^\d\d:\d\d:\d\d ", "", out).splitlines(), err


@contextmanager
def upstream(answer: bytes, port: int = 0) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def routed(folder: Path, port: int) -> None:
    (free,) = free_ports(1)
    (folder / "config.yaml").write_text(
        f'ingest: {{port: {free}}}\nlogging: {{server_url: "http://localhost:{free}"}}\n'
        f'routes:\n  openai: {{pattern: "/openai/", destination: "http://127.0.0.1:{port}/"}}\n'
    )


def test_a_folder_is_played_with_a_line_per_answer_and_misses_on_stderr(start: Start, tmp_path: Path) -> None:
    library(
        tmp_path / "logs",
        exchange(recorded(request(chat("a"))), ok(b"one"), 0),
        exchange(recorded(request(chat("a"))), ok(b"two"), 1),
        exchange(recorded(request(chat("b", user="me"))), b"HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n", 2),
        exchange(request(chat("c")), b"", 3),
    )
    process, port, line = playing(start, "logs", "--speed", "10x")
    left_out = "1 without a whole request or an answer are left out"
    assert line == f"plays 3 recordings of logs at http://HERE, at 10x; {left_out}\n"
    assert [post(port, chat("a")), post(port, chat("a"), f"/openai{CHAT}")] == [(200, b"one"), (200, b"one")]
    assert [post(port, chat("a")), post(port, chat("b", user="you"))] == [(200, b"two"), (429, b"")]
    status, body = post(port, chat("d"))
    lines, err = end(process)
    assert lines == [
        f"POST {CHAT} 200 exact 00000001 (1 of 2)",
        f"POST /openai{CHAT} 200 exact 00000001 (1 of 2)",
        f"POST {CHAT} 200 exact 00000002 (2 of 2)",
        f"POST {CHAT} 429 masked 00000003",
        f"POST {CHAT} 404 miss",
    ]
    text = f"no recording answers POST {CHAT}: the nearest, 00000001 of 2026-09-13 02:11:00, differs at "
    assert err.startswith(f"miss: {text}")
    assert status == 404
    assert text.encode() in body


def test_ids_and_queries_select_what_is_played_and_masks_widen_it(start: Start, tmp_path: Path) -> None:
    for number, said in enumerate("abc"):
        write_exchange(
            _made(tmp_path / "logs"), exchange(recorded(request(chat(said, n=1))), ok(said.encode()), number)
        )
    process, port, line = playing(start, "00000002", "last~1", "--log-dir", "logs", "--ignore", "n", "-q")
    assert line == "plays 1 recording of 00000002 and 1 more at http://HERE, at 1x\n"
    assert [post(port, chat("b", n=2))[0], post(port, chat("a", n=1))[0]] == [200, 404]
    lines, err = end(process)
    assert (lines, err.count("miss: ")) == ([], 1)
    process, port, line = playing(start, "--query", "model=tiny status=200", "--log-dir", "logs", "--speed", "instant")
    assert line == "plays 3 recordings of the query at http://HERE, without waiting\n"
    assert post(port, chat("a", n=1)) == (200, b"a")
    end(process)


def test_misses_go_to_the_upstream_by_the_configured_routes(start: Start, tmp_path: Path) -> None:
    library(tmp_path / "logs", exchange(recorded(request(chat("a"))), ok(b"recorded")))
    with upstream(b"live") as upstream_port:
        routed(tmp_path, upstream_port)
        process, port, _ = playing(start, "logs", "--on-miss", "forward", "--speed", "instant")
        assert post(port, chat("a"), f"/openai{CHAT}") == (200, b"recorded")
        assert post(port, chat("b"), f"/openai{CHAT}") == (200, b"live")
        assert post(port, chat("b"), "/nowhere")[0] == 404
        lines, _ = end(process)
    assert lines == [
        f"POST /openai{CHAT} 200 exact 00000001",
        f"POST /openai{CHAT} 200 forwarded",
        "POST /nowhere 404 forwarded",
    ]
    assert len(list((tmp_path / "logs").glob("*_request.bin"))) == 1


def test_misses_are_recorded_and_played_from_then_on_also_without_the_upstream(
    start: Start, recorder: Run, tmp_path: Path
) -> None:
    with upstream(b"live") as upstream_port:
        routed(tmp_path, upstream_port)
        process, port, line = playing(start, "cassette", "--on-miss", "record", "--speed", "instant")
        assert line == "plays 0 recordings of cassette at http://HERE, without waiting\n"
        assert [post(port, chat("a"), f"/openai{CHAT}") for _ in range(2)] == [(200, b"live")] * 2
        lines, _ = end(process)
    (entry,) = Library(tmp_path / "cassette").entries or library(tmp_path / "cassette").entries
    assert lines == [f"POST /openai{CHAT} 200 forwarded", f"POST /openai{CHAT} 200 exact {entry.id[:8]}"]
    assert entry.read().metadata.route == "openai"
    assert recorder("verify", "--log-dir", "cassette").returncode == 0
    process, port, _ = playing(start, "cassette")
    assert post(port, chat("a")) == (200, b"live")
    assert post(port, chat("a"), f"/openai{CHAT}") == (200, b"live")
    end(process)


def test_an_upstream_that_could_not_be_reached_is_asked_again(start: Start, tmp_path: Path) -> None:
    (there,) = free_ports(1)
    routed(tmp_path, there)
    process, port, _ = playing(start, "cassette", "--on-miss", "record")
    assert post(port, chat("a"), f"/openai{CHAT}")[0] == 502
    with upstream(b"live", there):
        assert post(port, chat("a"), f"/openai{CHAT}") == (200, b"live")
    assert post(port, chat("a"), f"/openai{CHAT}") == (200, b"live")
    lines, _ = end(process)
    assert [line.split()[2:4] for line in lines] == [["502", "forwarded"], ["200", "forwarded"], ["200", "exact"]]


def test_nobody_has_to_read_the_lines(start: Start, tmp_path: Path) -> None:
    """Misses are told nevertheless."""
    library(tmp_path / "logs", exchange(request(chat("a")), ok()))
    process, port, _ = playing(start, "logs")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    for said in ("b", "a", "c"):
        post(port, chat(said))
        if said != "a":
            assert f'differs at messages[0].content ("{said}" here' in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.stderr.read() == ""


def test_what_cannot_be_played_says_why(recorder: Run, tmp_path: Path) -> None:
    _made(tmp_path / "empty")
    library(tmp_path / "half", exchange(request(chat("a")), b""))
    library(tmp_path / "logs", exchange(request(chat("a")), ok()))
    for arguments, code, problem in PROBLEMS:
        found = recorder("play", *arguments, "--port", "0")
        assert (found.returncode, found.stdout) == (code, ""), found
        assert f"Error: {problem}" in found.stderr


def test_what_cannot_be_unpacked_for_want_of_space_says_so(tmp_path: Path) -> None:
    made = library(tmp_path / "logs", exchange(request(chat("a")), ok(b"x" * 10_000)))
    command = [sys.executable, str(CLI), "play", f"{made.entries[0].path}_request.bin", "--port", "0"]
    found = subprocess.run(
        ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path)),
        timeout=30,
        check=False,
    )
    assert found.returncode == 1
    problem = r"Error: what is to be played cannot be unpacked to \S+: File too large; TMPDIR names another place\n"
    assert re.fullmatch(problem, found.stderr), found.stderr
    assert not list(tmp_path.glob("recorder-play-*"))


def test_a_port_in_use_is_named(start: Start, recorder: Run, tmp_path: Path) -> None:
    library(tmp_path / "logs", exchange(request(chat("a")), ok()))
    _, port, _ = playing(start, "logs")
    found = recorder("play", "logs", "--port", str(port))
    assert (found.returncode, found.stdout) == (1, "")
    assert (
        found.stderr
        == f"Error: localhost:{port} is already in use, as by a recorder; stop that, or give another --port\n"
    )


def test_recording_into_a_folder_that_an_ingest_server_writes_is_refused(
    start: Start, recorder: Run, tmp_path: Path
) -> None:
    routed(tmp_path, 9)
    process = start("ingest")
    assert process.stdout is not None
    assert process.stdout.readline()
    found = recorder("play", "logs", "--on-miss", "record", "--port", "0")
    assert found.returncode == 1
    assert "is in use by another ingest server" in found.stderr


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_exits_0(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    library(tmp_path / "logs", exchange(request(chat("a")), ok()))
    process, _, _ = playing(start, "logs")
    process.send_signal(number)
    assert process.wait(20) == 0
