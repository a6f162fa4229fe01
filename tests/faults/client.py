"""The client side of a fault test: sends orders and counts every exchange that it began, finished and saw broken.

A byte that differs from what the upstream sent fails at once: whatever breaks, nothing wrong may pass.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from tests.faults.orders import Order

READ_BYTES = 256 * 1024
PATIENCE_S = 60.0


class Outcome(Enum):
    RUNNING = 1
    FINISHED = 2  # the whole response came
    BROKEN = 3  # the connection ended before that
    REFUSED = 4  # the recorder answered in the upstream's place


@dataclass(slots=True)
class Entry:
    """Times by time.monotonic(); `received_bytes` of the response."""

    began_s: float
    outcome: Outcome = Outcome.RUNNING
    first_byte_s: float | None = None
    ended_s: float = 0.0
    received_bytes: int = 0


class Line:
    """A client's connection to the recorder, opened anew whenever it broke."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Waits until the recorder listens."""
        async with asyncio.timeout(PATIENCE_S):
            while self._streams is None:
                try:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=READ_BYTES)
                except OSError:
                    await asyncio.sleep(0.01)
        return self._streams

    async def end(self) -> None:
        if self._streams is not None:
            writer = self._streams[1]
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class CountingClient:
    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.bytes = 0

    def count(self, outcome: Outcome) -> int:
        return sum(entry.outcome is outcome for entry in self.entries.values())

    async def send_all(self, port: int, orders: Iterable[Order]) -> None:
        """One after the other, on one connection for as long as it holds."""
        line = Line(port)
        try:
            for order in orders:
                await self._send(line, order)
        finally:
            await line.end()

    async def _send(self, line: Line, order: Order) -> None:
        reader, writer = await line.streams()
        entry = self.entries[order.id] = Entry(time.monotonic())
        try:
            if writer.transport.is_closing():  # uvloop answers a write to it with a RuntimeError
                raise ConnectionResetError
            writer.write(order.request())
            await writer.drain()
            entry.outcome = await self._receive(reader, writer, order, entry)
        except OSError:
            entry.outcome = Outcome.BROKEN
        finally:
            entry.ended_s = time.monotonic()
        if entry.outcome is not Outcome.FINISHED or order.kind == "websocket":
            await line.end()

    async def _receive(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, order: Order, entry: Entry
    ) -> Outcome:
        expected = b"".join(order.response())
        received = bytearray()
        sent_tunnelled = order.kind != "websocket"
        while len(received) < len(expected):
            async with asyncio.timeout(PATIENCE_S):
                block = await reader.read(len(expected) - len(received))
            if not block:
                return Outcome.BROKEN
            received += block
            entry.first_byte_s = entry.first_byte_s or time.monotonic()
            if not expected.startswith(received):
                assert received.startswith(b"HTTP/1.1 50"), f"{order.id}: not what the upstream sent"
                return Outcome.REFUSED
            entry.received_bytes = len(received)
            self.bytes += len(block)
            if not sent_tunnelled and not writer.transport.is_closing():
                writer.write(order.tunnelled())
                sent_tunnelled = True
        if order.kind == "websocket":
            assert await reader.read(1) == b"", f"{order.id}: bytes behind the end"
        return Outcome.FINISHED
