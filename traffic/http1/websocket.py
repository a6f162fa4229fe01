"""WebSocket frames (RFC 6455 §5), which follow a 101: where each ends, and what one side's messages say. Called by what
plays, compares and exports recordings.

frames()        the frames of stored bytes; what is cut at their end is left out
messages_of()   the messages of stored bytes; what is cut or damaged ends them
MessageReader   one side's bytes in, its messages out: unmasked, put together, and inflated (RFC 7692)
"""

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
CONTROL_BYTES_MAX: Final = 125  # of a frame that is no message's (§5.5)
_TAIL: Final = b"\x00\x00\xff\xff"  # RFC 7692 §7.2.2


class FrameError(ValueError):
    """What came is no frame that may be sent."""


class Frame(NamedTuple):
    opcode: int
    is_final: bool
    is_compressed: bool
    payload: bytes  # unmasked
    end: int  # the index behind it


class Message(NamedTuple):
    opcode: int  # TEXT, BINARY, CLOSE, PING or PONG
    payload: bytes
    end: int  # offset behind it, of all bytes that were fed


def frames(data: bytes, start: int = 0) -> Iterator[Frame]:
    while (frame := read_frame(data, start)) is not None:
        yield frame
        start = frame.end


def messages_of(data: bytes) -> Iterator["Message"]:
    reader = MessageReader()
    try:
        for frame in frames(data):
            if (message := reader.take(frame)) is not None:
                yield message
    except FrameError:
        return


def read_frame(data: bytes | bytearray, start: int) -> Frame | None:
    """None: it is not all there. Raises FrameError for one of more than MESSAGE_BYTES_MAX."""
    if len(data) < start + 2:
        return None
    first, second = data[start], data[start + 1]
    length, at = second & 0x7F, start + 2
    if length > 125:
        width = 2 if length == 126 else 8
        length = int.from_bytes(data[at : at + width], "big") if len(data) >= at + width else 0
        at += width
    if length > MESSAGE_BYTES_MAX:
        raise FrameError(f"a WebSocket frame of more than {MESSAGE_BYTES_MAX} bytes")
    mask = bytes(data[at : at + 4]) if second & 0x80 else b""
    at += 4 if second & 0x80 else 0
    if len(data) < at + length:
        return None
    payload = bytes(data[at : at + length])
    if mask:
        payload = _unmasked(payload, mask)
    return Frame(first & 0x0F, bool(first & 0x80), bool(first & 0x40), payload, at + length)


def frame_of(opcode: int, payload: bytes) -> bytes:
    """A control frame of a server."""
    return bytes((0x80 | opcode, len(payload))) + payload


class MessageReader:
    def __init__(self) -> None:
        self._buffer = bytearray()
        self._passed = 0  # bytes before the buffer
        self._payload = bytearray()  # of a message that goes on
        self._opcode = CONTINUATION
        self._is_compressed = False
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)

    def feed(self, data: bytes) -> list[Message]:
        """Raises FrameError."""
        self._buffer += data
        start, messages = 0, list[Message]()
        while (frame := read_frame(self._buffer, start)) is not None:
            start = frame.end
            if (message := self.take(frame._replace(end=self._passed + start))) is not None:
                messages.append(message)
        del self._buffer[:start]
        self._passed += start
        return messages

    def take(self, frame: Frame) -> Message | None:
        """The message that this frame ends. Raises FrameError."""
        if frame.opcode >= CLOSE:
            if len(frame.payload) > CONTROL_BYTES_MAX or not frame.is_final:
                raise FrameError(
                    f"a control frame of a WebSocket with more than {CONTROL_BYTES_MAX} bytes, or in parts"
                )
            return Message(frame.opcode, frame.payload, frame.end)
        if frame.opcode != CONTINUATION:
            self._opcode, self._is_compressed, self._payload = frame.opcode, frame.is_compressed, bytearray()
        self._payload += frame.payload
        if len(self._payload) > MESSAGE_BYTES_MAX:
            raise FrameError(f"a WebSocket message of more than {MESSAGE_BYTES_MAX} bytes")
        if not frame.is_final:
            return None
        payload, self._payload = bytes(self._payload), bytearray()
        return Message(self._opcode, self._inflated(payload) if self._is_compressed else payload, frame.end)

    def _inflated(self, payload: bytes) -> bytes:
        try:
            data = self._inflater.decompress(payload + _TAIL, MESSAGE_BYTES_MAX)
        except zlib.error as error:
            raise FrameError(f"a compressed WebSocket message is corrupt: {error}") from None
        if self._inflater.unconsumed_tail:
            raise FrameError(f"a WebSocket message of more than {MESSAGE_BYTES_MAX} bytes")
        return data


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """As one long number: a byte at a time would take a second per 10 MB."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
