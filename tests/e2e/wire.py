"""An observer of the wire that knows nothing of HTTP: a TCP relay that keeps every byte of both directions.

It is put before or behind the recorder. Ends, resets and back-pressure pass as they come.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field

from tests.e2e.listening import READ_BYTES, Listening


@dataclass(slots=True)
class Passage:
    """One connection through the observer."""

    to_server: bytearray = field(default_factory=bytearray)
    to_client: bytearray = field(default_factory=bytearray)


class Observer(Listening):
    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        super().__init__(host)
        self.passages: list[Passage] = []  # in the order of their connections
        self._target = (host, port)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
