"""A recording as people read it: framing and compression taken off, JSON indented, an event a line, binary in hex.

Everything from the recording is escaped (commands/plain_text.py). What is cut is shown as far as it goes, and a note
says so. Called by `recorder show`, for files and for exchanges that are no calls to an LLM.
"""

import codecs
import re
from collections.abc import Iterator

import click
import msgspec

from commands.plain_text import hex_lines, plain, plain_bytes
from traffic.capture.recording import Recording

HEX_BYTES_MAX = 256
_LINE_END = re.compile(rb"\r\n|\n|\r")


def render(recording: Recording) -> Iterator[str]:
    """The lines to print."""
    if recording.head is None and b"\0" in recording.head_bytes:
        yield note(f"{len(recording.head_bytes):,} bytes that are no HTTP message")
        yield from _hex(recording.head_bytes)
        return
    first, _, rest = plain_bytes(recording.head_bytes.removesuffix(b"\r\n\r\n")).partition("\n")
    yield click.style(first, bold=True)
    if rest:
        yield rest
    if recording.body:
        yield ""
        yield from _body(recording)
    if recording.trailers:
        yield note("trailers")
        yield plain_bytes(recording.trailers)
    for problem in recording.problems:
        yield note(problem)


def _body(recording: Recording) -> Iterator[str]:
    content = recording.content
    if recording.is_websocket:
        yield note(f"WebSocket: {len(recording.body):,} bytes of frames")
        yield from _hex(recording.body)
    elif recording.content_type.startswith("text/event-stream"):
        yield from _events(content)
    elif (json := indented(content)) is not None:
        yield plain_bytes(json)
    elif _is_text(content, recording.content_type):
        yield plain_bytes(content.removesuffix(b"\n"))
    else:
        yield note(f"{len(content):,} bytes of {plain(recording.content_type or 'an unknown type')}")
        yield from _hex(content)


def _events(content: bytes) -> Iterator[str]:
    """One line per server-sent event: its lines side by side; `data` continued on several lines stays apart."""
    lines: list[bytes] = []
    for line in _LINE_END.split(content):
        if line:
            lines.append(line)
        elif lines:
            yield plain_bytes(b"  ".join(lines))
            lines = []
    if lines:
        yield plain_bytes(b"  ".join(lines))
        yield note("the last event has no end")


def indented(content: bytes) -> bytes | None:
    """JSON with its numbers, its order and its double keys as they are; None for what is not JSON."""
    if content.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return msgspec.json.format(content, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return None


def _is_text(content: bytes, content_type: str) -> bool:
    if b"\0" in content:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)  # a cut may fall into a character
    except UnicodeDecodeError:
        return content_type.startswith("text/")
    return True


def _hex(data: bytes) -> Iterator[str]:
    yield from hex_lines(data[:HEX_BYTES_MAX])
    if len(data) > HEX_BYTES_MAX:
        yield note(f"and {len(data) - HEX_BYTES_MAX:,} bytes more")


def note(text: str) -> str:
    return click.style(f"-- {text}", dim=True)
