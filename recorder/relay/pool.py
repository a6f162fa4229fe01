"""Connections to upstreams, kept per origin between exchanges: the latest used is taken first, unused ones expire."""

from collections import Counter
from collections.abc import Callable

from recorder.routing.routes import Destination, Origin
from recorder.settings import Limits, OutboundProxy
from traffic.capture.events import ExchangeError

from .dial import DialError, dial
from .resolver import Resolver
from .upstream import UpstreamConnection


class Pool:
    def __init__(self, limits: Limits, proxy: OutboundProxy) -> None:
        self.limits = limits
        self._proxy = proxy
        self._resolver = Resolver(limits.name_lookups)
        self._idle: dict[Origin, list[tuple[float, UpstreamConnection]]] = {}  # (expires at, connection), oldest first
        self._open: Counter[Origin] = Counter()
        self._dialing: Counter[Origin] = Counter()

    def configure(self, limits: Limits, proxy: OutboundProxy) -> None:
        """From now on. Connections that were opened another way are used no more."""
        self.limits = limits
        if proxy != self._proxy:
            self._proxy = proxy
            self.close()

    @property
    def open_connections(self) -> int:
        return self._open.total()

    def take(self, origin: Origin) -> UpstreamConnection | None:
        """A connection that is open as far as anybody knows, or None."""
        idle = self._idle.get(origin)
        while idle:
            _, connection = idle.pop()
            if not connection.flow.transport.is_closing():
                return connection
        return None

    async def connect(self, destination: Destination, timeout_s: float) -> UpstreamConnection:
        """A fresh connection; raises DialError."""
        origin = destination.origin
        count = self._open[origin] + self._dialing[origin]
        if count >= self.limits.upstream_connections:
            place = f"{destination.host}:{destination.port}"
            detail = f"{count} connections to {place} are open already, which is the limit"
            raise DialError(503, ExchangeError("overloaded", "connect", "recorder", detail))
        self._dialing[origin] += 1
        self._resolver.lookups_max = self.limits.name_lookups
        try:
            return await dial(destination, self._proxy, self._resolver, timeout_s, self._maker(origin))
        finally:
            self._dialing[origin] -= 1

    def release(self, connection: UpstreamConnection, now_s: float, keep_alive_s: float | None) -> None:
        """Keep a connection whose exchange is over. `keep_alive_s`: how long the upstream said that it would."""
        idle = self._idle.setdefault(connection.origin, [])
        seconds = self.limits.upstream_keep_alive_s
        if keep_alive_s is not None:
            seconds = max(0.0, keep_alive_s - 1.0)
        is_unsent = connection.flow.transport.get_write_buffer_size() > 0  # it answered without reading all
        is_outdated = connection.proxy is not self._proxy
        if is_unsent or is_outdated or not seconds or len(idle) >= self.limits.idle_upstream_connections:
            connection.close()
        else:
            idle.append((now_s + seconds, connection))

    def expire(self, now_s: float) -> None:
        for origin, idle in list(self._idle.items()):
            kept = []
            for expires_at, connection in idle:
                if connection.flow.transport.is_closing():
                    continue
                if expires_at <= now_s:
                    connection.close()
                else:
                    kept.append((expires_at, connection))
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]

    def close(self) -> None:
        """Close the unused connections."""
        self.expire(float("inf"))

    def _maker(self, origin: Origin) -> Callable[[], UpstreamConnection]:
        proxy = self._proxy
        return lambda: UpstreamConnection(origin, proxy, self._opened, self._closed)

    def _opened(self, origin: Origin) -> None:
        self._open[origin] += 1

    def _closed(self, origin: Origin) -> None:
        self._open[origin] -= 1
        if not self._open[origin]:
            del self._open[origin]
