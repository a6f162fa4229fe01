"""Which recordings retention deletes: those beyond its limits, the oldest first, and none that is still being written.

Whether one is being written is read from the disk alone, so that this works from another thread or process as well:

    it has no end yet   its metadata says `completed: false` without an error, and is younger than ENDLESS_S
    it may be resumed   a sidecar in `.ingest/open` names it, or it came through the simple door and a half is missing
    it has just ended   its metadata is younger than SETTLED_S: after a crash the journal may still send it again

The metadata is read before the sidecars are listed: an exchange that has ended never opens again.

A folder may hold millions of names, in no order. Each look at it keeps the WINDOW oldest that come after those seen
before, about 10 MB; it costs about a microsecond per file, and five where sizes are needed. Called by sweeper.py and by
`recorder prune`.
"""

import contextlib
import heapq
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from ingest_server import files, sidecar
from ingest_server.settings import Retention
from ingest_server.sidecar import Kept
from traffic.capture import metadata, names

WINDOW = 50_000
CHUNK = 25  # recordings that are judged together
ENTRIES_PER_PAUSE = 1_000
SETTLED_S = 10.0
ENDLESS_S = 3600.0
_SIDECAR_START_BYTES = 1024 * 1024

_Place = tuple[str, str]  # name that its files begin with, folder: sorts by start


class Victim(NamedTuple):
    stem: str  # relative to log_dir
    bytes: int  # of its three files


class _Response(msgspec.Struct):
    status: int | None


class _Error(msgspec.Struct):
    name: str


class _Facts(msgspec.Struct):
    """What is read of a metadata file."""

    id: str
    completed: bool
    error: _Error | None
    response: _Response

    @property
    def is_error(self) -> bool:
        return not self.completed or (self.response.status or 0) >= 400


_decode = msgspec.json.Decoder(_Facts).decode


def _go_on() -> None:
    pass


class Selection:
    """One pass. Afterwards `kept` and `open` tell how many beyond the limits stay: by `keep`, or being written."""

    def __init__(self, log_dir: Path, policy: Retention, pause: Callable[[], None] = _go_on) -> None:
        """`pause` is called after every ENTRIES_PER_PAUSE names that were looked at, and may raise to end the pass."""
        self.kept = 0
        self.open = 0
        self._root = f"{log_dir}{os.sep}"
        self._policy = policy
        self._pause = pause
        self._sidecars = _Sidecars(f"{self._root}.ingest{os.sep}")
        self._total_bytes = 0

    def victims(self, now_s: float) -> Iterator[Victim]:
        """Those to delete, which the caller does one by one; raises OSError where the folder cannot be read."""
        policy = self._policy
        if policy.max_age_s is None and policy.max_bytes is None:
            return
        cutoff = names.stem(int(max(0.0, now_s - policy.max_age_s) * 1e9), "") if policy.max_age_s is not None else ""
        window = self._look("", cutoff, sizes=policy.max_bytes is not None)
        excess_bytes = self._total_bytes - policy.max_bytes if policy.max_bytes is not None else 0
        while window:
            for start in range(0, len(window), CHUNK):
                for place, facts, is_open in self._judge(window[start : start + CHUNK], now_s):
                    if place[0] >= cutoff and excess_bytes <= 0:
                        return
                    if is_open:
                        self.open += 1
                    elif policy.keep_errors and facts.is_error:
                        self.kept += 1
                    else:
                        victim = self._victim(place)
                        excess_bytes -= victim.bytes
                        yield victim
            window = self._look(window[-1][0], cutoff, sizes=False) if len(window) == WINDOW else []

    def _look(self, behind: str, cutoff: str, *, sizes: bool) -> list[_Place]:
        """The oldest recordings that began after `behind`; sums up what all files take if `sizes`."""
        by_age_alone = self._policy.max_bytes is None

        def found() -> Iterator[_Place]:
            for count, (folder, entry) in enumerate(self._entries(), 1):
                if count % ENTRIES_PER_PAUSE == 0:
                    self._pause()
                split = names.split(entry.name)
                if split is None:
                    continue
                with contextlib.suppress(FileNotFoundError):
                    if sizes:
                        self._total_bytes += entry.stat(follow_symlinks=False).st_size
                    if split[1] == names.METADATA and split[0] > behind and not (by_age_alone and split[0] >= cutoff):
                        yield split[0], folder

        return heapq.nsmallest(WINDOW, found())

    def _entries(self) -> "Iterator[tuple[str, os.DirEntry[str]]]":
        with os.scandir(self._root) as entries:
            for entry in entries:
                if not names.is_day(entry.name):
                    yield "", entry
                elif entry.is_dir(follow_symlinks=False):
                    with os.scandir(entry) as inner:
                        yield from ((entry.name + os.sep, each) for each in inner)

    def _judge(self, places: list[_Place], now_s: float) -> Iterator[tuple[_Place, _Facts, bool]]:
        """What their metadata says, and whether anybody may still write them; what says nothing is for `verify`."""
        found = [(place, self._read(place, now_s)) for place in places]
        open_stems = self._sidecars.stems()
        for place, read in found:
            if read is not None:
                facts, has_ended = read
                may_go_on = place[1] + place[0] in open_stems or self._sidecars.waits_for_half(facts.id)
                yield place, facts, may_go_on or not has_ended

    def _read(self, place: _Place, now_s: float) -> tuple[_Facts, bool] | None:
        """One recording's facts, and whether it has ended, some time ago."""
        path = self._root + place[1] + place[0] + names.METADATA
        try:
            written_s = os.lstat(path).st_mtime
            facts = _decode(files.read_regular(path, metadata.BYTES_MAX))
        except (OSError, ValueError, RecursionError):
            return None
        is_endless = not facts.completed and facts.error is None
        return facts, now_s - written_s >= (ENDLESS_S if is_endless else SETTLED_S)

    def _victim(self, place: _Place) -> Victim:
        stem = place[1] + place[0]
        size = 0
        for part in names.PARTS:
            with contextlib.suppress(FileNotFoundError):
                size += os.lstat(self._root + stem + part).st_size
        return Victim(stem, size)


class _Sidecars:
    """Which exchanges the server would take up again."""

    def __init__(self, state: str) -> None:
        self._open_folder = f"{state}open{os.sep}"
        self._door_folder = f"{state}door{os.sep}"
        self._stems: dict[str, str] = {}  # by the sidecar's name; it never changes

    def stems(self) -> set[str]:
        try:
            found = os.listdir(self._open_folder)  # noqa: PTH208 (text paths, as in files.py)
        except FileNotFoundError:
            found = []
        self._stems = {name: self._stems.get(name) or self._read(name) for name in found}
        return set(self._stems.values())

    def waits_for_half(self, exchange_id: str) -> bool:
        """Whether it comes through the simple door, and one of its halves can still come."""
        if not names.is_uuid(exchange_id):
            return False
        try:
            records, _ = sidecar.parse(files.read(self._door_folder + exchange_id))
        except FileNotFoundError:
            return False
        return sum(record.kind == Kept.HALF for record in records) < 2

    def _read(self, name: str) -> str:
        """Empty where the sidecar has just gone, or is not whole: then the exchange will be sent anew."""
        with contextlib.suppress(FileNotFoundError, ValueError, msgspec.DecodeError):
            records, _ = sidecar.parse(files.read_head(self._open_folder + name, _SIDECAR_START_BYTES))
            if records and records[0].kind == Kept.OPENED:
                opened = sidecar.decode_opened(records[0].payload)
                return opened.stem if opened is not None else ""
        return ""
