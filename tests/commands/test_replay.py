"""recorder replay as a process: the answer on stdout as it arrives, all else on stderr."""

import gzip
import http.client
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.conftest import Start
from tests.commands.test_up import read_start

Run = Callable[..., "subprocess.CompletedProcess[str]"]
GET = b"GET /v1/models HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer [secret:0123abcd]\r\n\r\n"
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nSet-Cookie: id=topsecret\r\nX: \xc2\x9b\r\n\r\n"


def chat(**fields: object) -> bytes:
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], **fields}).encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


class Upstream:
    """Takes one request; the test says what it answers."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(30)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def accept(self) -> tuple[socket.socket, bytes]:
        connection, _ = self._server.accept()
        return connection, connection.recv(65_536)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    found = Upstream()
    yield found
    found.close()


def test_text_and_plain_bodies_and_raw_bytes_are_on_stdout_before_the_answer_ends(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    (tmp_path / "chat_request.bin").write_bytes(chat(stream=True))
    (tmp_path / "get_request.bin").write_bytes(GET)
    cases: list[tuple[str, list[str], bytes, str, str]] = [
        ("chat_request.bin", [], event("first\n"), "first\n", "second\n"),
        ("chat_request.bin", ["--raw"], event("first")[:-1], event("first")[:-1].decode(), event("second").decode()),
        ("get_request.bin", [], b"first\n", "first\n", event("second").decode()),
    ]
    for file, options, piece, first, last in cases:
        process = start("replay", file, "--to", upstream.url, *options)
        connection, _ = upstream.accept()
        with connection:
            connection.sendall(SSE + piece)
            assert process.stdout is not None
            assert process.stdout.readline() == first
            connection.sendall(event("second"))
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, last), err


def test_what_is_told_beside_the_answer_holds_no_secret(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    (tmp_path / "get_request.bin").write_bytes(GET)
    process = start("replay", "get_request.bin", "--to", upstream.url, "--raw", "--header", "X-Mine: sk-mine")
    connection, received = upstream.accept()
    with connection:
        connection.sendall(SSE)
    _, err = process.communicate(timeout=30)
    sent = GET.replace(b"api.example", upstream.url[7:].encode()).removesuffix(b"\r\n") + b"X-Mine: sk-mine\r\n\r\n"
    assert received == sent
    lines = err.splitlines()
    assert lines[:4] == [
        f"-- Authorization goes as it was recorded, [secret:0123abcd]: {upstream.url} is this machine",
        f"-- GET {upstream.url}/v1/models, {len(sent)} bytes",
        "HTTP/1.1 200 OK",
        "Content-Type: text/event-stream",
    ]
    assert lines[4].startswith("Set-Cookie: [secret:")
    assert lines[5:7] == ["X: \\x9b", ""]
    assert lines[7].startswith(f"-- {len(SSE)} bytes in ")
    assert "sk-mine" not in err
    assert "topsecret" not in err


def test_bodies_and_heads_are_edited(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    (tmp_path / "chat_request.bin").write_bytes(chat().replace(b"Host: a", b"Host: a\r\nX-Old: 1"))
    (tmp_path / "prompt.txt").write_text("Hello, = @ you")
    (tmp_path / "tools.json").write_text('[{"type": "function"}]')
    options = ["--set", "messages[?@.role=='user'].content=@prompt.txt", "--set", "tools=@tools.json"]
    options += ["--set", "temperature=0", "--set", "model=gpt-4o-mini", "--set", 'stop="3"', "--set", "user=NaN"]
    options += ["--drop-header", "x-old", "--header", "X-Bytes: \udcff"]
    process = start("replay", "chat_request.bin", "--to", upstream.url, *options)
    connection, received = upstream.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert process.wait(30) == 0
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"X-Old" not in head
    assert head.endswith(b"Content-Length: %d\r\nX-Bytes: \xff" % len(body))
    assert json.loads(body) == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Hello, = @ you"}],
        "tools": [{"type": "function"}],
        "temperature": 0,
        "stop": "3",
        "user": "NaN",
    }


def test_several_are_sent_one_after_the_other(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}_request.bin").write_bytes(chat(user=name))
    process = start("replay", "b_request.bin", "a_request.bin", "--to", upstream.url)
    for name in ("b", "a"):
        connection, received = upstream.accept()
        with connection:
            assert f'"user": "{name}"'.encode() in received
            answer = json.dumps({"choices": [{"message": {"content": f"I am {name}"}}]})
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + answer.encode())
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "I am b\nI am a\n")


@pytest.mark.usefixtures("config")
def test_what_goes_wrong_exits_1_with_the_reason_and_sends_nothing(recorder: Run, tmp_path: Path) -> None:
    (tmp_path / "a_request.bin").write_bytes(GET)
    wants = "Authorization is redacted in the recording, and {} wants it: {}give --header 'Authorization: Bearer ...' "
    drops = "(--drop-header Authorization sends none)"
    for arguments, problem in (
        (["a_request.bin", "--to", "https://api.example"], wants.format("https://api.example", "") + drops),
        (
            ["a_request.bin", "--to", "quiet"],
            wants.format("https://api.openai.com", "set OPENAI_API_KEY or routes.quiet.key, or ") + drops,
        ),
        (["a_request.bin"], "the recording has no X-Proxy-Path line that tells where it was sent; give --to URL"),
        (["a_request.bin", "--direct"], "the recording does not tell to which upstream it went; give --to URL"),
        (
            ["none_request.bin"],
            "none_request.bin: no such file; an id has four or more hex digits, or is last or last~2",
        ),
    ):
        found = recorder("replay", *arguments, OPENAI_API_KEY="")
        assert (found.returncode, found.stdout, found.stderr) == (1, "", f"Error: {problem}\n")


def test_wrong_options_exit_2_and_do_not_repeat_a_secret(recorder: Run, tmp_path: Path) -> None:
    (tmp_path / "a_request.bin").write_bytes(GET)
    (tmp_path / "bad.json").write_text("{")
    for arguments, problem in (
        ([], "say what to send again: an ID, as last, a PATH, or --query"),
        (["a_request.bin", "--header", "sk-secret"], "--header takes NAME:VALUE"),
        (["a_request.bin", "--param", "sk-secret"], "--param takes NAME=VALUE"),
        (
            ["a_request.bin", "--header", "Content-Length: 5"],
            "Content-Length is not yours to change: it is put right by itself",
        ),
        (["a_request.bin", "--to", "http://a", "--via", "http://b"], "--to, --via and --direct exclude each other"),
        (
            ["a_request.bin", "--set", "model"],
            "Invalid value for '--set': expected PATH=VALUE, as in temperature=0 or messages[-1].content=@prompt.txt",
        ),
        (["a_request.bin", "--set", "a=@none"], "Invalid value for '--set': none: No such file or directory"),
    ):
        found = recorder("replay", *arguments)
        assert found.returncode == 2
        assert found.stderr.endswith(f"Error: {problem}\n")
        assert "sk-secret" not in found.stderr
    found = recorder("replay", "a_request.bin", "--set", "a=@bad.json")
    assert "Invalid value for '--set': bad.json: not JSON: Expecting property name" in found.stderr


@pytest.mark.usefixtures("config")
def test_the_newest_exchange_is_replayed_through_the_running_recorder_and_the_replay_names_it(
    start: Start, recorder: Run, tmp_path: Path
) -> None:
    up = start("up")
    base = read_start(up)[1].split()[-1]
    with closing(http.client.HTTPConnection(base.removeprefix("http://"))) as client:
        client.request("POST", "/lmstudio/v1/x?y=1", b"{}", {"Authorization": "Bearer sk-of-the-client"})
        assert client.getresponse().status == 502
    original = wait_for_newest(recorder, count=1)
    found = recorder("replay", "last", "--header", "X-New: 1")
    assert (found.returncode, found.stdout.partition(":")[0]) == (0, "upstream_refused"), found.stderr
    assert found.stderr.splitlines()[1].startswith(f"-- POST {base}/lmstudio/v1/x?y=1, ")
    repeated = wait_for_newest(recorder, count=2)
    assert f"\nrepeats {original}\n" in recorder("show", repeated).stdout
    up.send_signal(signal.SIGTERM)
    assert up.wait(30) == 0
    first, second = (path.read_bytes() for path in sorted((tmp_path / "logs").glob("*_request.bin")))
    assert second == first.replace(b"\r\nX-Proxy-Path", b"\r\nX-New: 1\r\nX-Proxy-Path")


def wait_for_newest(recorder: Run, *, count: int) -> str:
    """Its id, once so many have ended and are in the index."""
    deadline = time.monotonic() + 30
    while len(found := [json.loads(line) for line in recorder("list", "--json").stdout.splitlines()]) < count:
        assert time.monotonic() < deadline
    return str(found[0]["id"])


def test_ctrl_c_exits_130(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    (tmp_path / "a_request.bin").write_bytes(GET)
    process = start("replay", "a_request.bin", "--to", upstream.url)
    connection, _ = upstream.accept()
    with connection:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_a_cut_answer_shows_what_came_and_exits_1(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    (tmp_path / "a_request.bin").write_bytes(chat(stream=True))
    process = start("replay", "a_request.bin", "--to", upstream.url)
    connection, _ = upstream.accept()
    with connection:
        connection.sendall(SSE.replace(b"X:", b"Content-Length: 999\r\nX:") + event("so far"))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "so far\n")
    assert err.splitlines()[-1].startswith("Error: the answer was cut after ")


def test_what_is_compressed_is_shown_plain_and_what_cannot_be_undone_as_it_is(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    (tmp_path / "a_request.bin").write_bytes(chat(stream=True))
    packed = SSE.replace(b"X:", b"Content-Encoding: gzip\r\nX:")
    for head, body, expected, told in (
        (packed, gzip.compress(event("plain")), "plain\n", ""),
        (packed, b"no gzip", "no gzip", "-- the answer's compression cannot be undone: Error -3"),
        (packed.replace(b"gzip", b"odd"), b"odd", "odd", "-- unknown content coding 'odd'; its bytes are shown"),
    ):
        process = start("replay", "a_request.bin", "--to", upstream.url)
        connection, _ = upstream.accept()
        with connection:
            connection.sendall(head + body)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, expected)
        assert told in err
