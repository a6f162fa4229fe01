"""An exchange's leg to its upstream: finds a connection, holds the request's bytes until it stands, and lets it go.

A pooled connection may have died unnoticed. Where it dies before any byte of an answer, the request goes out once more
on a fresh one, provided that sending it twice does no harm (RFC 9110 §9.2.2) and all of it is still at hand.
"""

import logging
import time
from typing import TYPE_CHECKING

from traffic.capture.events import ExchangeError
from traffic.http1.head import ResponseHead

from .context import Context
from .dial import DialError
from .flow import Hold
from .plan import Forward
from .upstream import UpstreamConnection

if TYPE_CHECKING:
    from .exchange import Exchange

log = logging.getLogger(__name__)

_IDEMPOTENT = frozenset(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])


class Leg:
    """`connection` is None until it stands; `connect_us` stays None for a pooled one."""

    __slots__ = (
        "_context",
        "_early",
        "_early_bytes",
        "_exchange",
        "_forward",
        "_replay",
        "_replay_bytes",
        "connect_us",
        "connection",
    )

    def __init__(self, context: Context, exchange: "Exchange", forward: Forward) -> None:
        self._context = context
        self._exchange = exchange
        self._forward = forward
        self._early: list[bytes] = []  # to send once the connection stands
        self._early_bytes = 0
        self._replay: list[bytes] | None = None  # all that was sent, as long as it may be sent again
        self._replay_bytes = 0
        self.connection: UpstreamConnection | None = None
        self.connect_us: int | None = None

    def start(self, method: str, data: bytes) -> None:
        """Send the beginning of a request: at once on a pooled connection, else when a fresh one stands."""
        pooled = self._context.pool.take(self._forward.destination.origin)
        if pooled is None:
            self._early.append(data)
            self._early_bytes = len(data)
            self._context.tasks.start(self._connect())
        else:
            if method in _IDEMPOTENT and len(data) <= self._context.settings.limits.replay_bytes:
                self._replay = [data]
                self._replay_bytes = len(data)
            self._attach(pooled)
            self._context.queue.write(pooled.flow.transport, data)

    def send(self, data: bytes) -> None:
        limits = self._context.settings.limits
        if self._replay is not None:
            self._replay.append(data)
            self._replay_bytes += len(data)
            if self._replay_bytes > limits.replay_bytes:
                self._replay = None
        if self.connection is not None:
            self._context.queue.write(self.connection.flow.transport, data)
            return
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes > limits.early_bytes:
            self._exchange.client.flow.hold(Hold.EARLY)

    def try_again(self) -> bool:
        """The connection died before any byte of an answer: whether the request goes out on a fresh one."""
        replay = self._replay
        if self.connection is None or replay is None:  # replay: it came from the pool
            return False
        self.let_go()
        self._early, self._replay = replay, None
        self._context.tasks.start(self._connect())
        return True

    def stop_replay(self) -> None:
        """An answer has begun: the request must not be sent again."""
        self._replay = None

    def keep(self, response: ResponseHead) -> None:
        """The exchange is over and the connection clean: back to the pool."""
        connection, self.connection = self.connection, None
        if connection is None or connection.flow.transport.is_closing():
            return
        connection.exchange = None
        connection.flow.release(Hold.PEER)
        self._context.pool.release(connection, time.monotonic(), _keep_alive_s(response))

    def let_go(self) -> None:
        """Close the connection; nothing of it reaches the exchange any more."""
        connection, self.connection = self.connection, None
        self._early, self._replay = [], None
        if connection is not None:
            connection.exchange = None
            self._context.queue.forward(connection.flow.transport.abort)

    def hold(self) -> None:
        """The client takes no more bytes at the moment."""
        if self.connection is not None:
            self.connection.flow.hold(Hold.PEER)

    def release(self) -> None:
        if self.connection is not None:
            self.connection.flow.release(Hold.PEER)

    def wait_for_queue(self) -> None:
        """The way to the journal is full, and the settings say to wait."""
        if self.connection is not None:
            self.connection.flow.hold(Hold.QUEUE)
            self._context.queue.resume_later(self.connection)

    def end(self) -> None:
        """Close the connection once what was sent has left; nothing of it reaches the exchange any more."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.exchange = None
            self._context.queue.forward(connection.close_when_sent, self._context.settings.limits.linger_s)

    async def _connect(self) -> None:
        began = time.monotonic_ns()
        try:
            timeout_s = self._forward.route.timeouts.connect_s
            connection = await self._context.pool.connect(self._forward.destination, timeout_s)
        except DialError as failure:
            self._exchange.upstream_unreachable(failure.error, failure.status)
            return
        except Exception as error:
            log.exception("connecting to %s failed in an unknown way", self._forward.destination.host)
            detail = f"the recorder failed to connect: {type(error).__name__}, see its log"
            self._exchange.upstream_unreachable(
                ExchangeError("upstream_unreachable", "connect", "recorder", detail), 502
            )
            return
        self.connect_us = (time.monotonic_ns() - began) // 1000
        if self._exchange.is_finished:
            connection.flow.transport.abort()
            return
        self._attach(connection)
        self._context.queue.write(connection.flow.transport, b"".join(self._early))
        self._early = []
        self._exchange.client.read_on()

    def _attach(self, connection: UpstreamConnection) -> None:
        self.connection = connection
        connection.exchange = self._exchange
        if self._exchange.client.is_full:
            connection.flow.hold(Hold.PEER)


def _keep_alive_s(head: ResponseHead) -> float | None:
    """What the upstream's `Keep-Alive: timeout=N` says."""
    value = head.value(b"keep-alive")
    if value is None:
        return None
    for item in value.lower().split(b","):
        name, _, seconds = item.strip().partition(b"=")
        if name == b"timeout" and seconds.isdigit():
            return float(seconds)
    return None
