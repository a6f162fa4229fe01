"""Writes exchanges as the three files that a recorder's are: what replays keep, and what is played from no folder.

Nothing that is there is ever overwritten. The metadata comes last, in one step: what has metadata is whole. Called by
the commands.
"""

import contextlib
import os
from pathlib import Path

from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange


def write_exchange(folder: Path, exchange: RecordedExchange) -> str:
    """What its files' names begin with. Raises OSError."""
    started_ns = names.moment_ns(exchange.metadata.started_at)
    for digits in (names.short_id(exchange.metadata.id), *names.other_digits(exchange.metadata.id)):
        stem = names.stem(started_ns, digits)
        root = str(folder / stem)
        with contextlib.suppress(FileExistsError):
            _write(root + names.REQUEST, exchange.request)
            break
    else:
        raise FileExistsError(f"{folder} has all names that this exchange could have")
    _write(root + names.RESPONSE, exchange.response)
    fresh = str(folder / f".{stem}.tmp")
    _write(fresh, metadata.encode(exchange.metadata))
    os.replace(fresh, root + names.METADATA)  # noqa: PTH105 (text paths)
    return stem


def _write(path: str, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
