"""The indexer as a child process: started, written to, read from, ended. Inside: `ingest_server/index/__main__.py`.

It is started the same way from a command, from a program that embeds the server and from tests: by this interpreter,
with the paths that modules are found on here, and behind them the folder that the program was started in.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Self

from ingest_server.index import orders
from ingest_server.index.orders import Answer, Order

END_S = 1.0
_READ_BYTES = 256 * 1024


class IndexerProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> Self:
        """Raises OSError."""
        # -P: modules are found where PYTHONPATH says, and not first in the current folder.
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "ingest_server.index",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(os.getcwd())])},  # noqa: PTH109 (text)
            )
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, order: Order) -> None:
        """Into the pipe, or what waits for it; what the server sends ahead of the answers is bounded."""
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(orders.encode(order))

    async def answers(self) -> AsyncIterator[Answer]:
        """Up to its end. Raises ValueError where it talks nonsense."""
        assert self._process.stdout is not None
        frames = orders.Frames()
        while data := await self._process.stdout.read(_READ_BYTES):
            for payload in frames.feed(data):
                yield orders.decode_answer(payload)

    async def end(self) -> int:
        """Have it end, by the end of its stdin, or by force where that takes long; its exit code, below 0 for a signal.

        By force only then: asyncio complains of a child that is killed just when it has ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                return await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            return await self._process.wait()
