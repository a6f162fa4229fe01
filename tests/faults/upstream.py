"""An upstream that serves orders and counts: how often it saw each, and the hash of each request it got whole."""

import asyncio
import contextlib
import hashlib
import re
from collections import Counter
from types import TracebackType
from typing import Self

from tests.faults.orders import Order

READ_BYTES = 256 * 1024

_length = re.compile(rb"(?i)\r\ncontent-length:[ ]*([0-9]+)\r\n").search


class CountingUpstream:
    def __init__(self) -> None:
        self.port = 0
        self.seen: Counter[str] = Counter()  # ids, once their head has come
        self.requests: dict[str, bytes] = {}  # id -> SHA-256 of the whole request
        self._tasks: set[asyncio.Task[object]] = set()
        self._errors: list[Exception] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=READ_BYTES, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._errors and kind is None:
            raise ExceptionGroup("the upstream failed", self._errors)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the recorder has gone, or the test is over
        except Exception as problem:  # noqa: BLE001 raised again when the test ends
            self._errors.append(problem)
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

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
