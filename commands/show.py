"""`recorder show`: a recording as people read it. Everything from the recording is escaped (commands/plain_text.py)."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from commands.command_group import examples
from commands.plain_text import hex_lines, plain, plain_bytes
from traffic.capture.recording import Recording, read_recording

HEX_BYTES_MAX = 256
_PARTS = ("_request.bin", "_response.bin", "_metadata.json")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class _Error(msgspec.Struct):
    name: str
    phase: str = ""
    by: str = ""
    detail: str = ""


class _Metadata(msgspec.Struct):
    """What show reads of a metadata file."""

    method: str | None = None
    completed: bool | None = None
    error: _Error | None = None


@click.command(
    "show",
    epilog=examples(
        "recorder show logs/2026-09-13_02-11-09.123_092d0424_response.bin", "recorder show logs/*_092d0424_*"
    ),
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
def show_command(files: tuple[Path, ...]) -> None:
    """Print recordings readably.

    FILE is a _request.bin, a _response.bin or a _metadata.json. Chunk framing and compression are taken off, JSON is
    indented, server-sent events come one per line, and control characters are escaped. What is cut is shown as far as
    it goes.
    """
    failed = False
    for place, file in enumerate(files):
        try:
            lines = list(_show(file))
        except OSError as error:
            click.echo(f"Error: {file}: {error.strerror}", err=True)
            failed = True
            continue
        if len(files) > 1:
            click.echo(("\n" if place else "") + click.style(f"==> {plain(str(file))} <==", bold=True))
        for line in lines:
            click.echo(line)
    if failed:
        raise SystemExit(1)


def _show(file: Path) -> Iterator[str]:
    raw = file.read_bytes()
    if file.suffix == ".json":
        yield plain_bytes(_indented(raw) or raw)
        return
    metadata = _metadata_beside(file)
    yield from render(read_recording(raw, metadata.method or "GET"))
    if metadata.completed is False:
        yield _note(_why_incomplete(metadata.error))


def render(recording: Recording) -> Iterator[str]:
    """The lines to print."""
    if recording.head is None and b"\0" in recording.head_bytes:
        yield _note(f"{len(recording.head_bytes):,} bytes that are no HTTP message")
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
        yield _note("trailers")
        yield plain_bytes(recording.trailers)
    for problem in recording.problems:
        yield _note(problem)


def _body(recording: Recording) -> Iterator[str]:
    content = recording.content
    if recording.is_websocket:
        yield _note(f"WebSocket: {len(recording.body):,} bytes of frames")
        yield from _hex(recording.body)
    elif recording.content_type.startswith("text/event-stream"):
        yield from _events(content)
    elif (indented := _indented(content)) is not None:
        yield plain_bytes(indented)
    elif _is_text(content, recording.content_type):
        yield plain_bytes(content.removesuffix(b"\n"))
    else:
        yield _note(f"{len(content):,} bytes of {plain(recording.content_type or 'an unknown type')}")
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
        yield _note("the last event has no end")


def _indented(content: bytes) -> bytes | None:
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
        yield _note(f"and {len(data) - HEX_BYTES_MAX:,} bytes more")


def _metadata_beside(file: Path) -> _Metadata:
    for part in _PARTS[:2]:
        if file.name.endswith(part):
            beside = file.with_name(file.name.removesuffix(part) + _PARTS[2])
            try:
                return msgspec.json.decode(beside.read_bytes(), type=_Metadata)
            except (OSError, msgspec.DecodeError):
                break
    return _Metadata()


def _why_incomplete(error: _Error | None) -> str:
    if error is None:
        return "this exchange has not ended, or its end was not recorded"
    return plain(f"this exchange is incomplete: {error.name} in {error.phase}, by {error.by}: {error.detail}")


def _note(text: str) -> str:
    return click.style(f"-- {text}", dim=True)
