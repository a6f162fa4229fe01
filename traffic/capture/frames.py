"""Frames: the records of a journal and of the capture link between recorder and ingest server.

A frame is a header of 33 bytes, little-endian, and its payload:

    bytes  0-3   crc32 of everything behind it: the rest of the header and the payload
           4-7   length of the payload in bytes, at most PAYLOAD_BYTES_MAX
           8     kind
           9-16  number of the exchange within its journal, from 1; 0 for frames about the journal itself
          17-24  offset: where the payload begins in the stored file (REQUEST and RESPONSE; else 0)
          25-32  at_us: microseconds since the exchange started, by the monotonic clock

    kind      payload                                         meaning
    STARTED   msgpack of events.Started                       first frame of an exchange
    REQUEST   bytes of `_request.bin` from `offset` on        one read of the client's bytes
    RESPONSE  bytes of `_response.bin` from `offset` on       one read of the upstream's bytes
    FINISHED  msgpack of events.Finished                      last frame of an exchange
    GAP       msgpack of events.Gap                           exchanges that were not recorded at all (number 0)
    CLOSED    UTF-8 reason: `shutdown` or `recorder_crash`    last frame of a journal (number 0)

The recorder's journal writer encodes; the ingest server's store and the journal's recovery decode.
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from functools import partial
from typing import NamedTuple
from zlib import crc32

HEADER = struct.Struct("<IIBQQQ")
PAYLOAD_BYTES_MAX = 16 * 1024 * 1024
SEARCHED_BYTES_MAX = 512 * 1024 * 1024

_CHECKED = struct.Struct("<IBQQQ")
_CRC = struct.Struct("<I")


class Kind(IntEnum):
    STARTED = 1
    REQUEST = 2
    RESPONSE = 3
    FINISHED = 4
    GAP = 5
    CLOSED = 6


# Behind the checksum: a length below 2**25, a kind, three numbers below 2**48. A lookahead, so that matches overlap.
_LIKELY_HEADER = re.compile(rb"(?s)(?=.{7}[\x00\x01][%b].{6}\x00\x00.{6}\x00\x00.{6}\x00\x00)" % re.escape(bytes(Kind)))


class Frame(NamedTuple):
    kind: int
    number: int
    offset: int
    at_us: int
    payload: memoryview


_HEADER_BYTES = HEADER.size
_unpack = HEADER.unpack_from
# In half the time of Frame(…).
_frame: Callable[[tuple[int, int, int, int, memoryview]], Frame] = partial(tuple.__new__, Frame)


class FrameError(ValueError):
    """The bytes at `position` (counted from the first byte ever fed) are no valid frame."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"no valid frame at byte {position}: {problem}")
        self.position = position


def encode_frame(kind: int, number: int, offset: int, at_us: int, pieces: Sequence[bytes]) -> list[bytes]:
    """The frame as buffers to write one behind the other: its header, then its payload (one piece is not copied)."""
    payload = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    checked = _CHECKED.pack(len(payload), kind, number, offset, at_us)
    return [_CRC.pack(crc32(payload, crc32(checked))) + checked, payload]


def frame_end(data: bytes, at: int) -> int:
    """Where the whole frame at `at` ends; -1: there is none."""
    if at + HEADER.size > len(data):
        return -1
    crc, length, *_ = HEADER.unpack_from(data, at)
    end: int = at + HEADER.size + length
    if length > PAYLOAD_BYTES_MAX or end > len(data) or crc32(memoryview(data)[at + 4 : end]) != crc:
        return -1
    return end


def find_frame(data: bytes, at: int) -> int:
    """Where to go on at `at`, where a frame is expected and may be damaged; -1: no whole frame follows.

    There; else behind it, by the length that it names; else wherever the next begins. The last is a search, and a
    payload may be made to look like many frames: it tries SEARCHED_BYTES_MAX at most.
    """
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    for place in (at, at + HEADER.size + length):
        if frame_end(data, place) >= 0:
            return place
    searched_bytes = 0
    for match in _LIKELY_HEADER.finditer(data, at + 1):
        place = match.start()
        if frame_end(data, place) >= 0:
            return place
        searched_bytes += min(int.from_bytes(data[place + 4 : place + 8], "little"), len(data) - place)
        if searched_bytes > SEARCHED_BYTES_MAX:
            break
    return -1


class FrameDecoder:
    """Cuts frames out of blocks of bytes; a frame may lie across blocks.

    `consumed` counts the bytes of all frames returned so far: the position at which the next frame begins.
    """

    def __init__(self) -> None:
        self.consumed = 0
        self._rest = b""

    @property
    def pending(self) -> int:
        """Bytes fed that are not yet part of a returned frame."""
        return len(self._rest)

    def feed(self, block: bytes) -> Iterator[Frame]:
        """Yield each frame that `block` completes; raises FrameError at the first invalid one. Exhaust the iterator."""
        data = self._rest + block if self._rest else block
        self._rest = b""
        view = memoryview(data)
        start, available = 0, len(data)
        while (payload_at := start + _HEADER_BYTES) <= available:
            crc, length, kind, number, offset, at_us = _unpack(data, start)
            if length > PAYLOAD_BYTES_MAX:
                raise FrameError(self.consumed, f"payload of {length} bytes exceeds {PAYLOAD_BYTES_MAX}")
            end = payload_at + length
            if end > available:
                break
            if crc32(view[start + 4 : end]) != crc:
                raise FrameError(self.consumed, "checksum does not match")
            self.consumed += end - start
            yield _frame((kind, number, offset, at_us, view[payload_at:end]))
            start = end
        self._rest = data[start:] if start else data
