"""Reads exchanges from whatever holds some: a folder of recordings, a bundle, a HAR or a WARC file, known by content.

Called by `recorder import`.
"""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from replay.log_folder import text, why
from replay.recordings import RecordingError, exchanges_in
from traffic.capture.exchange import RecordedExchange
from traffic.export.foreign import FormatError
from traffic.export.formats import FORMATS

_START_BYTES: Final = 512
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")


def exchanges_from(path: Path, on_problem: Callable[[str], None]) -> Iterator[RecordedExchange]:
    """What is wrong with a single exchange is told, and it is passed over. Raises RecordingError."""
    if path.is_dir():
        yield from exchanges_in(path, on_problem)
        return
    name = text(str(path))
    if path.exists() and not path.is_file():
        raise RecordingError(f"{name} is not a regular file")
    try:
        with path.open("rb") as file:
            format_name = _format(file.read(_START_BYTES))
            if format_name is None:
                raise RecordingError(f"{name} is no HAR file, no WARC file, no bundle and no folder of recordings")
            file.seek(0)
            yield from FORMATS[format_name].reader()(file, lambda problem: on_problem(f"{name}: {problem}"))
    except OSError as error:
        raise RecordingError(f"{name} {why(error)}") from None
    except FormatError as error:
        raise RecordingError(f"{name}: {error}") from None


def _format(start: bytes) -> str | None:
    """By the first bytes of a file."""
    if start.startswith(_ZIP):
        return "bundle"
    if start.startswith((b"WARC/", _GZIP)):
        return "warc" if _unpacked(start).startswith(b"WARC/") else None
    return "har" if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else None


def _unpacked(start: bytes) -> bytes:
    if not start.startswith(_GZIP):
        return start
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(start, _START_BYTES)
    except zlib.error:
        return b""
