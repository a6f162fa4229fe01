"""The indexer as a child process: started, written to, read from, ended. Inside: `ingest_server/index/__main__.py`.

It is started the same way from a command, from a program that embeds the server and from tests: by this interpreter,
with the paths that modules are found on here, and behind them the folder that the program was started in.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Self, cast

from ingest_server.index import orders
from ingest_server.index.orders import Answer, Order

END_S = 1.0


class IndexerProcess(asyncio.SubprocessProtocol):
    """What it answers waits here; that is as much as the server lets it have to answer."""

    def __init__(self) -> None:
        self._frames = orders.Frames()
        self._payloads: asyncio.Queue[bytes | None] = asyncio.Queue()  # None: the end
        self._ended = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None

    @classmethod
    async def start(cls) -> Self:
        """Raises OSError."""
        paths = [*filter(None, sys.path), os.getcwd()]  # noqa: PTH109 (text)
        # -P: modules are found where PYTHONPATH says, and not first in the current folder.
        _, process = await asyncio.get_running_loop().subprocess_exec(
            cls,
            sys.executable,
            "-P",
            "-m",
            "ingest_server.index",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        return process

    @property
    def pid(self) -> int:
        assert self._transport is not None
        return self._transport.get_pid()

    def send(self, order: Order) -> None:
        """Into the pipe, or what waits for it; what the server sends ahead of the answers is bounded."""
        stdin = self._stdin()
        if not stdin.is_closing():
            stdin.write(orders.encode(order))

    async def answers(self) -> AsyncIterator[Answer]:
        """Up to its end. Raises ValueError where it talks nonsense."""
        while (payload := await self._payloads.get()) is not None:
            yield orders.decode_answer(payload)

    async def end(self) -> int:
        """Have it end, by the end of its stdin, or by force where that takes long; its exit code, below 0 for a signal.

        By force only then: asyncio complains of a child that is killed just when it has ended.
        """
        transport = self._transport
        assert transport is not None
        self._stdin().close()
        try:
            async with asyncio.timeout(END_S):
                await self._ended.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                transport.kill()
            await self._ended.wait()
        transport.close()
        return transport.get_returncode() or 0

    def _stdin(self) -> asyncio.WriteTransport:
        assert self._transport is not None
        return cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))

    # --- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 (asyncio's signature)
        try:
            for payload in self._frames.feed(data):
                self._payloads.put_nowait(payload)
        except ValueError:
            self._payloads.put_nowait(b"")  # which nobody can decode

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        if fd == 1:
            self._payloads.put_nowait(None)

    def process_exited(self) -> None:
        self._ended.set()
