"""recorder replay as a process: the body on stdout as it arrives, all else on stderr."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Start
from tests.commands.test_up import read_start

Run = Callable[..., "subprocess.CompletedProcess[str]"]
RECORDED = b"GET /v1/models HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer [secret:0123abcd]\r\n\r\n"
REDACTED = (
    "the recording's secrets are redacted, and api.example is not this machine; "
    "give --header 'Authorization: Bearer ...'"
)


def test_the_body_is_on_stdout_before_the_answer_ends(start: Start, tmp_path: Path) -> None:
    (tmp_path / "a_request.bin").write_bytes(RECORDED)
    with socket.create_server(("127.0.0.1", 0)) as server:
        origin = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = start("replay", "a_request.bin", "--to", origin)
        connection, _ = server.accept()
        with connection:
            assert connection.recv(65_536) == RECORDED.replace(b"api.example", origin[7:].encode())
            connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: id=topsecret\r\nX: \xc2\x9b\r\n\r\nfirst\n")
            assert process.stdout is not None
            assert process.stdout.readline() == "first\n"
            connection.sendall(b"second\n")
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "second\n")
    assert err.startswith(
        f"-- GET to {origin}, {len(RECORDED) - len('api.example') + len(origin[7:])} bytes\n"
        "-- its secrets are redacted and go as they stand in the recording\n"
        "HTTP/1.1 200 OK\nSet-Cookie: [secret:"
    )
    assert err.endswith("]\nX: \\x9b\n\n")


def test_what_goes_wrong_exits_1_with_the_reason(recorder: Run, tmp_path: Path) -> None:
    (tmp_path / "a_request.bin").write_bytes(RECORDED)
    for arguments, problem in (
        (
            ["a_request.bin", "--to", "https://api.example"],
            REDACTED,
        ),
        (
            ["a_request.bin"],
            "the recording has no X-Proxy-Path line that tells where it was sent; give --to URL",
        ),
        (["none.bin"], "none.bin: No such file or directory"),
    ):
        found = recorder("replay", *arguments)
        assert (found.returncode, found.stdout, found.stderr) == (1, "", f"Error: {problem}\n")


def test_wrong_options_exit_2_and_do_not_repeat_a_secret(recorder: Run, tmp_path: Path) -> None:
    (tmp_path / "a_request.bin").write_bytes(RECORDED)
    found = recorder("replay", "a_request.bin", "--header", "sk-secret")
    assert found.returncode == 2
    assert found.stderr.endswith("Error: --header takes NAME:VALUE\n")
    assert "sk-secret" not in found.stderr
    found = recorder("replay", "a_request.bin", "--to", "http://a", "--via", "http://b")
    assert found.returncode == 2
    assert found.stderr.endswith("Error: --to and --via exclude each other\n")


def test_ctrl_c_exits_130(start: Start, tmp_path: Path) -> None:
    (tmp_path / "a_request.bin").write_bytes(RECORDED)
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = start("replay", "a_request.bin", "--to", f"http://127.0.0.1:{server.getsockname()[1]}")
        connection, _ = server.accept()
        with connection:
            assert connection.recv(1)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130


@pytest.mark.usefixtures("config")
def test_a_recording_is_replayed_through_the_recorder_and_recorded_anew(
    start: Start, recorder: Run, tmp_path: Path
) -> None:
    calls = "import http.client, os, urllib.parse as u\n"
    calls += "c = http.client.HTTPConnection(u.urlsplit(os.environ['OPENAI_BASE_URL']).netloc)\n"
    calls += "c.request('POST', '/lmstudio/v1/x?y=1', b'{}'); print(c.getresponse().status)\n"
    assert recorder("run", "--", sys.executable, "-c", calls).stdout == "502\n"
    (recording,) = (tmp_path / "logs").glob("*_request.bin")
    up = start("up")
    lines = read_start(up)
    found = recorder("replay", str(recording))
    assert found.returncode == 0
    assert lines[1] == f"recorder listens on {found.stderr.split()[3].rstrip(',')}\n"
    assert found.stdout.startswith("upstream_refused: ")
    up.send_signal(signal.SIGTERM)
    assert up.wait(30) == 0
    first, second = (path.read_bytes() for path in (tmp_path / "logs").glob("*_request.bin"))
    assert first == second
