"""A control: passes bytes on between client and upstream and does nothing else: what that alone costs in Python.

`python -m bench.relay PORT UPSTREAM_PORT`. Called by the peers.
"""

import asyncio
import gc
import sys
from typing import cast

import uvloop

BACKLOG = 4096


class _Side(asyncio.Protocol):
    """One connection; what it receives goes to the other side, or waits until that stands."""

    def __init__(self, other: "_Side | None" = None) -> None:
        self.other = other
        self.early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no instance of it

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)
        else:
            self.early += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 how it was lost makes no difference
        if self.other is not None:
            self.other.transport.close()


class _Client(_Side):
    def __init__(self, upstream_port: int) -> None:
        super().__init__()
        self._upstream_port = upstream_port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.create_task(self._connect())  # noqa: TID251 held here; nothing of the recorder's

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, upstream = await loop.create_connection(lambda: _Side(self), "127.0.0.1", self._upstream_port)
        except OSError:
            self.transport.close()
            return
        if self.transport.is_closing():
            upstream.transport.close()
            return
        self.other = upstream
        upstream.transport.write(self.early)


async def _run(port: int, upstream_port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(upstream_port), "127.0.0.1", port, backlog=BACKLOG)
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(int(sys.argv[1]), int(sys.argv[2])))
