"""Sidecars: what the server must remember of an exchange that outlasts a flush, so that a restart loses nothing.

One append-only file per open exchange, made of frames (traffic/capture/frames.py) with kinds of their own; a torn last
one is cut off when the file is read. Written before the journal's `stored` offset moves; removed after it has.
"""

from enum import IntEnum

import msgspec

from ingest_server import files
from traffic.capture import names
from traffic.capture.events import Redaction, Started
from traffic.capture.frames import Frame, FrameDecoder, FrameError, encode_frame
from traffic.capture.metadata import Arrivals, Stored


class Kept(IntEnum):
    OPENED = 64  # payload: Opened; the last one counts
    PROGRESS = 65  # payload: Progress; what was added since the one before
    ENDED = 66  # offset: the journal's, behind the frame that ended the exchange
    HALF = 67  # payload: Half; the door has one side of the exchange


class Opened(msgspec.Struct, frozen=True, array_like=True):
    stem: str  # below log_dir
    started: Started


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """`_end`: bytes that the `.bin` file holds."""

    request_end: int
    response_end: int
    request_arrivals: Arrivals
    response_arrivals: Arrivals


class Half(msgspec.Struct, frozen=True, array_like=True):
    side: str  # "request" or "response"
    whole: bool
    ended_us: int  # since the exchange started
    stored: Stored
    redactions: list[Redaction]


encode = msgspec.msgpack.Encoder().encode
decode_progress = msgspec.msgpack.Decoder(Progress).decode
decode_half = msgspec.msgpack.Decoder(Half).decode


_decode_opened = msgspec.msgpack.Decoder(Opened).decode


def decode_opened(payload: bytes | memoryview) -> Opened | None:
    """None where the stem is none of ours: it becomes a path."""
    opened = _decode_opened(payload)
    return opened if names.is_stem(opened.stem) else None


def encode_record(kind: Kept, offset: int, payload: bytes) -> bytes:
    return b"".join(encode_frame(kind, 0, offset, 0, [payload]))


def read(path: str) -> list[Frame]:
    """All whole records; [] where there is no file."""
    try:
        data = files.read(path)
    except FileNotFoundError:
        return []
    records, end = parse(data)
    if end < len(data):
        files.cut(path, end)
    return records


def parse(data: bytes) -> tuple[list[Frame], int]:
    """The whole records, and where they end."""
    decoder = FrameDecoder()
    records = []
    try:
        for frame in decoder.feed(data):
            records.append(frame)  # noqa: PERF402 (those before an invalid one count)
    except FrameError:
        pass
    return records, decoder.consumed
