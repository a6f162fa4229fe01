"""An observer of the wire that knows nothing of HTTP: a TCP relay that keeps every byte of both directions.

It is put before or behind the recorder. Ends, resets and back-pressure pass as they come.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

READ_BYTES = 256 * 1024


@dataclass(slots=True)
class Passage:
    """One connection through the observer."""

    to_server: bytearray = field(default_factory=bytearray)
    to_client: bytearray = field(default_factory=bytearray)


class Observer:
    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.passages: list[Passage] = []  # in the order of their connections
        self.port = 0
        self._target = (host, port)
        self._running: set[asyncio.Task[object]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, self._target[0], 0, limit=READ_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        passage = Passage()
        self.passages.append(passage)
        writers = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=READ_BYTES)
            writers.append(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer, passage.to_server))
                group.create_task(_pump(far_reader, writer, passage.to_client))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            for each in writers:
                reset(each)
        finally:
            for each in writers:
                each.close()
                with contextlib.suppress(OSError):
                    await each.wait_closed()
            self._running.discard(task)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
    while block := await reader.read(READ_BYTES):
        seen += block
        writer.write(block)
        await writer.drain()
    writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """Send RST at once."""
    if not writer.transport.is_closing():
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
