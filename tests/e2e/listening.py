"""What the servers of tests have in common: a free port, a task per connection, and an end that leaves none behind.

A subclass says what happens on a connection. An error in that fails the test when the server ends.
"""

import asyncio
import contextlib
import ssl
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

READ_BYTES = 256 * 1024
BACKLOG = 1024


class Listening(ABC):
    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self._host = host
        self._tls = tls
        self._running: set[asyncio.Task[object]] = set()
        self._errors: list[Exception] = []
        self._server: asyncio.Server | None = None

    @abstractmethod
    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """All of one connection; `writer` is closed behind it. Cancelled when the test is over."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, self._host, 0, ssl=self._tls, limit=READ_BYTES, backlog=BACKLOG
        )
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
        if self._errors and kind is None:
            raise ExceptionGroup(f"{type(self).__name__} failed", self._errors)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self.converse(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over; raised on, it would be logged as an error of the server
        except Exception as problem:  # noqa: BLE001 raised again when the test ends
            self._errors.append(problem)
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):  # ssl.SSLError is an OSError
                await writer.wait_closed()
            self._running.discard(task)
