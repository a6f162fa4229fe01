"""The recorder's side of a connection to an upstream: a thin shell that passes what happens to its exchange."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from recorder.routing.routes import Origin
from recorder.settings import OutboundProxy

from .flow import Flow, Hold

if TYPE_CHECKING:
    from .exchange import Exchange
    from .tunnel import Tunnel

WRITE_BUFFER_BYTES = 256 * 1024


class UpstreamConnection(asyncio.Protocol):
    __slots__ = ("_closed", "_opened", "exchange", "flow", "origin", "proxy")

    flow: Flow

    def __init__(
        self,
        origin: Origin,
        proxy: OutboundProxy,
        opened: Callable[[Origin], None],
        closed: Callable[[Origin], None],
    ) -> None:
        self.origin = origin
        self.proxy = proxy  # the settings by which it was opened
        self.exchange: Exchange | Tunnel | None = None
        self._opened = opened
        self._closed = closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.flow = Flow(transport)
        self.flow.transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self._opened(self.origin)

    def data_received(self, data: bytes) -> None:
        if self.exchange is not None:
            self.exchange.upstream_sent(data)
        else:
            self.flow.transport.abort()  # bytes that answer no request: nothing behind them can be trusted

    def eof_received(self) -> bool:
        if self.exchange is not None:
            return self.exchange.upstream_ended() and self.flow.transport.can_write_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed(self.origin)
        if self.exchange is not None:
            self.exchange.upstream_lost(exc)

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.client.flow.hold(Hold.PEER)

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.client.flow.release(Hold.PEER)

    def resume_after_full_queue(self) -> None:
        self.flow.release(Hold.QUEUE)

    def close(self) -> None:
        self.flow.transport.abort()

    def close_when_sent(self, patience_s: float) -> None:
        self.flow.transport.close()
        asyncio.get_running_loop().call_later(patience_s, self.flow.transport.abort)
