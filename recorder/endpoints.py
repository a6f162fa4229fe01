"""What the recorder says about itself: `/health` (JSON) and `/metrics` (Prometheus text)."""

import time
from typing import TYPE_CHECKING

import msgspec

from recorder.capture.journal import Journal
from recorder.capture.shipper import Shipper
from recorder.relay.context import Context
from recorder.routing.routes import Own

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_JSON = b"application/json"
_PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"


class OwnPages:
    def __init__(self, journal: Journal, shipper: Shipper) -> None:
        self.context: Context | None = None  # set once the context stands
        self._journal = journal
        self._shipper = shipper
        self._started_s = time.monotonic()
        self._registry: CollectorRegistry | None = None

    def __call__(self, own: Own) -> tuple[bytes, bytes]:
        """Content type and body."""
        if own is Own.METRICS:
            return _PROMETHEUS, self._metrics()
        return _JSON, msgspec.json.encode(self._health()) + b"\n"

    def _health(self) -> dict[str, object]:
        assert self.context is not None
        failure = self.context.queue.failure or self._shipper.failure
        return {
            "status": "ok" if failure is None else "degraded",
            "service": "recorder",
            "problem": failure,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
            "recorded": self.context.tap.ledger.recorded,
            "in_flight": self.context.tap.ledger.in_flight,
            "lost": self.context.tap.ledger.lost,
            "journal_bytes": self._journal.bytes_on_disk + self._shipper.left_behind_bytes,
        }

    def _metrics(self) -> bytes:
        from prometheus_client import generate_latest  # noqa: PLC0415 costs 40 ms, for the first scrape alone

        if self._registry is None:
            self._registry = self._make_registry()
        return generate_latest(self._registry)

    def _make_registry(self) -> "CollectorRegistry":
        from prometheus_client import CollectorRegistry, Gauge  # noqa: PLC0415

        assert self.context is not None
        context, ledger = self.context, self.context.tap.ledger
        registry = CollectorRegistry()
        for name, meaning, read in (
            ("recorder_exchanges_begun", "Exchanges on recorded routes since the start", lambda: ledger.begun),
            ("recorder_exchanges_in_flight", "Exchanges that have not ended", lambda: ledger.in_flight),
            ("recorder_exchanges_lost", "Exchanges not recorded, or not whole, for want of room", lambda: ledger.lost),
            ("recorder_recorded_bytes", "Bytes of ended recordings", lambda: ledger.recorded_bytes),
            ("recorder_lost_bytes", "Bytes dropped for want of room", lambda: ledger.lost_bytes),
            ("recorder_rejected_heads", "Requests refused because of their head", lambda: context.rejected_heads),
            (
                "recorder_rejected_connections",
                "Connections of clients closed at once because of a limit",
                lambda: context.rejected_connections,
            ),
            ("recorder_client_connections", "Open connections of clients", lambda: len(context.clients)),
            ("recorder_upstream_connections", "Open connections to upstreams", lambda: context.pool.open_connections),
            ("recorder_queue_bytes", "Bytes on their way into the journal", lambda: context.queue.waiting_bytes),
            (
                "recorder_journal_bytes",
                "Bytes in the journal, waiting for the ingest server",
                lambda: self._journal.bytes_on_disk + self._shipper.left_behind_bytes,
            ),
            (
                "recorder_console_lines_lost",
                "Console lines that stdout did not take",
                lambda: context.console.lost_lines,
            ),
        ):
            Gauge(name, meaning, registry=registry).set_function(read)
        return registry
