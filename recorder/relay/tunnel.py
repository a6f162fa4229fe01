"""A WebSocket's tunnel: the bytes of both directions pass as they come, until both have ended (RFC 9110 §7.8).

It takes the place of the exchange whose upstream switched protocols, and ends its record once: `_finish` is the only
way out. Each direction may end before the other.

    client_*     from the client's connection
    upstream_*   from the upstream's
"""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from traffic.capture.events import ExchangeError
from traffic.http1.framing import UNTIL_CLOSE

from .context import Context
from .leg import Leg
from .transcript import Transcript

if TYPE_CHECKING:
    from .client import ClientConnection


class Tunnel:
    __slots__ = (
        "_context",
        "_idle_s",
        "_transcript",
        "_way_back_is_over",
        "_way_up_is_over",
        "client",
        "is_finished",
        "last_at",
        "leg",
    )

    def __init__(
        self, context: Context, client: "ClientConnection", leg: Leg, transcript: Transcript, idle_s: float
    ) -> None:
        self.client = client
        self.leg: Leg | None = leg
        self.is_finished = False
        self._context = context
        self._transcript = transcript
        self._idle_s = idle_s
        self.last_at = time.monotonic_ns()  # as of an exchange
        self._way_up_is_over = False
        self._way_back_is_over = False

    def begin(self, early: bytes) -> None:
        """Take both connections over. `early`: what the client sent before the upstream had switched."""
        self.client.exchange = self
        if self.leg is not None and self.leg.connection is not None:
            self.leg.connection.exchange = self
        if early:
            self.client_sent(early, self.last_at)
        self.client.read_on()
        if self.client.half_closed:
            self.client_ended()

    # --- the way up

    def client_sent(self, data: bytes, at: int, *, is_whole: bool = False) -> None:  # noqa: ARG002 as of an exchange
        if self.leg is not None:
            self.last_at = at
            self._transcript.request(at, data, UNTIL_CLOSE)
            self.leg.send(data)

    def client_ended(self) -> None:
        """The client will send nothing more; the other direction goes on."""
        self._way_up_is_over = True
        connection = self.leg.connection if self.leg is not None else None
        if connection is not None and not self._way_back_is_over:
            if not connection.flow.transport.can_write_eof():
                self._fail("client_disconnect", "client", "the client ended its side, which TLS cannot pass on")
                return
            self._context.queue.forward(_write_eof, connection.flow.transport)
        self._finish_if_over()

    def client_lost(self) -> None:
        if self._way_back_is_over:
            self._finish(None)
        else:
            self._fail("client_disconnect", "client", "the client closed its connection")

    # --- the way back

    def upstream_sent(self, data: bytes) -> None:
        at = self.last_at = time.monotonic_ns()
        self._transcript.response(at, data, UNTIL_CLOSE)
        self._context.queue.write(self.client.flow.transport, data)
        if self._context.queue.blocks and self.leg is not None:
            self.leg.wait_for_queue()

    def upstream_ended(self) -> bool:
        """The upstream will send nothing more. True: it still takes what the client sends."""
        self._way_back_is_over = True
        if not self._way_up_is_over and self.client.flow.transport.can_write_eof():  # TLS cannot end one way alone
            self._context.queue.forward(_write_eof, self.client.flow.transport)
            return True
        self._finish(None)
        return False

    def upstream_lost(self, exc: Exception | None) -> None:
        if self._way_back_is_over:
            self._finish(None)
        else:
            how = "reset" if exc is not None else "closed"
            self._fail("upstream_reset", "upstream", f"the upstream {how} its connection")

    # --- ending

    def check_deadlines(self, now_s: float) -> None:
        """Called about once a second."""
        exchange_s = self._context.settings.limits.exchange_s
        if now_s - self._transcript.started_at / 1e9 >= exchange_s:
            self._fail("exchange_timeout", "recorder", f"it took more than {exchange_s:g} s (limits.exchange_s)")
        elif now_s - self.last_at / 1e9 >= self._idle_s:
            self._fail("upstream_timeout", "upstream", f"nothing came for {self._idle_s:g} s (timeouts.idle_s)")

    def shut_down(self) -> None:
        """The recorder stops and cannot wait any longer."""
        self._fail("shutdown", "recorder", "the recorder was stopped")

    def _fail(self, name: str, by: str, detail: str) -> None:
        self._finish(ExchangeError(name, "tunnel", by, detail))

    def _finish_if_over(self) -> None:
        if self._way_up_is_over and self._way_back_is_over:
            self._finish(None)

    def _finish(self, error: ExchangeError | None) -> None:
        if self.is_finished:
            return
        self.is_finished = True
        leg, self.leg = self.leg, None
        self._transcript.finish(error, "upstream", 101, leg.connect_us if leg is not None else None)
        if leg is not None:
            leg.end()  # what the client sent last, as its close frame, still leaves
        self.client.exchange_over(keep_alive=False, lingers=False)


def _write_eof(transport: asyncio.WriteTransport) -> None:
    if not transport.is_closing() and transport.can_write_eof():
        with contextlib.suppress(OSError):
            transport.write_eof()
