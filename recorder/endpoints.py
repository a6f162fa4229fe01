"""What the recorder says about itself: `/health` and `/health/detailed` (JSON), `/metrics` (Prometheus text)."""

import time

import msgspec

from recorder.capture.journal import Journal
from recorder.capture.shipper import Shipper
from recorder.metrics import CONTENT_TYPE, Metrics
from recorder.parts import CaptureParts, upstream_parts
from recorder.relay.context import Context
from recorder.routing.routes import Own
from traffic.health import Health, health_of

_JSON = b"application/json"


class OwnPages:
    def __init__(self, context: Context, journal: Journal, shipper: Shipper, capture: CaptureParts) -> None:
        self._context = context
        self._journal = journal
        self._shipper = shipper
        self._capture = capture
        self._metrics = Metrics(context, journal, shipper)
        self._started_s = time.monotonic()

    def __call__(self, own: Own) -> tuple[int, bytes, bytes]:
        """Status, content type and body."""
        if own is Own.METRICS:
            return 200, CONTENT_TYPE, self._metrics.text()
        if own is Own.HEALTH_DETAILED:
            health = self._detailed()
            return health.http_status, _JSON, msgspec.json.encode(health) + b"\n"
        return 200, _JSON, msgspec.json.encode(self._health()) + b"\n"

    def _health(self) -> dict[str, object]:
        failure = self._context.queue.failure or self._shipper.failure
        return {
            "status": "ok" if failure is None else "degraded",
            "service": "recorder",
            "problem": failure,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
            "recorded": self._context.tap.ledger.recorded,
            "in_flight": self._context.tap.ledger.in_flight,
            "lost": self._context.tap.ledger.lost,
            "journal_bytes": self._journal.bytes_on_disk + self._shipper.left_behind_bytes,
        }

    def _detailed(self) -> Health:
        return health_of("recorder", [*self._capture.all(), *upstream_parts(self._context.upstream_errors)])
