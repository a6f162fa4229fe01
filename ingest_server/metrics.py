"""`/metrics`: tally, ledger and the figures of calls in the Prometheus text format.

The library is imported at the first question.
"""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest_server.ledger import Ledger
from ingest_server.llm_figures import LlmFigures
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


_LEDGER = (
    ("complete", "recorder_ledger_complete", "Exchanges recorded from the first to the last byte"),
    ("incomplete", "recorder_ledger_incomplete", "Exchanges recorded in part"),
    ("open", "recorder_ledger_open", "Exchanges running, as far as the ingest server knows"),
    ("in_flight", "recorder_ledger_in_flight", "Exchanges running, as the recorder told last"),
    ("waiting_bytes", "recorder_ledger_waiting_bytes", "Bytes in the journal that are not stored, as told last"),
    ("oldest_waiting_s", "recorder_ledger_oldest_waiting_seconds", "How long the oldest of these bytes has waited"),
    ("queue_bytes", "recorder_ledger_queue_bytes", "Bytes on their way into the journal, as the recorder told last"),
    ("unexplained", "recorder_ledger_unexplained", "Exchanges missing without a gap record"),
    ("last_contact_s", "recorder_ledger_last_contact_seconds", "Since the recorder was heard of last"),
)


class _Collector:
    def __init__(self, tally: Tally, ledger: Ledger, figures: LlmFigures) -> None:
        self._tally = tally
        self._ledger = ledger
        self._figures = figures

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
        yield from self._collect_ledger()
        yield from self._figures.collect(self._tally.open_exchanges, time.monotonic())

    def _collect_ledger(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        recorders = self._ledger.report(time.time_ns()).recorders
        for field, name, text in _LEDGER:
            metric = GaugeMetricFamily(name, text, labels=["recorder"])
            for recorder in recorders:
                if (value := getattr(recorder, field)) is not None:
                    metric.add_metric([recorder.name], value)
            yield metric
        for field, text in (("exchanges", "Exchanges dropped"), ("cut", "Exchanges cut"), ("bytes", "Bytes dropped")):
            labels = ["recorder", "reason"]
            metric = GaugeMetricFamily(f"recorder_ledger_dropped_{field}", f"{text}, by reason", labels=labels)
            for recorder in recorders:
                for reason, dropped in recorder.dropped.items():
                    metric.add_metric([recorder.name, reason], getattr(dropped, field))
            yield metric


class Metrics:
    def __init__(self, tally: Tally, ledger: Ledger, figures: LlmFigures) -> None:
        self._collector = _Collector(tally, ledger, figures)
        self._registry: CollectorRegistry | None = None

    def text(self) -> bytes:
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

        if self._registry is None:
            self._registry = CollectorRegistry()
            self._registry.register(self._collector)
        return generate_latest(self._registry)
