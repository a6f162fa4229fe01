"""The indexer at work: takes orders, reads and decodes exchanges, brings them into the index in batches.

    orders first ─▶ one exchange after the other ─▶ commit, when none waits or COMMIT_S after the first ─▶ answer
    a pass over the files (catch_up.py) goes on whenever no order waits

Single-threaded. An error of the index or of the disk ends the process: the next one starts from what is committed. What
is wrong with one exchange stays with it. Run by __main__.py.
"""

import logging
import os
import queue
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ingest_server.index import catch_up
from ingest_server.index.attempts import Attempts
from ingest_server.index.catch_up import Scope
from ingest_server.index.entry import Entry
from ingest_server.index.news import News
from ingest_server.index.orders import (
    Answer,
    Begin,
    CatchUp,
    Concluded,
    Gone,
    Indexed,
    Order,
    Progress,
    Ready,
    Reindex,
    Stop,
    Watch,
)
from ingest_server.index.reading import Read, Reader
from ingest_server.index.row import KEYS_PER_US, Row
from ingest_server.index.schema import index_path
from ingest_server.index.writer import IndexWriter
from traffic.llm.decode import Decoder
from traffic.llm.registry import find_dialects

COMMIT_S: Final = 0.2
BATCH_MAX: Final = 500
LOOK_S: Final = 5.0  # how often an idle one looks whether the index is still there

log = logging.getLogger(__name__)


class Worker:
    def __init__(self, begin: Begin, inbox: "queue.SimpleQueue[Order]", answer: Callable[[Answer], None]) -> None:
        """Raises OSError or sqlite3.Error where the index cannot be opened."""
        self._inbox = inbox
        self._answer = answer
        self._started_us = begin.started_ns // 1000
        self._log_dir = Path(begin.log_dir)
        state = f"{begin.log_dir}{os.sep}.ingest{os.sep}"
        registry = find_dialects(log.warning)
        decoder = Decoder(registry.dialects, begin.settings.prices, registry.registered)
        attempts = Attempts(f"{state}indexing", decoder.fingerprint)
        self._reader = Reader(f"{begin.log_dir}{os.sep}", decoder, attempts)
        self._fingerprint = decoder.fingerprint
        self._writer = IndexWriter(index_path(self._log_dir))
        self._news = News(begin.settings)
        self._news.is_watched = begin.is_watched
        self._batch: list[Read] = []
        self._since_s = 0.0  # of the batch's first
        self._concluded = 0  # told of by orders, and not answered
        self._passes: deque[CatchUp | Reindex] = deque()  # the first one is at work, where there is a `_pass`
        self._pass: catch_up.CatchUp | None = None
        self._found: list[Read] = []  # by the step of a pass, that ended while the server ran
        self._seen: set[str] = set()  # told of or found since a pass began: each is news once

    def run(self) -> None:
        """Until a Stop."""
        self._answer(Ready(self._writer.count()))
        while not isinstance(order := self._next(), Stop):
            self._obey(order)
        self._commit()
        self._news.close()

    def _next(self) -> Order:
        """The next order; until there is one, what can be done without."""
        while True:
            is_idle = not (self._batch or self._concluded or self._passes)
            try:
                return self._inbox.get(timeout=LOOK_S) if is_idle else self._inbox.get_nowait()
            except queue.Empty:
                if is_idle:
                    self._look()
                elif self._batch or self._concluded:
                    self._commit()
                else:
                    self._go_on()

    def _obey(self, order: Order) -> None:
        if isinstance(order, Concluded):
            for stem in order.stems:
                self._take(stem)
        elif isinstance(order, Gone):
            self._commit()
            self._writer.remove(order.stems)
            self._tell()
        elif isinstance(order, Watch):
            self._news.is_watched = order.is_watched
        elif isinstance(order, CatchUp | Reindex) and order not in self._passes:
            self._passes.append(order)

    # --- what orders tell of

    def _take(self, stem: str) -> None:
        self._concluded += 1
        if stem in self._seen:
            return
        if self._passes:
            self._seen.add(stem)
        read = self._reader.read(stem)
        if read is None:
            self._writer.remove([stem])
            return
        if not self._batch:
            self._since_s = time.monotonic()
        self._batch.append(read)
        if len(self._batch) >= BATCH_MAX or time.monotonic() - self._since_s > COMMIT_S:
            self._commit()

    def _commit(self) -> None:
        rows = {row.stem: row for row in self._writer.put([read.entry for read in self._batch])}
        for read in self._batch:
            row = rows.get(read.entry.row.stem)
            if row is not None:
                self._news.add(row, read)
        self._batch = []
        self._tell()

    # --- what is found

    def _go_on(self) -> None:
        """A step of the pass at work, or of the next one."""
        order = self._passes[0]
        if self._pass is None:
            read, scope = self._read_missing, Scope(order.since_us)
            if isinstance(order, Reindex):
                other_than = self._fingerprint if order.decoder_changed else None
                read, scope = self._read_again, Scope(order.since_us, not order.decoder_changed, other_than)
            self._pass = catch_up.CatchUp(self._log_dir, self._writer, read, scope)
        is_left = self._pass.step()
        found, self._found = self._found, []
        for each in found:
            row = self._writer.row(each.entry.row.stem)
            if row is not None:
                self._news.add(row, each)
        self._tell()
        job = "catch up" if isinstance(order, CatchUp) else "reindex"
        self._answer(Progress(job, self._pass.done, self._pass.total, ended=not is_left))
        if not is_left:
            self._passes.popleft()
            self._pass = None

    def _read_missing(self, stem: str) -> Entry | None:
        read = None if stem in self._seen else self._reader.read(stem)
        if read is None:
            return None
        if self._has_ended_here(read.entry.row):
            self._found.append(read)
            self._seen.add(stem)
        return read.entry

    def _read_again(self, stem: str) -> Entry | None:
        read = self._reader.read(stem)
        return read.entry if read is not None else None

    def _has_ended_here(self, row: Row) -> bool:
        """While the server ran: what ended before has been told of, or nobody knows."""
        ended_us = row.at // KEYS_PER_US + (row.duration_ms or 0) * 1000
        return not row.is_open and ended_us >= self._started_us

    def _look(self) -> None:
        self._seen.clear()
        self._writer.look()

    def _tell(self) -> None:
        concluded, self._concluded = self._concluded, 0
        self._answer(Indexed(concluded, self._writer.count(), *self._news.take()))
