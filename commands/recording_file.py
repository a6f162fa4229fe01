"""The lines of `recorder show FILE`, an exchange's three files; the metadata beside a `.bin` tells whether it is whole.

Called by `recorder show`.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from commands.plain_text import plain, plain_bytes
from commands.recording_text import indented, note, render
from traffic.capture import names
from traffic.capture.recording import read_recording


class _Error(msgspec.Struct):
    name: str
    phase: str = ""
    by: str = ""
    detail: str = ""


class _Metadata(msgspec.Struct):
    """What is read of a metadata file, which may be of any version."""

    method: str | None = None
    completed: bool | None = None
    error: _Error | None = None


def lines_of(file: Path) -> Iterator[str]:
    """Raises OSError."""
    raw = file.read_bytes()
    if file.suffix == ".json":
        yield plain_bytes(indented(raw) or raw)
        return
    metadata = _metadata_beside(file)
    yield from render(read_recording(raw, metadata.method or "GET"))
    if metadata.completed is False:
        yield note(_why_incomplete(metadata.error))


def _metadata_beside(file: Path) -> _Metadata:
    for part in (names.REQUEST, names.RESPONSE):
        if file.name.endswith(part):
            beside = file.with_name(file.name.removesuffix(part) + names.METADATA)
            try:
                return msgspec.json.decode(beside.read_bytes(), type=_Metadata)
            except (OSError, msgspec.DecodeError):
                break
    return _Metadata()


def _why_incomplete(error: _Error | None) -> str:
    if error is None:
        return "this exchange has not ended, or its end was not recorded"
    return plain(f"this exchange is incomplete: {error.name} in {error.phase}, by {error.by}: {error.detail}")
