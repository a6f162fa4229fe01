"""An upstream that serves orders and counts: how often it saw each, and the hash of each request it got whole."""

import asyncio
import contextlib
import hashlib
import re
from collections import Counter

from tests.e2e.listening import Listening
from tests.faults.orders import Order

_length = re.compile(rb"(?i)\r\ncontent-length:[ ]*([0-9]+)\r\n").search


class CountingUpstream(Listening):
    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()  # ids, once their head has come
        self.requests: dict[str, bytes] = {}  # id -> SHA-256 of the whole request

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # the recorder has gone
            while await self._serve_one(reader, writer):
                pass

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether another request may follow on the connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        order = Order.find(head)
        assert order is not None, head
        self.seen[order.id] += 1
        length = _length(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        request = hashlib.sha256(head + body)
        for place, piece in enumerate(order.response()):
            if place and order.pause_ms:
                await asyncio.sleep(order.pause_ms / 1000)
            if writer.transport.is_closing():  # uvloop answers a write to it with a RuntimeError
                return False
            writer.write(piece)
            await writer.drain()
            if order.kind == "websocket" and not place:
                request.update(await reader.readexactly(len(order.tunnelled())))
        self.requests[order.id] = request.digest()
        return order.kind != "websocket"
