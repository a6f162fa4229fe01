"""The messages of a recorded WebSocket (RFC 6455): frames taken apart, unmasked, joined, and inflated where the two
sides agreed on that (RFC 7692). What is cut, or is no frame, ends the list. Called by har.py.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_CONTINUATION: Final = 0
_MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024  # of one that is inflated
_FLUSH: Final = b"\x00\x00\xff\xff"  # what RFC 7692 §7.2.1 has taken off


class WebSocketMessage(NamedTuple):
    opcode: int  # 1: text, 2: binary, 8: close, 9: ping, 10: pong
    data: bytes
    end: int  # the offset behind its last byte in what was read


class _Frame(NamedTuple):
    is_final: bool
    is_compressed: bool
    opcode: int
    payload: bytes
    end: int


def messages_of(stream: bytes, extensions: bytes) -> Iterator[WebSocketMessage]:
    """`stream`: what one side sent behind its head; `extensions`: the answer's Sec-WebSocket-Extensions."""
    inflate = _inflater() if b"permessage-deflate" in extensions.lower() else None
    begun: _Frame | None = None
    pieces: list[bytes] = []
    for frame in _frames(stream):
        if frame.opcode >= 8:  # a control frame may stand between the frames of a message
            yield WebSocketMessage(frame.opcode, frame.payload, frame.end)
            continue
        if frame.opcode != _CONTINUATION:
            begun, pieces = frame, []
        pieces.append(frame.payload)
        if begun is None or not frame.is_final:
            continue
        data = b"".join(pieces)
        if begun.is_compressed and inflate is not None:
            try:
                data = inflate(data)
            except zlib.error:
                return
        yield WebSocketMessage(begun.opcode, data, frame.end)
        begun = None


def _frames(stream: bytes) -> Iterator[_Frame]:
    place = 0
    while len(stream) - place >= 2:
        first, second = stream[place], stream[place + 1]
        length, start = second & 0x7F, place + 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(stream[start : start + size], "big")
            start += size
        is_masked = bool(second & 0x80)
        mask = stream[start : start + 4] if is_masked else b""
        start += len(mask)
        end = start + length
        if end > len(stream):
            return
        payload = _unmasked(stream[start:end], mask) if is_masked else stream[start:end]
        yield _Frame(bool(first & 0x80), bool(first & 0x40), first & 0x0F, payload, end)
        place = end


def _unmasked(data: bytes, mask: bytes) -> bytes:
    """RFC 6455 §5.3, all bytes at once."""
    repeated = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(data), "big")


def _inflater() -> Callable[[bytes], bytes]:
    """One for all messages of a direction: they may share their window."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)

    def inflate(data: bytes) -> bytes:
        inflated = stream.decompress(data + _FLUSH, _MESSAGE_BYTES_MAX)
        if stream.unconsumed_tail:
            raise zlib.error("it inflates to too much")
        return inflated

    return inflate
