"""Reads exchanges from files: one by the path of any of its three files, or all that a folder holds.

Anybody may have changed the files: they are read as log_folder.py reads them. What other recorders wrote, a
`_request.bin` and perhaps a `_response.bin` without metadata, gets the metadata that its bytes tell. Called by the
commands that take exchanges.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import msgspec

from replay.log_folder import being_deleted, list_folder, read, text, why
from traffic.capture import foreign, metadata, names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata

BODY_BYTES_MAX = 1024 * 1024 * 1024  # of each `.bin`, which is in memory as a whole


class RecordingError(Exception):
    """Why there is no exchange to read; the text is for people."""


def read_exchange(path: Path) -> RecordedExchange:
    """`path`: any of the three files, what their names begin with, or a file of any name that holds a request."""
    name = str(path)
    part = next((part for part in names.PARTS if name.endswith(part)), None)
    if part is not None and not path.exists():
        raise RecordingError(f"{text(name)}: no such file")
    if part is None and path.is_file():
        return _undescribed(name, _bin(name), b"")
    found = _read(name if part is None else name.removesuffix(part))
    if found is None:
        raise RecordingError(f"{text(name)}: no such file, and no recording whose files begin so")
    return found


def exchanges_in(folder: Path, on_problem: Callable[[str], None] | None = None) -> Iterator[RecordedExchange]:
    """Those of a `log_dir`, flat or by day, oldest first. One that cannot be read is an error, or told to `on_problem`
    and passed over.
    """
    try:
        stems = list_folder(folder, None).stems
    except OSError as error:
        raise RecordingError(f"{text(str(folder))} {why(error)}") from None
    if not stems:
        raise RecordingError(f"{text(str(folder))}: no recordings are in this folder")
    leaving = being_deleted(folder)
    for stem in _in_order(folder, stems):
        if Path(stem).name in leaving:
            continue
        try:
            found = _read(str(folder / stem))
        except RecordingError as error:
            if on_problem is None:
                raise
            on_problem(str(error))
            continue
        if found is not None:
            yield found


def _in_order(folder: Path, stems: list[str]) -> Iterator[str]:
    """Names tell the millisecond: of several within one, their metadata tell which is older."""
    for _, group in groupby(stems, key=lambda stem: stem[-32:-9]):
        of_one_ms = list(group)
        yield from sorted(of_one_ms, key=lambda stem: _started_at(str(folder / stem))) if of_one_ms[1:] else of_one_ms


def _started_at(stem: str) -> str:
    try:
        facts = _metadata(stem + names.METADATA)
    except RecordingError:
        facts = None
    return "" if facts is None else facts.started_at


def _read(stem: str) -> RecordedExchange | None:
    """None: there is none of its files (any more)."""
    facts = _metadata(stem + names.METADATA)
    request, response = _if_there(stem + names.REQUEST), _if_there(stem + names.RESPONSE)
    if request is None:
        if facts is None and response is None:
            return None
        raise RecordingError(f"{text(stem)}{names.REQUEST} is missing: without it, this is half of an exchange")
    if facts is None:
        return _undescribed(stem + names.REQUEST, request, response or b"")
    if response is None and facts.response.bytes:
        raise RecordingError(f"{text(stem)}{names.RESPONSE} is missing: without it, this is half of an exchange")
    return RecordedExchange(facts, request, response or b"")


def _metadata(file: str) -> Metadata | None:
    try:
        return metadata.decode(read(file, metadata.BYTES_MAX))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordingError(f"{text(file)} {why(error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordingError(f"{text(file)} is no metadata of a recording: {error}") from None


def _if_there(file: str) -> bytes | None:
    return _bin(file) if Path(file).exists() else None


def _bin(file: str) -> bytes:
    try:
        return read(file, BODY_BYTES_MAX)
    except OSError as error:
        raise RecordingError(f"{text(file)} {why(error)}") from None


def _undescribed(file: str, request: bytes, response: bytes) -> RecordedExchange:
    """With what the file's name tells, where it is one of ours."""
    split = names.split(Path(file).name)
    try:
        if split is None:
            started_ns, digits = Path(file).stat().st_mtime_ns, ""
        else:
            started_ns, digits = _moment_ns(split[0]), split[0][-8:]
        return RecordedExchange(foreign.describe(request, response, started_ns, digits), request, response)
    except ValueError as error:
        raise RecordingError(f"{text(file)} is no recorded request: {error}") from None


def _moment_ns(stem: str) -> int:
    second = datetime.strptime(stem[:19], "%Y-%m-%d_%H-%M-%S").replace(tzinfo=UTC)
    return int(second.timestamp()) * 1_000_000_000 + int(stem[20:23]) * 1_000_000
