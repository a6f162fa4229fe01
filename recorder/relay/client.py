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
from .tunnel import Tunnel
from .upstream import WRITE_BUFFER_BYTES

_TLS_HANDSHAKE = b"\x16"  # the first byte of a TLS connection (RFC 8446 §5.1)
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class ClientConnection(asyncio.Protocol):
    __slots__ = (
        "_closes_at_s",
        "_context",
        "_host",
        "_is_lost",
        "_since_s",
        "_unread",
        "address",
        "exchange",
        "flow",
        "half_closed",
        "is_full",
        "reader",
    )

    flow: Flow

    def __init__(self, context: Context) -> None:
        self._context = context
        self.reader = RequestReader(context.settings.limits.message)
        self.exchange: Exchange | Tunnel | None = None
        self.address = ""
        self._host = ""  # of the address
        self._unread = b""  # came while the way to the journal was full
        self.is_full = False  # the client takes no more bytes at the moment
        self._since_s = 0.0  # since when the connection waits for a head, or for the rest of one
        self._closes_at_s: float | None = None  # lingering: what arrives is thrown away
        self.half_closed = False  # the client sends nothing more
        self._is_lost = False

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.flow = Flow(transport)
        self.flow.transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        peer = transport.get_extra_info("peername")
        if peer:
            self._host = peer[0]
            self.address = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
        self._since_s = time.monotonic()
        context, limits = self._context, self._context.settings.limits
        count, own_count = len(context.clients), context.connections_by_host[self._host]
        if count >= limits.connections or own_count >= limits.connections_per_client or context.is_stopping:
            context.rejected_connections += not context.is_stopping
            self.flow.transport.abort()
            return
        context.clients.add(self)
        context.connections_by_host[self._host] += 1

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
        if self._has_enough:
            self.flow.hold(Hold.EARLY)

    def eof_received(self) -> bool:
        """True keeps the connection open for writing: a client may end its side behind its request."""
        self.half_closed = True
        if self.exchange is not None:
            self.exchange.client_ended()
        elif self._closes_at_s is not None or not self.reader.has_next:
            self._context.queue.forward(self.flow.transport.close)
        return self.flow.transport.can_write_eof() and not self.flow.transport.is_closing()  # TLS ends both ways

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 how it was lost makes no difference
        self._is_lost = True
        self.is_full = False
        if self.exchange is not None:
            self.exchange.client_lost()
        if self.exchange is None:  # else its response is read on, under on_client_disconnect: drain
            self._leave()

    def pause_writing(self) -> None:
        self.is_full = True
        if self.exchange is None:
            self.flow.hold(Hold.PEER)
        elif self.exchange.leg is not None:
            self.exchange.leg.hold()

    def resume_writing(self) -> None:
        self.is_full = False
        if self.exchange is None:
            self.flow.release(Hold.PEER)
            self._next_request()
        elif self.exchange.leg is not None:
            self.exchange.leg.release()

    def resume_after_full_queue(self) -> None:
        unread, self._unread = self._unread, b""
        self.flow.release(Hold.QUEUE)
        if self.exchange is None and self.reader.has_next:
            self._next_request()
        if unread and self._closes_at_s is None and not self.flow.transport.is_closing():
            self._take(unread)

    # --- called by the exchange

    def exchange_over(self, *, keep_alive: bool, lingers: bool) -> None:
        """The exchange is over: read the next request, or end the connection once its bytes have left."""
        self._drop_exchange()
        self._since_s = time.monotonic()
        self.flow.release(Hold.PEER)
        forward, transport = self._context.queue.forward, self.flow.transport
        if keep_alive and not self._context.is_stopping:
            if self.reader.is_drained:
                self._next_request()
            else:  # in a turn of its own: answers to many pipelined requests must not nest
                asyncio.get_running_loop().call_soon(self._next_request)
        elif lingers and not self.half_closed:
            self._closes_at_s = self._since_s + self._context.settings.limits.linger_s
            forward(_end_of_stream, transport)
            self.flow.release(Hold.EARLY)
        else:
            forward(transport.close)

    def read_on(self) -> None:
        """What was held back has gone on: take more, unless enough waits behind this request."""
        if not self._has_enough:
            self.flow.release(Hold.EARLY)

    def reset(self) -> None:
        """End the connection so that the client cannot take what it got for a whole response."""
        self._drop_exchange()
        self._context.queue.forward(_reset, self.flow.transport)

    # --- called once a second

    def check_deadlines(self, now_s: float) -> None:
        if self._closes_at_s is not None:
            if now_s >= self._closes_at_s:
                self.flow.transport.abort()
        elif self.exchange is not None:
            if (self.half_closed or self.flow.is_held) and self._was_reset():
                self.flow.transport.abort()
            else:
                if self._waits_for_queue:  # for the recorder, which counts against nobody
                    self.exchange.last_at = time.monotonic_ns()
                self.exchange.check_deadlines(now_s)
        elif self.flow.transport.is_closing():
            if now_s - self._since_s > self._context.settings.limits.client_idle_s:  # it never took its last bytes
                self.flow.transport.abort()
        elif self._waits_for_queue:
            self._since_s = now_s
        elif self.reader.partial_head and not self.is_full:
            if now_s - self._since_s > self._context.settings.limits.head_read_s:
                self._refuse("the request's head did not arrive in time", 408, "client_timeout")
        elif now_s - self._since_s > self._context.settings.limits.client_idle_s:
            self.flow.transport.close()

    def close_if_idle(self) -> None:
        """The recorder is stopping."""
        if self.exchange is None:
            self._context.queue.forward(self.flow.transport.close)

    # --- inside

    def _was_reset(self) -> bool:
        """Event loops do not look for a reset while they do not read, as behind the client's end."""
        if self._is_lost:  # its socket is gone, while the response is read on
            return False
        connected = self.flow.transport.get_extra_info("socket")
        return bool(connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) if connected is not None else False

    @property
    def _waits_for_queue(self) -> bool:
        """Whether this side or the upstream's is not read because the way to the journal is full."""
        leg = self.exchange.leg if self.exchange is not None else None
        upstream = leg.connection if leg is not None else None
        return self.flow.is_held_by_queue or (upstream is not None and upstream.flow.is_held_by_queue)

    @property
    def _is_idle(self) -> bool:
        return self.exchange is None and not self.reader.has_next

    @property
    def _has_enough(self) -> bool:
        return self.reader.has_next and self.reader.buffered_bytes > self._context.settings.limits.early_bytes

    def _next_request(self) -> None:
        if self.exchange is not None or self._closes_at_s is not None or self.flow.transport.is_closing():
            return
        if self.is_full:  # it does not take its answers: there will be no more of them until it does
            self.flow.hold(Hold.PEER)
            return
        if self._context.queue.blocks and self.reader.has_next:  # nor does the way to the journal take another request
            self.flow.hold(Hold.QUEUE)
            self._context.queue.resume_later(self)
            return
        self._advance(None)
        self.read_on()
        if self.half_closed and self._is_idle:
            self._context.queue.forward(self.flow.transport.close)

    def _drop_exchange(self) -> None:
        self.exchange = None
        if self._is_lost:
            self._leave()

    def _leave(self) -> None:
        if self not in self._context.clients:
            return
        self._context.clients.remove(self)
        self._context.connections_by_host[self._host] -= 1
        if not self._context.connections_by_host[self._host]:
            del self._context.connections_by_host[self._host]
        if not self._context.clients:
            self._context.is_empty.set()

    def _advance(self, data: bytes | None) -> None:
        """Take what arrived, or (None) what waits behind the last request."""
        try:
            events = self.reader.next_message() if data is None else self.reader.feed(data)
        except HeadError as error:
            self._refuse(str(error), error.status, "bad_request")
        except FramingError as error:
            if isinstance(self.exchange, Exchange):  # else the connection is about to be closed
                self.exchange.request_broken(str(error))
        else:
            if events:
                self._act(events, time.monotonic_ns())

    def _act(self, events: list[RequestEvent], at: int) -> None:
        first = events[0]
        if isinstance(first, RequestHead):
            self.exchange = exchange = Exchange(self._context, self, at)
            body = events[1] if len(events) > 1 and isinstance(events[1], bytes) else b""
            exchange.begin(first, body, is_whole=not self.reader.in_body)
        elif self.exchange is not None:
            body = first if isinstance(first, bytes) else b""
            self.exchange.client_sent(body, at, is_whole=not self.reader.in_body)

    def _refuse(self, problem: str, status: int, name: str) -> None:
        raw = self.reader.partial_head
        if raw[:1] == _TLS_HANDSHAKE and self._context.settings.tls is None:
            problem = "TLS, where plain HTTP is spoken: call http://, or set server.tls"
        self.exchange = exchange = Exchange(self._context, self, time.monotonic_ns())
        exchange.refuse_head(raw, problem, status, name)


def _end_of_stream(transport: asyncio.WriteTransport) -> None:
    if not transport.is_closing() and transport.can_write_eof():
        transport.write_eof()


def _reset(transport: asyncio.WriteTransport) -> None:
    """Close with RST: without SO_LINGER of 0 s, abort() sends the FIN of a regular end."""
    if not transport.is_closing():
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
