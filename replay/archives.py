"""Reads exchanges from whatever holds some: a folder of recordings, a bundle, a HAR or a WARC file, known by content.

Called by `recorder import` and by the commands that take exchanges.
"""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from replay.log_folder import text, why
from replay.recordings import RecordingError, exchanges_in
from traffic.capture import names
from traffic.capture.exchange import RecordedExchange

_START_BYTES: Final = 512
_GZIP: Final = b"\x1f\x8b"
_SUFFIXES: Final = (".zip", ".har", ".warc", ".gz")
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")


def is_archive(path: Path) -> bool:
    """By its name or its content a file that holds many, and none that is a part of one."""
    if path.suffix in _SUFFIXES:
        return True
    if path.name.endswith(names.PARTS) or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return _format(file.read(_START_BYTES)) is not None
    except OSError:
        return False


def exchanges_from(path: Path, on_problem: Callable[[str], None]) -> Iterator[RecordedExchange]:
    """What is wrong with a single exchange is told, and it is passed over. Raises RecordingError."""
    if path.is_dir():
        yield from exchanges_in(path, on_problem)
        return
    from traffic.export.foreign import FormatError  # noqa: PLC0415 with the formats comes what folders do without
    from traffic.export.formats import FORMATS  # noqa: PLC0415

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
