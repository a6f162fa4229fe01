"""recorder/console.py: the exact lines, on whatever stdout is."""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from typing import TextIO, cast

import msgspec
import pytest

from recorder.console import BATCHES_MAX, ConsoleWriter, FinishedLine, Line, StartedLine, StoppedLine, size, text_line
from recorder.settings import Console

AT_S = 1_757_729_469.5  # 2025-09-13T02:11:09.500Z
STARTED = StartedLine(
    AT_S, "092d0424", "POST", "/lm/v1/chat?a=b", "http://127.0.0.1:1234/v1/chat?a=b", is_recorded=True
)
FINISHED = FinishedLine(AT_S + 1, "092d0424", 200, 1_240_000, 310_000, 18_300, None)
STOPPED = StoppedLine(AT_S + 2, 1204, 38_100_000, 0)


@pytest.fixture(autouse=True)
def local_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The operator's clock is two hours ahead of UTC."""
    from recorder import console

    monkeypatch.setenv("TZ", "XXX-2")
    time.tzset()
    console._local_time.cache_clear()
    yield
    monkeypatch.undo()
    time.tzset()
    console._local_time.cache_clear()


def started(**changes: object) -> StartedLine:
    return msgspec.structs.replace(STARTED, **changes)


def finished(**changes: object) -> FinishedLine:
    return msgspec.structs.replace(FINISHED, **changes)


LINES: list[tuple[Line, str]] = [
    (STARTED, "2025-09-13 04:11:09 [092d0424] POST /lm/v1/chat?a=b -> http://127.0.0.1:1234/v1/chat?a=b [log]"),
    (
        started(is_recorded=False),
        "2025-09-13 04:11:09 [092d0424] POST /lm/v1/chat?a=b -> http://127.0.0.1:1234/v1/chat?a=b [no-log]",
    ),
    (
        started(path="/x", upstream_url=None),
        "2025-09-13 04:11:09 [092d0424] POST /x -> NOT_FOUND [log]",
    ),
    (FINISHED, "2025-09-13 04:11:10 [092d0424] 200 1.24s 18.3 kB (first byte 310 ms)"),
    (
        finished(status=502, duration_us=999, first_byte_us=400, response_bytes=0, error="upstream_refused"),
        "2025-09-13 04:11:10 [092d0424] 502 0.00s 0 B (first byte 0 ms) upstream_refused",
    ),
    (
        finished(status=None, duration_us=75_500_000, first_byte_us=None, error="client_disconnect"),
        "2025-09-13 04:11:10 [092d0424] - 75.50s 18.3 kB client_disconnect",
    ),
    (
        finished(duration_us=75_500_000, first_byte_us=12_340_000),
        "2025-09-13 04:11:10 [092d0424] 200 75.50s 18.3 kB (first byte 12.3 s)",
    ),
    (STOPPED, "recorded 1,204 exchanges, 38.1 MB; lost 0"),
    (StoppedLine(AT_S, 1, 317, 0), "recorded 1 exchange, 317 B; lost 0"),
    (StoppedLine(AT_S, 0, 999, 12_345), "recorded 0 exchanges, 999 B; lost 12,345"),
]


@pytest.mark.parametrize(("line", "text"), LINES)
def test_lines_read_exactly_so(line: Line, text: str) -> None:
    assert text_line(line) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (38_100_000, "38.1 MB"),
        (1_500_000_000, "1.5 GB"),
        (2_000_000_000_000_000, "2000.0 TB"),
    ],
)
def test_sizes_are_in_powers_of_a_thousand(count: int, text: str) -> None:
    assert size(count) == text


def test_no_control_byte_of_a_client_reaches_the_terminal() -> None:
    every = "".join(map(chr, range(256)))
    text = text_line(started(method=every, path=every, upstream_url=every))
    assert text.isprintable()
    shown = text_line(started(path="/\x1b[31m\r\n\x00\x7f\x9b\xad\xe4"))
    assert r" /\x1b[31m\x0d\x0a\x00\x7f\x9b\xad" + "\xe4 -> " in shown


async def written(lines: list[Line], stream: TextIO, **settings: object) -> ConsoleWriter:
    console = ConsoleWriter(Console(**settings), stream)  # type: ignore[arg-type]  # a test's shorthand
    for line in lines:
        console.show(line)
    await asyncio.get_running_loop().run_in_executor(None, console.stop, STOPPED)
    return console


