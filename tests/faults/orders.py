"""What a fault test asks for, and what must come back: every byte follows from an order's own fields.

So neither the client nor the upstream nor the ledger keeps any bytes, and a seed tells a whole run. An order's id
stands in the request's path; by it each exchange is counted.

    kind       the request                         the response
    json       POST of up to 2 KB                  Content-Length, up to 4 KB
    sse        POST of up to 2 KB                  chunked, an event a chunk, `pause_ms` between two
    body       POST of 16 to 256 KiB               Content-Length, 16 to 256 KiB
    websocket  upgrade, then bytes behind the 101  101, then a piece each `pause_ms`, then the end
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Self

KINDS = ("json", "sse", "body", "websocket")
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

_POOL = Random(20260921).randbytes(512 * 1024)
_find = re.compile(rb"/((?:json|sse|body|websocket)-[0-9]+-[0-9]+-[0-9]+-[0-9]+)").search


@dataclass(frozen=True, slots=True)
class Order:
    kind: str
    seed: int
    number: int
    pieces: int = 1  # that the response comes in
    pause_ms: int = 0  # between two of them

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.seed}-{self.number}-{self.pieces}-{self.pause_ms}"

    @classmethod
    def find(cls, text: bytes) -> Self | None:
        """The order whose id stands in a path or URL."""
        match = _find(text)
        if match is None:
            return None
        kind, *numbers = match[1].decode().split("-")
        return cls(kind, *map(int, numbers))

    def request(self) -> bytes:
        """All that the client sends, but for what goes behind a 101."""
        if self.kind == "websocket":
            return (
                f"GET /lm/{self.id} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ).encode()
        body = self._bytes("request", *((16_384, 262_144) if self.kind == "body" else (10, 2000)))
        return f"POST /lm/{self.id} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def tunnelled(self) -> bytes:
        """What a client sends behind the 101."""
        return self._bytes("tunnelled", 100, 3000)

    def response(self) -> Iterator[bytes]:
        """The pieces in which the response is sent."""
        if self.kind in ("json", "body"):
            body = self._bytes("response", *((16_384, 262_144) if self.kind == "body" else (10, 4000)))
            yield f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            return
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" if self.kind == "sse" else SWITCHED
        for place in range(self.pieces):
            data = self._bytes(f"piece {place}", 20, 400)
            yield data if self.kind == "websocket" else b"%x\r\n%b\r\n" % (len(data), data)
        if self.kind == "sse":
            yield b"0\r\n\r\n"

    def _bytes(self, what: str, smallest: int, largest: int) -> bytes:
        random = Random(f"{self.id} {what}")
        size = random.randint(smallest, largest)
        start = random.randrange(len(_POOL) - size)
        return _POOL[start : start + size]
