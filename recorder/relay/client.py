"""The recorder's side of a client's connection: reads requests one after the other and runs one exchange at a time."""

import asyncio
import contextlib
import os
import socket
import struct
import time

from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, RequestHead
from traffic.http1.message import RequestEvent, RequestReader

from .context import Context
from .exchange import Exchange
from .flow import Flow, Hold
from .upstream import WRITE_BUFFER_BYTES

_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class ClientConnection(asyncio.Protocol):
    __slots__ = (
        "_closes_at_s",
        "_context",
        "_half_closed",
        "_since_s",
        "_unread",
        "address",
        "exchange",
        "flow",
        "is_full",
        "reader",
    )

    flow: Flow

    def __init__(self, context: Context) -> None:
        self._context = context
        self.reader = RequestReader()
        self.exchange: Exchange | None = None
        self.address = ""
        self._unread = b""  # came while the way to the journal was full
        self.is_full = False  # the client takes no more bytes at the moment
        self._since_s = 0.0  # since when the connection waits for a head, or for the rest of one
        self._closes_at_s: float | None = None  # lingering: what arrives is thrown away
        self._half_closed = False

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.flow = Flow(transport)
        self.flow.transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        peer = transport.get_extra_info("peername")
        if peer:
            self.address = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
        self._since_s = time.monotonic()
        if len(self._context.clients) >= self._context.settings.limits.connections:
            self.flow.transport.abort()
            return
        self._context.clients.add(self)

    def data_received(self, data: bytes) -> None:
        if self._closes_at_s is not None:
            return
        if self._context.queue.blocks:
            self._unread += data
            self.flow.hold(Hold.QUEUE)
            self._context.queue.resume_later(self)
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        was_between = self.reader.is_between
        self._advance(data)
        if was_between and self.reader.partial_head:
            self._since_s = time.monotonic()
        if self.exchange is not None and self.reader.buffered_bytes > self._context.settings.limits.early_bytes:
            self.flow.hold(Hold.EARLY)

    def eof_received(self) -> bool:
        """True keeps the connection open for writing: a client may end its side behind its request."""
        self._half_closed = True
        if self._closes_at_s is not None:
            return False
        return self.exchange is not None and self.exchange.client_ended()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 how it was lost makes no difference
        self._context.clients.discard(self)
        if not self._context.clients:
            self._context.is_empty.set()
        if self.exchange is not None:
            self.exchange.client_lost()

    def pause_writing(self) -> None:
        self.is_full = True
        if self.exchange is not None:
            self.exchange.hold_upstream()

    def resume_writing(self) -> None:
        self.is_full = False
        if self.exchange is not None:
            self.exchange.release_upstream()

    def resume_after_full_queue(self) -> None:
        unread, self._unread = self._unread, b""
        self.flow.release(Hold.QUEUE)
        if unread and self._closes_at_s is None and not self.flow.transport.is_closing():
            self._take(unread)

    # --- called by the exchange

    def exchange_over(self, *, keep_alive: bool, lingers: bool) -> None:
        """The exchange is over: read the next request, or end the connection once its bytes have left."""
        self.exchange = None
        self._since_s = time.monotonic()
        self.flow.release(Hold.PEER)
        forward, transport = self._context.queue.forward, self.flow.transport
        if keep_alive and not self._context.is_stopping:
            if self.reader.is_drained:
                self._next_request()
            else:  # in a turn of its own: answers to many pipelined requests must not nest
                asyncio.get_running_loop().call_soon(self._next_request)
        elif lingers and not self._half_closed:
            self._closes_at_s = self._since_s + self._context.settings.limits.linger_s
            forward(_end_of_stream, transport)
            self.flow.release(Hold.EARLY)
        else:
            forward(transport.close)

    def reset(self) -> None:
        """End the connection so that the client cannot take what it got for a whole response."""
        self.exchange = None
        self._context.queue.forward(_reset, self.flow.transport)

    # --- called once a second

    def check_deadlines(self, now_s: float) -> None:
        if self._closes_at_s is not None:
            if now_s >= self._closes_at_s:
                self.flow.transport.abort()
        elif self.exchange is not None:
            self.exchange.check_deadlines(now_s)
        elif self.reader.partial_head:
            if now_s - self._since_s > self._context.settings.limits.head_read_s:
                self._refuse("the request's head did not arrive in time", 408, "client_timeout")
        elif now_s - self._since_s > self._context.settings.limits.client_idle_s:
            self.flow.transport.close()

    def close_if_idle(self) -> None:
        """The recorder is stopping."""
        if self.exchange is None:
            self.flow.transport.close()

    # --- inside

    def _next_request(self) -> None:
        if self.exchange is not None or self.flow.transport.is_closing():
            return
        self.flow.release(Hold.EARLY)
        self._advance(None)
        if self._half_closed and self.exchange is None:
            self.flow.transport.close()

    def _advance(self, data: bytes | None) -> None:
        """Take what arrived, or (None) what waits behind the last request."""
        try:
            events = self.reader.next_message() if data is None else self.reader.feed(data)
        except HeadError as error:
            self._refuse(str(error), error.status, "bad_request")
        except FramingError as error:
            assert self.exchange is not None
            self.exchange.request_broken(str(error))
        else:
            if events:
                self._act(events, time.monotonic_ns())

    def _act(self, events: list[RequestEvent], at: int) -> None:
        first = events[0]
        if isinstance(first, RequestHead):
            self.exchange = Exchange(self._context, self, at)
            body = events[1] if len(events) > 1 and isinstance(events[1], bytes) else b""
            self.exchange.begin(first, body, is_whole=not self.reader.in_body)
        elif self.exchange is not None:
            body = first if isinstance(first, bytes) else b""
            self.exchange.client_sent(body, at, is_whole=not self.reader.in_body)

    def _refuse(self, problem: str, status: int, name: str) -> None:
        self.exchange = Exchange(self._context, self, time.monotonic_ns())
        self.exchange.refuse_head(self.reader.partial_head, problem, status, name)


def _end_of_stream(transport: asyncio.WriteTransport) -> None:
    if not transport.is_closing():
        transport.write_eof()


def _reset(transport: asyncio.WriteTransport) -> None:
    """Close with RST: without SO_LINGER of 0 s, abort() sends the FIN of a regular end."""
    if not transport.is_closing():
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
