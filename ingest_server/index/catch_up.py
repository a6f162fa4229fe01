"""Brings the index up to the files, a little at a time: reads what is missing in it or was open, removes what has no
files any more, and reads again what it is told to.

    list       the names of all recordings, 18 bytes of memory each
    compare    with the rows, in the order of time, CHUNK names at a time
    read, put  what is due, for STEP_S

Whoever calls step() has time for other exchanges between two steps. What comes meanwhile does no harm: it is put by
others, or found. An exchange that cannot be read is passed over, and tried again next time. Called by the indexer's
worker and by `recorder reindex`.
"""

import os
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from ingest_server.index.entry import Entry, key_of
from ingest_server.index.row import KEYS_PER_US, keys_of_millisecond
from ingest_server.index.writer import IndexWriter
from traffic.capture import names

CHUNK: Final = 1_000
STEP_S: Final = 0.1
ENTRIES_PER_STEP: Final = 20_000  # of a folder that is listed: as long

_FIRST_KEY: Final = -(2**63)
_HOUR: Final = 14  # characters of a name up to its hour: 2026-09-13_02-
_REST: Final = 18  # and those behind: 11-09.123_092d0424


class Scope(NamedTuple):
    """What is read again although it is in the index; what was open always is."""

    since_us: int | None = None  # exchanges that began earlier are left alone altogether
    everything: bool = False
    other_than: str | None = None  # what another decoder than the one with this fingerprint has decoded


class CatchUp:
    """One pass. `done` of `total` recordings have been compared; `total` is 0 until all are listed."""

    def __init__(self, log_dir: Path, writer: IndexWriter, read: Callable[[str], Entry | None], scope: Scope) -> None:
        """`read`: the entry of the exchange with that stem; None where there is none to be made."""
        self.done = 0
        self.total = 0
        self.indexed = 0
        self.removed = 0
        self.refused = 0  # could not be read
        self._root = f"{log_dir}{os.sep}"
        self._writer = writer
        self._read = read
        self._scope = scope
        self._steps = self._run()

    def step(self) -> bool:
        """Do a bit; False: nothing is left. Raises OSError where the folder cannot be read, and what the writer's put()
        raises: then the pass is over.
        """
        return next(self._steps, True) is None

    def _run(self) -> Iterator[None]:
        since_us = self._scope.since_us
        listing = _Listing(self._root, "" if since_us is None else names.stem(since_us * 1000, ""))
        yield from listing.run()
        self.total = listing.count
        first = _FIRST_KEY if since_us is None else keys_of_millisecond(since_us * KEYS_PER_US)[0]
        for stems in listing.chunks():
            end = keys_of_millisecond(key_of(stems[-1]))[1]
            yield from self._compare(first, end, stems)
            first = end
            self.done += len(stems)
        (newest,) = self._writer.database.execute("SELECT max(at) FROM exchanges").fetchone()
        if newest is not None:
            yield from self._compare(first, newest + 1, [])

    def _compare(self, first: int, end: int, stems: list[str]) -> Iterator[None]:
        """All that began within a time: what is in the index and what is in the folder."""
        missing = dict.fromkeys(stems)
        again: list[str] = []
        while rows := self._writer.database.execute(_ROWS, (first, end, CHUNK)).fetchall():
            gone: list[str] = []
            for at, stem, is_open, decoder in rows:
                if stem not in missing:
                    if not os.path.lexists(self._root + stem + names.METADATA):
                        gone.append(stem)
                else:
                    del missing[stem]
                    if is_open or self._is_due(decoder):
                        again.append(stem)
                first = at + 1
            if gone:
                self._writer.remove(gone)
                self.removed += len(gone)
            yield
        yield from self._put(sorted([*missing, *again], key=_by_time))

    def _is_due(self, decoder: str) -> bool:
        return self._scope.everything or (self._scope.other_than is not None and decoder != self._scope.other_than)

    def _put(self, stems: list[str]) -> Iterator[None]:
        entries: list[Entry] = []
        until_s = time.monotonic() + STEP_S
        for stem in stems:
            entry = self._read(stem)
            if entry is None:
                self.refused += 1
            else:
                entries.append(entry)
            if time.monotonic() >= until_s:
                yield from self._commit(entries)
                entries = []
                until_s = time.monotonic() + STEP_S
        yield from self._commit(entries)

    def _commit(self, entries: list[Entry]) -> Iterator[None]:
        if entries:
            self._writer.put(entries)
            self.indexed += len(entries)
        yield


class _Listing:
    """The recordings in a folder, flat or by day: those that have metadata, whatever else there is."""

    def __init__(self, root: str, since: str) -> None:
        """`since`: the name that the first one has, or a later one."""
        self.count = 0
        self._root = root
        self._since = since
        self._hours: dict[str, bytearray] = {}  # by what stems begin with, up to the hour: how they go on

    def run(self) -> Iterator[None]:
        days: list[str] = []
        with os.scandir(self._root) as entries:
            for number, entry in enumerate(entries, 1):
                if names.is_day(entry.name):
                    if entry.name >= self._since[:10] and entry.is_dir(follow_symlinks=False):
                        days.append(entry.name + os.sep)
                else:
                    self._take("", entry.name)
                if number % ENTRIES_PER_STEP == 0:
                    yield
        for day in days:
            yield
            yield from self._list_day(day)

    def chunks(self) -> Iterator[list[str]]:
        """Stems in the order of time; those of one millisecond together."""
        chunk: list[str] = []
        for _, begins in groupby(sorted(self._hours, key=_hour), _hour):
            found = [
                begin + str(self._hours[begin][place : place + _REST], "ascii")
                for begin in begins
                for place in range(0, len(self._hours[begin]), _REST)
            ]
            found.sort(key=_by_time)
            for stem in found:
                if len(chunk) >= CHUNK and stem[-32:-9] != chunk[-1][-32:-9]:
                    yield chunk
                    chunk = []
                chunk.append(stem)
        if chunk:
            yield chunk

    def _list_day(self, day: str) -> Iterator[None]:
        try:
            with os.scandir(self._root + day) as entries:
                for number, entry in enumerate(entries, 1):
                    if entry.name.startswith(day[:-1]):
                        self._take(day, entry.name)
                    if number % ENTRIES_PER_STEP == 0:
                        yield
        except FileNotFoundError:
            return  # it was empty, and has gone

    def _take(self, folder: str, name: str) -> None:
        if not name.endswith(names.METADATA) or name < self._since:
            return
        split = names.split(name)
        if split is None:
            return
        stem = folder + split[0]
        try:
            key_of(stem)
        except ValueError:
            return  # no recording has such a name
        self._hours.setdefault(stem[:-_REST], bytearray()).extend(stem[-_REST:].encode())
        self.count += 1


def _hour(begin: str) -> str:
    return begin[-_HOUR:]


def _by_time(stem: str) -> str:
    return stem[-32:]


_ROWS: Final = "SELECT at, stem, is_open, decoder FROM exchanges WHERE at >= ? AND at < ? ORDER BY at LIMIT ?"