async def test_lines_leave_in_order_without_colour_or_wrapping_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    long = started(path="/" + "x" * 500 + " [bold]")
    await written([STARTED, long, FINISHED], stream)
    assert stream.getvalue().splitlines() == [text_line(line) for line in (STARTED, long, FINISHED, STOPPED)]


async def test_a_line_is_shown_soon_and_not_only_at_the_end() -> None:
    stream = io.StringIO()
    console = ConsoleWriter(Console(), stream)
    console.show(STARTED)
    async with asyncio.timeout(5):
        while not stream.getvalue():  # noqa: ASYNC110 a thread writes
            await asyncio.sleep(0.005)
    assert stream.getvalue() == text_line(STARTED) + "\n"
    console.stop(STOPPED)


async def test_json_is_one_object_per_line_in_utc() -> None:
    stream = io.StringIO()
    await written([STARTED, FINISHED], stream, format="json")
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {
            "event": "started",
            "time": "2025-09-13T02:11:09.500Z",
            "id": "092d0424",
            "method": "POST",
            "path": "/lm/v1/chat?a=b",
            "upstream_url": "http://127.0.0.1:1234/v1/chat?a=b",
            "log": True,
        },
        {
            "event": "finished",
            "time": "2025-09-13T02:11:10.500Z",
            "id": "092d0424",
            "status": 200,
            "duration_ms": 1240.0,
            "first_byte_ms": 310.0,
            "response_bytes": 18300,
            "error": None,
        },
        {"event": "stopped", "time": "2025-09-13T02:11:11.500Z", "recorded": 1204, "bytes": 38_100_000, "lost": 0},
    ]


async def test_a_console_that_is_off_writes_nothing() -> None:
    stream = io.StringIO()
    await written([STARTED, FINISHED], stream, enabled=False)
    assert stream.getvalue() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are those of POSIX")
@pytest.mark.parametrize("no_color", [None, "", "1"])
async def test_a_terminal_gets_colours_unless_no_color_is_set_and_never_a_wrapped_line(
    monkeypatch: pytest.MonkeyPatch, no_color: str | None
) -> None:
    import pty

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        long = started(path="/" + "x" * 300)
        await written([long, FINISHED], stream)
        shown = b""
        while shown.count(b"\n") < 3:
            shown += os.read(master, 65_536)
    os.close(master)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    assert plain.splitlines() == [text_line(line) for line in (long, FINISHED, STOPPED)]
    assert (b"\x1b[" in shown) == (not no_color)


async def test_a_stdout_that_takes_nothing_costs_lines_and_nothing_else() -> None:
    """Its pipe is full and nobody reads: show() never waits, lines beyond the bound are counted, stop() returns."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        console = ConsoleWriter(Console(), stream)
        long = started(path="/" + "x" * 100_000)
        for _ in range(BATCHES_MAX + 12):
            console.show(long)
            console._hand_over()
        assert 9 <= console.lost_lines <= 12
        began = time.monotonic()
        await asyncio.get_running_loop().run_in_executor(None, console.stop, STOPPED)
        assert time.monotonic() - began < 3
        os.set_blocking(reader, False)
        os.close(reader)  # the writer's thread gets EPIPE and goes on without a console
        console._batches.put(None)
        console._thread.join(5)
        assert not console._thread.is_alive()


async def test_a_stdout_that_is_gone_costs_lines_and_nothing_else() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text[:0])

    console = await written([STARTED, FINISHED], cast("TextIO", Gone()))
    assert not console._thread.is_alive()


STUCK = """
    import asyncio, sys
    from recorder.console import ConsoleWriter, StartedLine, StoppedLine
    from recorder.settings import Console

    async def main():
        console = ConsoleWriter(Console())
        console.show(StartedLine(0.0, "0" * 8, "GET", "/" + "x" * 1_000_000, None, True))
        await asyncio.sleep(0.1)
        console.stop(StoppedLine(0.0, 0, 0, 0))
        print("stopped", file=sys.stderr)

    asyncio.run(main())
"""


def test_a_process_with_a_stuck_stdout_still_ends() -> None:
    """The exit code stays 0: nothing at the interpreter's end waits for the console's thread."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STUCK)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "stopped\n"
        assert process.wait(10) == 0
