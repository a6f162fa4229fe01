"""`/metrics`: the tally in the Prometheus text format. The library is imported at the first question, not at start."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest_server.tally import Tally

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS = (
    ("started", "recorder_ingest_exchanges_started", "Exchanges whose start was received"),
    ("stored_bytes", "recorder_ingest_stored_bytes", "Bytes in the .bin files of exchanges that have ended"),
    ("gaps", "recorder_ingest_gaps", "Gap records written"),
    ("lost_exchanges", "recorder_ingest_lost_exchanges", "Exchanges that gap records tell of"),
    ("lost_bytes", "recorder_ingest_lost_bytes", "Bytes that gap records tell of"),
    ("write_errors", "recorder_ingest_write_errors", "Batches that could not be written and were refused"),
)


class _Collector:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

        for field, name, text in _COUNTERS:
            yield CounterMetricFamily(name, text, value=getattr(self._tally, field))
        ended = CounterMetricFamily(
            "recorder_ingest_exchanges_ended", "Exchanges whose files are final", labels=["completed"]
        )
        ended.add_metric(["true"], self._tally.completed)
        ended.add_metric(["false"], self._tally.incomplete)
        yield ended
        yield GaugeMetricFamily("recorder_ingest_open_exchanges", "Exchanges running", value=self._tally.open_exchanges)


class Metrics:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._registry: CollectorRegistry | None = None

    def text(self) -> bytes:
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

        if self._registry is None:
            self._registry = CollectorRegistry()
            self._registry.register(_Collector(self._tally))
        return generate_latest(self._registry)
