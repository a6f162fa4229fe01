"""Exchanges that overlap at random, in pieces of any size, through crashes and disk errors at any time.

The files and the counts come out as without them.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from ingest_server import files, journal, store
from ingest_server.ledger import JournalFigures
from ingest_server.settings import IngestSettings
from ingest_server.store import Applied, OffsetMismatchError, Store
from tests.ingest_server.recorder_side import (
    JOURNAL,
    closed,
    finished,
    gap,
    recordings,
    request,
    response,
    started,
    whole,
)

SIDES = (request, response)


def journal_bytes(chance: random.Random, first: int) -> bytes:
    """Of a journal that begins, continues and ends exchanges, and has gaps; their numbers begin at `first`."""
    frames = []
    ends: dict[int, list[int]] = {}  # of the open exchanges' sides
    number = first - 1
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


class FailingOs:
    """The module `os` as ingest_server.files sees it, where now and then a call that changes something fails."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.fails = False

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)
        return self._unsteady(real) if name in ("open", "write", "replace", "unlink", "ftruncate") else real

    def _unsteady(self, call: Callable[..., object]) -> Callable[..., object]:
        def attempt(*arguments: object) -> object:
            outcome = self._chance.random() if self.fails else 1.0
            if outcome < 0.005:
                raise OSError("before")
            result = call(*arguments)
            if outcome < 0.01 and call is not os.open:
                raise OSError("behind")
            return result

        return attempt

    @contextmanager
    def failing(self) -> Iterator[None]:
        self.fails = True
        try:
            yield
        finally:
            self.fails = False


class Run:
    """Brings a journal into a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
        self._now_s = 1000.0
        monkeypatch.setattr(store, "time", SimpleNamespace(monotonic=lambda: self._now_s, time=time.time))
        self._os = FailingOs(chance)
        monkeypatch.setattr(files, "os", self._os)
        self._chance = chance
        self._settings = IngestSettings(log_dir=folder)
        self._store = Store(self._settings)
        self._stored = 0

    def bring(self, data: bytes, lost: int, *, crashes: bool) -> tuple[dict[str, bytes], JournalFigures]:
        """The recordings then, and the ledger's figures as a server reads them that starts after it.

        The journal has nothing before `lost` any more.
        """
        chance = self._chance
        at = lost
        while at < len(data):
            self._now_s += chance.choice([0, 0.01, 0.1, 0.3, 0.9])
            try:
                with self._os.failing() if crashes else nullcontext():
                    applied = self._take(data, at, lost, crashes=crashes)
            except OSError:
                at = self._crash(lost)
                continue
            at = applied.next
            assert self._stored <= applied.journal.stored <= at
            self._stored = applied.journal.stored
            if crashes and chance.random() < 0.2:
                at = self._crash(lost)
        self._store.settle(flush=True)
        (recorder,) = Store(self._settings).ledger.report(time.time_ns()).recorders
        recorded = recordings(self._settings.log_dir)
        del recorded["gaps.ndjson"]  # tells the time
        return recorded, recorder.journals[0]

    def _take(self, data: bytes, at: int, lost: int, *, crashes: bool) -> Applied:
        """Raises OSError where it crashes."""
        size = self._chance.choice([50, 200, 800, 3000, 20_000])
        applied = self._store.apply(JOURNAL, at, [data[at : at + size]], lost)
        if applied.next == at:  # the frame is larger
            applied = self._store.apply(JOURNAL, at, [data[at : at + 200_000]])
        if crashes and self._chance.random() < 0.1:
            raise OSError("between taking it and settling")
        self._store.settle(flush=self._chance.random() < 0.03)
        return applied

    def _crash(self, lost: int) -> int:
        """Returns where the journal goes on: what the recorder may have deleted must not be asked for."""
        if self._chance.random() < 0.5:
            self._store = Store(self._settings)
        else:
            self._store.reset()  # what an OSError leads to
        with pytest.raises(OffsetMismatchError) as mismatch:
            self._store.apply(JOURNAL, 10**15, [])
        assert mismatch.value.next >= self._stored
        return max(mismatch.value.next, lost)


@pytest.mark.parametrize("seed", range(150))
def test_crashes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(store, "HELD_BYTES_MAX", chance.choice([500, 5000, store.HELD_BYTES_MAX]))
    monkeypatch.setattr(journal, "CATCH_UP_S", chance.choice([0.1, 1.0, journal.CATCH_UP_S]))
    before = b"".join(map(whole, range(1, chance.randint(1, 4)))) + gap(4, 4)
    data = before + journal_bytes(chance, 5)
    lost = chance.choice([0, len(before)])
    unharmed = Run(tmp_path / "unharmed", monkeypatch, chance).bring(data, lost, crashes=False)
    assert Run(tmp_path / "crashing", monkeypatch, chance).bring(data, lost, crashes=True) == unharmed
