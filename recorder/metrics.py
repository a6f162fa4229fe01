"""`/metrics` of the recorder, in the Prometheus text format. The library is imported at the first scrape."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from recorder.capture.journal import Journal
from recorder.capture.shipper import Shipper
from recorder.relay.context import Context

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    def __init__(self, context: Context, journal: Journal, shipper: Shipper) -> None:
        self._collector = _Collector(context, journal, shipper)
        self._registry: CollectorRegistry | None = None

    def text(self) -> bytes:
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 costs 40 ms

        if self._registry is None:
            self._registry = CollectorRegistry()
            self._registry.register(self._collector)
        return generate_latest(self._registry)


class _Collector:
    def __init__(self, context: Context, journal: Journal, shipper: Shipper) -> None:
        self._context = context
        self._journal = journal
        self._shipper = shipper

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        for name, text, value in self._figures():
            yield GaugeMetricFamily(name, text, value=value)
        dropped = self._context.tap.ledger.dropped
        exchanges = GaugeMetricFamily(
            "recorder_dropped_exchanges", "Exchanges not recorded, by reason", labels=["reason"]
        )
        cut = GaugeMetricFamily("recorder_cut_exchanges", "Exchanges not recorded whole, by reason", labels=["reason"])
        size = GaugeMetricFamily("recorder_dropped_bytes", "Bytes not recorded, by reason", labels=["reason"])
        for reason, lost in list(dropped.items()):
            exchanges.add_metric([reason], lost.exchanges)
            cut.add_metric([reason], lost.cut)
            size.add_metric([reason], lost.bytes)
        yield from (exchanges, cut, size)

    def _figures(self) -> Iterator[tuple[str, str, float]]:
        context, ledger, shipper = self._context, self._context.tap.ledger, self._shipper
        yield "recorder_exchanges_begun", "Exchanges on recorded routes since the start", ledger.begun
        yield "recorder_exchanges_recorded", "Exchanges recorded from the first to the last byte", ledger.recorded
        yield "recorder_exchanges_in_flight", "Exchanges that have not ended", ledger.in_flight
        yield "recorder_exchanges_lost", "Exchanges not recorded, or not whole", ledger.lost
        yield "recorder_recorded_bytes", "Bytes of ended recordings", ledger.recorded_bytes
        yield "recorder_lost_bytes", "Bytes dropped", ledger.lost_bytes
        yield "recorder_rejected_heads", "Requests refused because of their head", context.rejected_heads
        rejected = context.rejected_connections
        yield "recorder_rejected_connections", "Connections of clients closed at once because of a limit", rejected
        yield "recorder_client_connections", "Open connections of clients", len(context.clients)
        yield "recorder_upstream_connections", "Open connections to upstreams", context.pool.open_connections
        yield "recorder_queue_bytes", "Bytes on their way into the journal", context.queue.waiting_bytes
        on_disk = self._journal.bytes_on_disk + shipper.left_behind_bytes
        yield "recorder_journal_bytes", "Bytes of the journal on the disk", on_disk
        yield "recorder_journal_waiting_bytes", "Of those, not stored by the ingest server yet", shipper.waiting_bytes
        age_s = shipper.oldest_waiting_s or 0.0
        yield "recorder_journal_oldest_waiting_seconds", "How long the oldest of these bytes has waited", age_s
        if shipper.last_contact_s is not None:
            contact_s = time.monotonic() - shipper.last_contact_s
            yield "recorder_link_last_contact_seconds", "Since the ingest server answered last", contact_s
        yield "recorder_console_lines_lost", "Console lines that stdout did not take", context.console.lost_lines
