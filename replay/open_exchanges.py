"""What the ingest server's own state tells of exchanges that have not ended: the sidecars in `.ingest`.

`.ingest/open/<journal>-<number>` is of an exchange in a journal, its first frame says which files are its own;
`.ingest/door/<id>` of one that comes through the simple door. Called by verify.py.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from replay.log_folder import blocks
from traffic.capture.frames import FrameDecoder

OPENED = 64  # the kind of a sidecar's first frame: a msgpack array that begins with the stem of the files


@dataclass(frozen=True, slots=True)
class OpenExchanges:
    journals: dict[str, str]  # stem -> name of the journal
    door_ids: frozenset[str]


def read_open_exchanges(log_dir: Path) -> OpenExchanges:
    state = log_dir / ".ingest"
    journals = {}
    for name in _names(state / "open"):
        stem = _stem(str(state / "open" / name))
        if stem is not None:
            journals[stem] = name.rpartition("-")[0]
    return OpenExchanges(journals, frozenset(_names(state / "door")))


def _names(folder: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield from os.listdir(folder)  # noqa: PTH208 (names are all that is needed)


def _stem(path: str) -> str | None:
    with contextlib.suppress(OSError, ValueError):
        frame = next(FrameDecoder().feed(next(blocks(path), b"")), None)
        if frame is not None and frame.kind == OPENED:
            opened = msgspec.msgpack.decode(frame.payload)
            if isinstance(opened, list) and opened and isinstance(opened[0], str):
                return opened[0]
    return None
