"""`gaps.ndjson`: one JSON line for everything that was not recorded. Nothing is lost silently.

A line carries the journal and the position in it of what it tells of: a journal applied again after a crash is asked
for the last position already written, so that no gap is noted twice.
"""

import contextlib

import msgspec

from ingest_server import files


class GapLine(msgspec.Struct, frozen=True):
    at: str  # ISO, UTC: when the server learned of it
    journal: str
    position: int  # in the journal, behind the frame that told of it
    first_number: int  # of the exchanges concerned; 0: not known
    last_number: int
    exchanges: int
    bytes: int
    reason: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(GapLine).decode


def append(path: str, lines: list[GapLine]) -> None:
    files.append(path, b"".join(_encode(line) + b"\n" for line in lines))


def last_position(path: str, journal: str) -> int:
    """The position of the newest line of that journal, or -1; cuts a torn last line off."""
    newest = -1
    end = 0
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:  # noqa: PTH123
        for line in file:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            with contextlib.suppress(msgspec.DecodeError):
                gap = _decode(line)
                if gap.journal == journal:
                    newest = max(newest, gap.position)
        files.cut(path, end)
    return newest
