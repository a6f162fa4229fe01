"""The last error of each route's upstream, for /health/detailed. Bounded, and without anything that anybody sent.

Told by the exchange where one ends because of its upstream, or of the way to it.
"""

import time
from typing import Final, NamedTuple

from traffic.capture.events import ExchangeError

ROUTES_MAX: Final = 256


class UpstreamError(NamedTuple):
    at_s: float  # time.monotonic()
    text: str


class UpstreamErrors:
    def __init__(self) -> None:
        self.latest: dict[str, UpstreamError] = {}  # by the route's name

    def note(self, route: str, error: ExchangeError) -> None:
        if error.by not in ("upstream", "network"):
            return
        # Connecting, nothing was received that could be quoted: the detail names a host, a port and a reason.
        text = f"{error.name}: {error.detail}" if error.phase == "connect" else f"{error.name} in {error.phase}"
        if route in self.latest or len(self.latest) < ROUTES_MAX:
            self.latest[route] = UpstreamError(time.monotonic(), text)
