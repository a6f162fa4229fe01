"""recorder show: what people read of a recording, and what a hostile one cannot do."""

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import cli
from commands.recording_text import render
from traffic.capture.recording import read_recording

Run = Callable[..., "subprocess.CompletedProcess[str]"]
OK = b"HTTP/1.1 200 OK\r\n"


def shown(raw: bytes) -> list[str]:
    """Plain lines; click's styles are taken off as they are where stdout is no terminal."""
    return click.unstyle("\n".join(render(read_recording(raw)))).split("\n")


def test_json_is_indented_with_its_numbers_and_order_kept() -> None:
    raw = OK + b'Content-Type: application/json\r\n\r\n{"b":1.10,"a":[],"b":12345678901234567890123}'
    assert shown(raw) == [
        "HTTP/1.1 200 OK",
        "Content-Type: application/json",
        "",
        "{",
        '  "b": 1.10,',
        '  "a": [],',
        '  "b": 12345678901234567890123',
        "}",
    ]


def test_events_come_one_per_line() -> None:
    body = b": ping\r\n\r\nevent: x\r\ndata: 1\r\ndata: 2\r\n\r\ndata: [DONE]\n\ndata: cu"
    assert shown(OK + b"Content-Type: text/event-stream; charset=utf-8\r\n\r\n" + body)[3:] == [
        ": ping",
        "event: x  data: 1  data: 2",
        "data: [DONE]",
        "data: cu",
        "-- the last event has no end",
    ]


def test_lines_of_json_stay_lines() -> None:
    assert shown(OK + b'Content-Type: application/x-ndjson\r\n\r\n{"a":1}\n{"a":2}\n')[3:] == ['{"a":1}', '{"a":2}']


def test_binary_is_its_size_and_the_start_in_hex() -> None:
    lines = shown(OK + b"Content-Type: image/png\r\n\r\n" + b"\x89PNG\r\n\x1a\n" + bytes(1000))
    assert lines[3] == "-- 1,008 bytes of image/png"
    assert lines[4] == "00000000  89 50 4e 47 0d 0a 1a 0a 00 00 00 00 00 00 00 00  .PNG............"
    assert lines[-1] == "-- and 752 bytes more"


def test_a_file_that_is_no_recording_is_not_poured_out() -> None:
    lines = shown(b"\x7fELF" + bytes(1000))
    assert lines[0] == "-- 1,004 bytes that are no HTTP message"
    assert lines[1] == "00000000  7f 45 4c 46 00 00 00 00 00 00 00 00 00 00 00 00  .ELF............"
    assert lines[-1] == "-- and 748 bytes more"


def test_a_websocket_recording_says_so() -> None:
    lines = shown(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi")
    assert lines[4:] == ["-- WebSocket: 4 bytes of frames", f"00000000  {'81 02 68 69':47}  ..hi"]


@pytest.mark.parametrize("body", [b"\x1b[2J\x1b]0;x\x07 \xc2\x9b1m \xe2\x80\xae \xff\x7f\r", b'{"a":"\x7f\xc2\x9b"}'])
@pytest.mark.parametrize("content_type", [b"text/plain", b"application/json", b"text/event-stream", b"\xc2\x9b"])
def test_nothing_recorded_acts_on_the_terminal(body: bytes, content_type: bytes) -> None:
    raw = OK + b"Content-Type: " + content_type + b"\r\nX: \xc2\x9b\xe2\x80\xae\r\n\r\n" + body
    for line in shown(raw) + shown(raw.replace(b"200", b"20\x1b[0m")):
        assert line.isprintable(), line


def test_what_is_cut_is_shown_as_far_as_it_goes() -> None:
    packed = gzip.compress(b"hello " * 1000)
    raw = OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + packed[:-10]
    lines = shown(raw)
    assert lines[4].startswith("hello hello ")
    assert lines[5:] == ["-- the body is cut: its last chunk is missing", "-- the gzip data is cut"]


def test_the_metadata_tells_why_an_exchange_is_incomplete(recorder: Run, tmp_path: Path) -> None:
    error = {"name": "upstream_reset", "phase": "response_body", "by": "upstream", "detail": "gone\x1b[m"}
    (tmp_path / "a_metadata.json").write_text(json.dumps({"method": "HEAD", "completed": False, "error": error}))
    (tmp_path / "a_response.bin").write_bytes(OK + b"Content-Length: 9\r\n\r\n")
    found = recorder("show", "a_response.bin")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == (
        "HTTP/1.1 200 OK\nContent-Length: 9\n"
        "-- this exchange is incomplete: upstream_reset in response_body, by upstream: gone\\x1b[m\n"
    )
    assert '\n  "method": "HEAD",\n' in recorder("show", "a_metadata.json").stdout


@pytest.mark.parametrize(("no_color", "is_coloured"), [(None, True), ("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_no_color_is_set(
    tmp_path: Path, no_color: str | None, is_coloured: bool
) -> None:
    file = tmp_path / "a_request.bin"
    file.write_bytes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    found = CliRunner(env={"NO_COLOR": no_color}).invoke(cli.recorder, ["show", str(file)], color=True)
    assert (found.exit_code, click.unstyle(found.output)) == (0, "GET / HTTP/1.1\nHost: a\n")
    assert ("\x1b[" in found.output) == is_coloured


def test_several_files_get_titles_and_a_missing_one_fails(recorder: Run, tmp_path: Path) -> None:
    (tmp_path / "a_request.bin").write_bytes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    found = recorder("show", "a_request.bin", "none.bin")
    assert found.returncode == 1
    assert found.stdout == "==> a_request.bin <==\nGET / HTTP/1.1\nHost: a\n"
    assert found.stderr == "Error: none.bin: No such file or directory\n"
