"""Exchanges that overlap at random, in pieces of any size, through crashes at any time: the files and the counts come
out as without a crash.
"""

import random
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ingest_server import journal, store
from ingest_server.ledger import JournalFigures
from ingest_server.settings import IngestSettings
from ingest_server.store import OffsetMismatchError, Store
from tests.ingest_server.recorder_side import JOURNAL, closed, finished, gap, recordings, request, response, started

SIDES = (request, response)


def journal_bytes(chance: random.Random) -> bytes:
    """Of a journal that begins, continues and ends exchanges, and has gaps."""
    frames = []
    ends: dict[int, list[int]] = {}  # of the open exchanges' sides
    number = 0
    for _ in range(chance.randint(20, 150)):
        what = chance.random()
        if what < 0.2 or not ends:
            number += 1
            frames.append(started(number))
            ends[number] = [0, 0]
        elif what < 0.75:
            each, side = chance.choice(list(ends)), chance.randint(0, 1)
            data = chance.randbytes(chance.choice([1, 5, 30, 200, 3000, 70_000 if chance.random() < 0.1 else 10]))
            frames.append(SIDES[side](each, data, ends[each][side]))
            ends[each][side] += len(data)
        elif what < 0.96:
            each = chance.choice(list(ends))
            request_bytes, response_bytes = ends.pop(each)
            frames.append(finished(each, request_bytes=request_bytes, response_bytes=response_bytes))
        else:
            number += 1
            frames.append(gap(number, number))
    return b"".join([*frames, closed()])


class Run:
    """Brings a journal into a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now_s = 1000.0
        monkeypatch.setattr(store, "time", SimpleNamespace(monotonic=lambda: self._now_s, time=time.time))
        self._settings = IngestSettings(log_dir=folder)
        self._store = Store(self._settings)
        self._stored = 0

    def bring(self, data: bytes, chance: random.Random, crash_share: float) -> tuple[dict[str, bytes], JournalFigures]:
        """The recordings then, and the ledger's figures as a server reads them that starts after it."""
        at = 0
        while at < len(data):
            self._now_s += chance.choice([0, 0.01, 0.1, 0.3, 0.9])
            size = chance.choice([50, 200, 800, 3000, 20_000])
            applied = self._store.apply(JOURNAL, at, [data[at : at + size]])
            if applied.next == at:  # the frame is larger
                applied = self._store.apply(JOURNAL, at, [data[at : at + 200_000]])
            at = applied.next
            if chance.random() < crash_share / 2:
                at = self._crash(chance)
                continue
            self._store.settle(flush=chance.random() < 0.03)
            assert self._stored <= applied.journal.stored <= at
            self._stored = applied.journal.stored
            if chance.random() < crash_share:
                at = self._crash(chance)
        self._store.settle(flush=True)
        (recorder,) = Store(self._settings).ledger.report(time.time_ns()).recorders
        recorded = recordings(self._settings.log_dir)
        del recorded["gaps.ndjson"]  # tells the time
        return recorded, recorder.journals[0]

    def _crash(self, chance: random.Random) -> int:
        """Returns where the journal goes on: what the recorder may have deleted must not be asked for."""
        if chance.random() < 0.5:
            self._store = Store(self._settings)
        else:
            self._store.reset()  # what an OSError leads to
        with pytest.raises(OffsetMismatchError) as mismatch:
            self._store.apply(JOURNAL, 10**15, [])
        assert mismatch.value.next >= self._stored
        return mismatch.value.next


@pytest.mark.parametrize("seed", range(120))
def test_crashes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(store, "HELD_BYTES_MAX", chance.choice([500, 5000, store.HELD_BYTES_MAX]))
    monkeypatch.setattr(journal, "CATCH_UP_S", chance.choice([0.1, 1.0, journal.CATCH_UP_S]))
    data = gap(10_000, 10_000) + journal_bytes(chance)
    unharmed = Run(tmp_path / "unharmed", monkeypatch).bring(data, chance, 0.0)
    assert Run(tmp_path / "crashing", monkeypatch).bring(data, chance, 0.4) == unharmed
