"""Live console lines on stdout: one when an exchange starts, one when it ends. A thread formats and writes them.

    2025-09-13 02:11:09 [092d0424] POST /lmstudio/v1/models -> http://127.0.0.1:1234/v1/models [log]
    2025-09-13 02:11:10 [092d0424] 200 1.24s 18.3 kB (first byte 310 ms)

Times are local. Control characters from clients are escaped. On a terminal rich colours the lines; elsewhere they are
plain. A stdout that takes nothing costs lines (counted), never an exchange.
"""

import asyncio
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TextIO

import msgspec

from recorder.settings import Console

FLUSH_INTERVAL_S = 0.05
BATCHES_MAX = 1_000

_STYLES = {"2": "green", "3": "cyan", "4": "yellow", "5": "red"}


class StartedLine(msgspec.Struct, frozen=True, gc=False):
    at_s: float  # wall clock
    id: str
    method: str
    path: str  # with its query, secrets redacted
    upstream_url: str | None
    is_recorded: bool
    answer: str = "NOT_FOUND"  # what stands in for the upstream where there is none


class FinishedLine(msgspec.Struct, frozen=True, gc=False):
    at_s: float
    id: str
    status: int | None
    duration_us: int
    first_byte_us: int | None
    response_bytes: int
    error: str | None


class StoppedLine(msgspec.Struct):
    """The ledger, at the end."""

    at_s: float
    recorded: int
    recorded_bytes: int
    lost: int


Line = StartedLine | FinishedLine | StoppedLine
_Batch = tuple[Callable[[Line], str], list[Line]]


_EVENTS = {StartedLine: "started", FinishedLine: "finished", StoppedLine: "stopped"}


class ConsoleWriter:
    def __init__(self, settings: Console, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._pending: list[Line] = []
        self._batches: queue.Queue[_Batch | None] = queue.Queue(BATCHES_MAX)
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self.lost_lines = 0
        self.configure(settings)

    def configure(self, settings: Console) -> None:
        """For lines that are shown from now on."""
        self._hand_over()
        self._is_on = settings.enabled
        self._format = _json_line if settings.format == "json" else _painted(self._stream)
        if self._is_on and self._thread.ident is None:
            self._loop = asyncio.get_running_loop()
            self._thread.start()

    def show(self, line: Line) -> None:
        if self._is_on:
            if not self._pending:
                self._loop.call_later(FLUSH_INTERVAL_S, self._hand_over)
            self._pending.append(line)

    def stop(self, last_line: StoppedLine) -> None:
        """Write what is pending and `last_line`; waits for at most two seconds."""
        if self._is_on:
            self._pending.append(last_line)
        if self._thread.ident is not None:
            self._hand_over()
            try:
                self._batches.put(None, timeout=1.0)
            except queue.Full:
                return
            self._thread.join(1.0)

    def _hand_over(self) -> None:
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        try:
            self._batches.put_nowait((self._format, pending))
        except queue.Full:
            self.lost_lines += len(pending)

    def _run(self) -> None:
        encoding = self._stream.encoding or "utf-8"
        write = _writer(self._stream, encoding)
        try:
            while (batch := self._batches.get()) is not None:
                to_text, lines = batch
                write(("".join(f"{to_text(line)}\n" for line in lines)).encode(encoding, "backslashreplace"))
        except (OSError, ValueError):  # stdout is gone; the recorder goes on without a console
            while self._batches.get() is not None:
                pass


def _writer(stream: TextIO, encoding: str) -> Callable[[bytes], None]:
    """Writes past the stream's buffer where there is a file below it: a thread that is stuck inside the buffer's lock
    would abort the interpreter at its end.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):

        def write_text(data: bytes) -> None:
            stream.write(data.decode(encoding))
            stream.flush()

        return write_text

    def write(data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    stream.flush()
    return write


def text_line(line: Line) -> str:
    if isinstance(line, StoppedLine):
        exchanges = "exchange" if line.recorded == 1 else "exchanges"
        return f"recorded {line.recorded:,} {exchanges}, {size(line.recorded_bytes)}; lost {line.lost:,}"
    start = f"{_local_time(int(line.at_s))} [{line.id}]"
    if isinstance(line, StartedLine):
        mark = "log" if line.is_recorded else "no-log"
        goes_to = _plain(line.upstream_url or line.answer)
        return f"{start} {_plain(line.method)} {_plain(line.path)} -> {goes_to} [{mark}]"
    first_byte = "" if line.first_byte_us is None else f" (first byte {_duration(line.first_byte_us)})"
    error = "" if line.error is None else f" {line.error}"
    status = line.status if line.status is not None else "-"
    return f"{start} {status} {line.duration_us / 1e6:.2f}s {size(line.response_bytes)}{first_byte}{error}"


@lru_cache(8)
def _local_time(at_s: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))


def size(count: int) -> str:
    """A number of bytes as people read it, in powers of 1000."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def _duration(microseconds: int) -> str:
    return f"{microseconds / 1000:.0f} ms" if microseconds < 10_000_000 else f"{microseconds / 1e6:.1f} s"


def _plain(text: str) -> str:
    """Text from a client without a byte that a terminal would act on."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _json_line(line: Line) -> str:
    fields: dict[str, Any] = {"event": _EVENTS[type(line)]}
    fields["time"] = (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(line.at_s)) + f".{int(line.at_s * 1000) % 1000:03d}Z"
    )
    if isinstance(line, StoppedLine):
        return json.dumps(fields | {"recorded": line.recorded, "bytes": line.recorded_bytes, "lost": line.lost})
    fields["id"] = line.id
    if isinstance(line, StartedLine):
        fields |= {"method": line.method, "path": line.path, "upstream_url": line.upstream_url, "log": line.is_recorded}
        if line.upstream_url is None:
            fields["answer"] = line.answer
    else:
        first_byte_ms = None if line.first_byte_us is None else line.first_byte_us / 1000
        fields |= {
            "status": line.status,
            "duration_ms": line.duration_us / 1000,
            "first_byte_ms": first_byte_ms,
            "response_bytes": line.response_bytes,
            "error": line.error,
        }
    return json.dumps(fields)


def _painted(stream: TextIO) -> Callable[[Line], str]:
    """text_line, in colours on a terminal."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text_line
    from rich.console import Console as RichConsole  # noqa: PLC0415 costs 50 ms, for terminals alone
    from rich.text import Text  # noqa: PLC0415

    console = RichConsole(file=stream, force_terminal=True, soft_wrap=True, highlight=False)

    def paint(shown: Line) -> str:
        line = text_line(shown)
        text = Text(line, no_wrap=True)
        text.highlight_regex(r"^\d{4}-\S+ \S+", "dim")
        text.highlight_regex(r"\[[0-9a-f]{8}\]", "bold cyan")
        text.highlight_regex(r"-> .*", "dim")
        if len(words := line.split(" ", 4)) > 3 and words[3][:1] in _STYLES and words[3].isdigit():
            text.highlight_regex(rf"(?<=\] ){words[3]}", _STYLES[words[3][0]])
        with console.capture() as captured:
            console.print(text, end="")
        return captured.get()

    return paint
