"""What is told of exchanges once they are in the index: calls to observers, summaries to who watches, lines for stdout,
sums for the metrics, spans to a collector.

All of it is told once of each exchange, of those that end while the server runs: not of what is caught up from before,
or decoded again. Called by the worker.
"""

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ingest_server.index.attempts import interruption
from ingest_server.index.call_line import call_line
from ingest_server.index.call_sums import CallCounter, CallSums
from ingest_server.index.reading import Read
from ingest_server.index.row import Row, summary_of
from ingest_server.index.summary import ExchangeSummary
from ingest_server.settings import IndexSettings, Otlp
from traffic.export.spans import Place, span_of
from traffic.llm.observers import ObserverError, Observers, OverdueError, load_observers

if TYPE_CHECKING:
    from ingest_server.spans import SpanSender

log = logging.getLogger(__name__)


class Fresh(NamedTuple):
    summaries: list[ExchangeSummary]
    lines: list[bytes]
    sums: list[CallSums]


class News:
    def __init__(self, settings: IndexSettings) -> None:
        self.is_watched = False
        self._settings = settings
        self._counter = CallCounter()
        self._summaries: list[ExchangeSummary] = []
        self._lines: list[bytes] = []
        self._observers = _observers(settings.observers)
        self._sender = None if settings.otlp is None else _sender(settings.otlp)

    def add(self, row: Row, read: Read) -> None:
        """What was read is in the index, as `row`."""
        if read.decoded is not None:
            self._observers.tell(read.facts, read.decoded)
        call = read.entry.call
        if call is None and not self.is_watched:
            return
        summary = summary_of(row)
        if self.is_watched:
            self._summaries.append(summary)
        if call is None:
            return
        self._counter.add(summary)
        if self._settings.print_calls:
            self._lines.append(call_line(summary, call))
        if self._sender is not None and self._settings.otlp is not None:
            place = Place(row.session, row.parent)
            self._sender.send(span_of(read.facts, call, place, with_content=self._settings.otlp.content))

    def take(self) -> Fresh:
        fresh = Fresh(self._summaries, self._lines, self._counter.take())
        self._summaries, self._lines = [], []
        return fresh

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()


def _observers(names: tuple[str, ...]) -> Observers:
    limit = partial(interruption, OverdueError)
    try:
        return load_observers(names, log.warning, limit)
    except ObserverError as error:
        log.error("%s; until that is mended, none of the configuration's observers is told of calls", error)
        return load_observers((), log.warning, limit)


def _sender(otlp: Otlp) -> "SpanSender":
    from ingest_server.spans import SpanSender  # noqa: PLC0415 (heavy)

    return SpanSender(otlp)
