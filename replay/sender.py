"""The wire client of replays: sends a request's bytes as they are and reads the answer.

Nothing that a network or a peer does raises here: `Reply.error` says why an answer is missing or cut, in the words of
the metadata's errors. Connections are kept for the next request to the same place, for a short while: a server may
close an idle one at any moment. A request that finds its connection dead before any byte came back is sent once more
where that is safe (RFC 9110 §9.2.2); a POST is not. Called by `recorder replay`.
"""

import asyncio
import errno
import socket
import ssl
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import cast

import truststore

from replay.answer import EVERYTHING, AnswerReader, Reply, Wanted
from traffic.capture.metadata import Durations, ErrorFields
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError

CONNECT_TIMEOUT_S = 10.0
SILENCE_TIMEOUT_S = 600.0  # before the first byte and between two: models think for minutes
IDLE_S_MAX = 4.0  # common servers close idle connections after 5 s
IDEMPOTENT = frozenset(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])  # RFC 9110 §9.2.2

_Place = tuple[str, int, bool]


@dataclass(frozen=True, slots=True)
class Request:
    """What goes where."""

    host: str
    port: int
    tls: bool
    method: str
    data: bytes = field(repr=False)  # with its credentials

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


class Sender:
    """Use it within one event loop; `close()` it in the end."""

    def __init__(self) -> None:
        self._idle: dict[_Place, list[_Connection]] = defaultdict(list)  # the latest one last
        self._tls: ssl.SSLContext | None = None

    async def send(self, request: Request, wanted: Wanted = EVERYTHING) -> Reply:
        """An exception of `wanted`'s functions is raised here, and ends the exchange."""
        exchange = _Exchange(request, wanted)
        try:
            connection = self._take_idle(request)
            if connection is None or not await self._try(exchange, connection):
                await self._try(exchange, await self._connect(request, exchange))
        except _FailedError as failure:
            return exchange.reply(failure.error)
        return exchange.reply(None)

    def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    async def _try(self, exchange: "_Exchange", connection: "_Connection") -> bool:
        """False: the connection was dead, and the request may go on another one."""
        try:
            await connection.run(exchange)
        except _FailedError:
            if connection.was_used and exchange.is_untouched and exchange.request.method in IDEMPOTENT:
                return False
            raise
        finally:
            if connection.is_free:
                self._idle[_place(exchange.request)].append(connection)
            else:
                connection.abort()
        return True

    def _take_idle(self, request: Request) -> "_Connection | None":
        connections = self._idle[_place(request)]
        while connections:
            connection = connections.pop()
            if connection.is_free and time.monotonic() - connection.free_since_s < IDLE_S_MAX:
                return connection
            connection.abort()
        return None

    async def _connect(self, request: Request, exchange: "_Exchange") -> "_Connection":
        if request.tls and self._tls is None:
            self._tls = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection, request.host, request.port, ssl=self._tls if request.tls else None
                )
        except OSError as error:  # TimeoutError as well
            raise _FailedError(*_why_not_connected(error, request)) from None
        exchange.connect_us = exchange.now_us()
        return connection


def _place(request: Request) -> _Place:
    return request.host, request.port, request.tls


class _FailedError(Exception):
    def __init__(self, name: str, phase: str, by: str, detail: str) -> None:
        super().__init__(detail)
        self.error = ErrorFields(name, phase, by, detail)


class _Exchange:
    """A request and what has come of it so far."""

    def __init__(self, request: Request, wanted: Wanted) -> None:
        self.request = request
        self.answer = AnswerReader(request.method, wanted)
        self.client = ""
        self.connect_us: int | None = None
        self._started_ns = time.time_ns()
        self._began_ns = time.monotonic_ns()

    @property
    def is_untouched(self) -> bool:
        return not self.answer.size_bytes

    def now_us(self) -> int:
        return (time.monotonic_ns() - self._began_ns) // 1000

    def reply(self, error: ErrorFields | None) -> Reply:
        answer = self.answer
        durations = Durations(_ms(self.connect_us), _ms(answer.first_byte_us), _ms(self.now_us()))
        return Reply(
            started_ns=self._started_ns,
            client=self.client,
            status=answer.head.status if answer.head is not None else None,
            size_bytes=answer.size_bytes,
            raw=answer.raw,
            arrivals=answer.arrivals_ms,
            durations_ms=durations,
            error=error,
        )


