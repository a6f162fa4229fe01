"""The store: puts journals' frames into files. Synchronous and single-threaded: the writer alone calls it.

apply() takes bytes in, and writes the files of each exchange that they end while its bytes are still in the processor's
caches; settle() writes what else is due. Both keep to this order, so that a crash at any point loses and doubles
nothing: bytes and metadata, then sidecars, then the gaps, then each journal's `stored` offset. Open exchanges are
written FLUSH_S after their first unwritten byte, or earlier, the longest waiting first, where much is in memory: each
at its own time, so that many streams make no burst.

After an OSError (disk full) the caller answers for it and calls reset(): everything in memory is dropped and taken up
again from what is stored, as after a crash: one path for both.
"""

import math
import os
import time
from typing import NamedTuple

from ingest_server import files
from ingest_server.files import Files
from ingest_server.journal import Books, Journal, figures_on_disk, is_closed_on_disk
from ingest_server.ledger import Ledger
from ingest_server.settings import IngestSettings
from ingest_server.tally import Tally
from ingest_server.turn import Turn

FLUSH_S = 0.8  # a long stream is seen on the disk within a second, shipping included
HELD_BYTES_MAX = 8 * 1024 * 1024  # of journals: what all open exchanges together keep in memory
TOMBSTONE_S = 7 * 24 * 3600  # how long a closed journal is remembered


class OffsetMismatchError(Exception):
    """The bytes do not continue the journal; it continues at `next`."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(f"journal {journal.name} continues at {journal.next}")
        self.next = journal.next
        self.stored = journal.stored


class TooManyJournalsError(Exception):
    """As many journals are in memory as may be, and none of them is at rest."""


class Applied(NamedTuple):
    """How far a journal was taken by one call; `journal.stored` goes on moving."""

    next: int
    journal: Journal


class Store:
    def __init__(self, settings: IngestSettings, tally: Tally | None = None) -> None:
        self.tally = tally or Tally()
        self.ledger = Ledger()
        self.files = Files(settings.log_dir, daily=settings.layout == "daily")
        self.turn = Turn()
        self.limits = settings.limits
        self._journals: dict[str, Journal] = {}  # the one opened longest ago first
        self._waiting: dict[str, list[int]] = {}  # journal -> numbers of open exchanges not yet taken up
        self.reset()
        for name in os.listdir(f"{self.files.state}journals"):  # noqa: PTH208
            self.ledger.publish(figures_on_disk(self.files, name, self._waiting.get(name, [])))

    def reset(self) -> None:
        """Forget everything in memory; what the disk holds counts."""
        self._journals = {}
        self.tally.open_exchanges = 0
        self.files.prepare()
        self._waiting = {}
        for name in os.listdir(f"{self.files.state}open"):  # noqa: PTH208
            journal, _, number = name.rpartition("-")
            if number.isdigit():
                self._waiting.setdefault(journal, []).append(int(number))
        self.forget_ended(time.time() - TOMBSTONE_S)

    def forget_ended(self, before_s: float) -> None:
        """Remove what tells of journals closed, and of exchanges that came through the door, before that moment."""
        for folder in ("journals", "door"):
            for entry in list(os.scandir(self.files.state + folder)):
                if entry.stat().st_mtime < before_s and (folder == "door" or is_closed_on_disk(entry.path)):
                    files.remove(entry.path)
                    self.ledger.forget(entry.name)

    def apply(self, name: str, offset: int, blocks: list[bytes], oldest: int | None = None) -> Applied:
        """Take bytes of a journal that begin at `offset`; `oldest`: the first offset that the recorder still has.

        Raises OffsetMismatchError, TooManyJournalsError, FrameError where the bytes are no frames, and what the disk
        raises. The journal's `stored` moves with settle().
        """
        journal = self._journals.get(name) or self._open(name)
        journal.exchanges_max = self.limits.open_exchanges
        if offset > journal.next and offset == oldest:
            journal.skip(oldest)
        if offset != journal.next:
            raise OffsetMismatchError(journal)
        journal.take(blocks, time.monotonic())
        return Applied(journal.next, journal)

    def settle(self, *, flush: bool = False) -> None:
        """Write what is due. `flush`: everything."""
        now_s = time.monotonic()
        taken_before_s = math.inf if flush else now_s - FLUSH_S
        holders = sum(journal.held_bytes > 0 for journal in self._journals.values())
        held_bytes_max = HELD_BYTES_MAX // max(1, holders)  # of each
        for journal in list(self._journals.values()):
            journal.flush(taken_before_s, held_bytes_max, now_s)
            if journal.closed:
                del self._journals[journal.name]  # its state file answers a repetition

    def due_in_s(self) -> float | None:
        """When settle() has something to do without being fed; None: nothing waits."""
        since_s = min((journal.dirty_since_s for journal in self._journals.values()), default=math.inf)
        return max(0.0, since_s + FLUSH_S - time.monotonic()) if since_s < math.inf else None

    def _open(self, name: str) -> Journal:
        if len(self._journals) >= self.limits.journals:
            self._make_room()
        books = Books(self.tally, self.ledger)
        journal = Journal(name, self.files, books, self.turn)
        journal.restore(self._waiting.pop(name, []))
        self._journals[name] = journal
        return journal

    def _make_room(self) -> None:
        """Forget a journal of which the disk knows everything: a PUT to it opens it again."""
        for name, journal in self._journals.items():
            if journal.is_at_rest:
                del self._journals[name]
                return
        raise TooManyJournalsError(
            f"{len(self._journals)} journals are open, as many as may be (ingest.limits.journals)"
        )
