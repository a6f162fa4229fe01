"""A WebSocket's bytes: frames as a client and a server send them, and recordings made of them."""

from tests.replay.play.made import Times, exchange
from traffic.capture.exchange import RecordedExchange
from traffic.http1.websocket import TEXT

KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3
OTHER_KEY, OTHER_ACCEPT = b"AAAAAAAAAAAAAAAAAAAAAA==", b"ICX+Yqv66kxgM0FcWaLWlFLwTAI="
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)


def upgrade(key: bytes = KEY) -> bytes:
    return (
        b"GET /v1/realtime?model=tiny HTTP/1.1\r\nHost: play.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: 13\r\n\r\n" % key
    )


def frame(payload: bytes, opcode: int = TEXT, mask: bytes = b"", first: int = 0x80) -> bytes:
    """`mask`: four bytes, as clients draw them."""
    size, masked = len(payload), 0x80 if mask else 0
    if size < 126:
        length = bytes([masked | size])
    elif size < 65_536:
        length = bytes([masked | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([masked | 127]) + size.to_bytes(8, "big")
    body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload)) if mask else payload
    return bytes([first | opcode]) + length + mask + body


def said(payload: bytes, opcode: int = TEXT, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """Of a client."""
    return frame(payload, opcode, mask)


def conversation(*turns: tuple[str, bytes]) -> RecordedExchange:
    """`turns`: who sent which bytes, "client" or "server", each 10 ms after the one before."""
    sent, got = upgrade(), SWITCHED % ACCEPT
    asked_at: list[tuple[int, float]] = [(0, 0.0)]
    arrivals: list[tuple[int, float]] = [(0, 5.0)]
    for turn, (who, data) in enumerate(turns, 1):
        if who == "client":
            asked_at.append((len(sent), turn * 10.0))
            sent += data
        else:
            arrivals.append((len(got), turn * 10.0))
            got += data
    times: Times = arrivals
    return exchange(sent, got, 0, times, asked_at=asked_at)