def _ms(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1000


class _Connection(asyncio.Protocol):
    """Carries one exchange at a time."""

    def __init__(self) -> None:
        self.was_used = False
        self.free_since_s = 0.0
        self._transport: asyncio.Transport
        self._is_open = True
        self._allows_another = True
        self._exchange: _Exchange | None = None
        self._over: asyncio.Future[None]
        self._watch: asyncio.TimerHandle
        self._heard_s = 0.0
        self._client = ""

    @property
    def is_free(self) -> bool:
        return self._is_open and self._allows_another and self._exchange is None

    async def run(self, exchange: _Exchange) -> None:
        """Returns when the answer is over; raises _FailedError where it will not be."""
        loop = asyncio.get_running_loop()
        self._exchange, self._over, self._heard_s = exchange, loop.create_future(), loop.time()
        self._allows_another = False
        self._watch = loop.call_later(SILENCE_TIMEOUT_S, self._look_for_silence)
        exchange.client = self._client
        self._transport.write(exchange.request.data)
        try:
            await self._over
            self._allows_another = exchange.answer.allows_another and not self._transport.get_write_buffer_size()
        finally:
            self._watch.cancel()
            self._exchange, self.was_used, self.free_since_s = None, True, time.monotonic()

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no instance of it
        host, port, *_ = self._transport.get_extra_info("sockname")
        self._client = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or self._over.done():
            self._allows_another = False
            self._transport.abort()
            return
        self._heard_s = asyncio.get_running_loop().time()
        try:
            exchange.answer.feed(data, exchange.now_us())
        except (HeadError, FramingError) as error:
            self._fail("bad_response", f"the answer is not valid HTTP: {error}")
        except Exception as error:  # noqa: BLE001 of the caller's functions: it learns of it
            self._over.set_exception(error)
        else:
            if exchange.answer.is_over:
                self._over.set_result(None)
            elif exchange.answer.is_too_long:
                self._fail("capture_failed", f"more than {exchange.answer.size_bytes:,} bytes are not kept", "client")

    def eof_received(self) -> None:
        if self._exchange is not None and not self._over.done():
            self._exchange.answer.eof()
            if self._exchange.answer.is_over:
                self._over.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_open = False
        if self._exchange is None or self._over.done():
            return
        count = self._exchange.answer.size_bytes
        how = "reset" if exc is not None else "closed"
        cut = f"the answer was cut after {count:,} bytes" if count else "no answer came"
        self._fail("upstream_reset", f"{cut}: the server {how} the connection")

    def _look_for_silence(self) -> None:
        loop = asyncio.get_running_loop()
        left_s = self._heard_s + SILENCE_TIMEOUT_S - loop.time()
        if left_s > 0:
            self._watch = loop.call_later(left_s, self._look_for_silence)
        elif not self._over.done():
            self._fail("upstream_timeout", f"nothing came for {SILENCE_TIMEOUT_S:.0f} s")

    def _fail(self, name: str, detail: str, by: str = "upstream") -> None:
        assert self._exchange is not None
        phase = "response_body" if self._exchange.answer.has_final_head else "response_head"
        self._over.set_exception(_FailedError(name, phase, by, detail))


def _why_not_connected(error: OSError, request: Request) -> tuple[str, str, str, str]:
    if isinstance(error, TimeoutError):
        name, problem = "upstream_timeout", f"no answer within {CONNECT_TIMEOUT_S:.0f} s"
    elif isinstance(error, socket.gaierror):
        name, problem = "dns_failure", f"the name cannot be resolved: {error.strerror}"
    elif isinstance(error, ssl.SSLError):
        name, problem = "tls_failure", f"no TLS: {getattr(error, 'verify_message', '') or error.reason or error}"
    elif f"[Errno {errno.ECONNREFUSED}]" in str(error):  # of several addresses, the text alone tells
        name, problem = "upstream_refused", "nothing listens there"
    else:
        name, problem = "upstream_unreachable", error.strerror or str(error)
    return name, "connect", "network", f"cannot connect to {request.origin}: {problem}"
