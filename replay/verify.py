"""`verify`: whether everything in a `log_dir` is what its metadata says, and everything recorded has arrived there.

Looks at each recording (exchange_check.py), at names that no recording has, at ids that two recordings share, at what
the ingest server left half done, at the journals (journal_check.py), and counts the gap records. May run beside the
services: what looks wrong while they work is looked at a second time, and what still changes is open or waits.
Memory: about 300 bytes per exchange. Called by `recorder verify` and by the tests of faults.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from replay.exchange_check import Checked, Fault, check_exchange
from replay.gap_lines import read_gaps
from replay.journal_check import Journals, check_journals, stored
from replay.locks import is_locked
from replay.log_folder import being_deleted, list_folder
from replay.open_exchanges import read_open_exchanges
from traffic.capture import names

SECOND_LOOK_S = 1.5  # an ingest server brings what it has begun into a sound state within a second

__all__ = ["Fault", "Report", "verify"]

Progress = Callable[[int, int], None]

_LEFTOVER = "is left of an ingest server that was killed; its next start removes it"
_ENDLESS = "is still open, but nothing can end it: no ingest server is running and its journal is closed or gone"


@dataclass(frozen=True, slots=True)
class Report:
    """`exchanges` are the sound ones (`complete`, `incomplete`, `open`) and those with a fault in their files."""

    exchanges: int
    complete: int
    incomplete: int
    open: int
    gaps: int
    lost_exchanges: int
    bytes: int
    faults: tuple[Fault, ...]
    waiting_bytes: int = 0  # in journals, not stored yet


def verify(
    log_dir: Path,
    journal_dir: Path | None = None,
    since_ns: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """`since_ns`: exchanges and gaps from that moment on (wall clock); `progress` is told exchanges done and found.

    Raises OSError where `log_dir` or `journal_dir` itself cannot be read.
    """
    state = log_dir / ".ingest"
    is_running = is_locked(state / "lock")
    listing = list_folder(log_dir, since_ns)
    count = _Count()
    count.faults += [Fault(name, problem) for name, problem in listing.strangers]
    for checked in _check_all(log_dir, listing.stems, SECOND_LOOK_S if is_running else 0.0, progress):
        count.add(checked)
    journals = Journals(0, frozenset(), ()) if journal_dir is None else check_journals(journal_dir, log_dir)
    count.faults += journals.faults
    if not is_running:
        if count.open_exchanges:
            count.faults += _abandoned(count.open_exchanges, log_dir, journal_dir, journals)
        count.faults += [Fault(f".ingest/{path.name}", _LEFTOVER) for path in state.glob("*.tmp")]
    gaps = read_gaps(str(log_dir), since_ns, is_running=is_running)
    count.faults += [gaps.fault] if gaps.fault is not None else []
    return Report(
        exchanges=count.complete + count.incomplete + len(count.open_exchanges) + count.damaged,
        complete=count.complete,
        incomplete=count.incomplete,
        open=len(count.open_exchanges),
        gaps=gaps.lines,
        lost_exchanges=gaps.lost_exchanges,
        bytes=count.bytes,
        faults=tuple(sorted(count.faults, key=lambda fault: fault.file)),
        waiting_bytes=journals.waiting_bytes,
    )


def _check_all(log_dir: Path, stems: list[str], second_look_s: float, progress: Progress | None) -> Iterable[Checked]:
    """What looks wrong is looked at again at the end: a service may just have been writing it."""
    root = f"{log_dir}{os.sep}"
    again = []
    for done, stem in enumerate(stems, 1):
        checked = check_exchange(root, stem)
        if checked is not None and checked.faults:
            again.append(stem)
        elif checked is not None:
            yield checked
        if progress is not None:
            progress(done - len(again), len(stems))
    if again:
        time.sleep(second_look_s)
        deleted = being_deleted(log_dir)
        again = [stem for stem in again if stem[-32:] not in deleted]
    for done, stem in enumerate(again, 1):
        checked = check_exchange(root, stem)
        if checked is not None:
            yield checked
        if progress is not None:
            progress(len(stems) - len(again) + done, len(stems))


class _Count:
    def __init__(self) -> None:
        self.complete = 0
        self.incomplete = 0
        self.damaged = 0
        self.bytes = 0
        self.open_exchanges: list[Checked] = []
        self.faults: list[Fault] = []
        self._stems: dict[str, str] = {}  # by id

    def add(self, checked: Checked) -> None:
        self.bytes += checked.bytes
        self.faults += checked.faults
        if checked.faults:
            self.damaged += 1
        elif checked.state == "complete":
            self.complete += 1
        elif checked.state == "incomplete":
            self.incomplete += 1
        else:
            self.open_exchanges.append(checked)
        if checked.id:
            first = self._stems.setdefault(checked.id, checked.stem)
            if first != checked.stem:
                problem = f"has the id {checked.id}, which {first} has as well"
                self.faults.append(Fault(checked.stem + names.METADATA, problem))


def _abandoned(
    exchanges: list[Checked], log_dir: Path, journal_dir: Path | None, journals: Journals
) -> Iterable[Fault]:
    """No ingest server is running: whether one that starts would still be told the end of what is open."""
    kept = read_open_exchanges(log_dir)
    for each in exchanges:
        journal = kept.journals.get(each.stem)
        if each.id in kept.door_ids:
            continue
        if journal is None:
            can_end = bool(journals.present)
        elif journal_dir is None:
            can_end = not stored(log_dir, journal)[1]
        else:
            can_end = journal in journals.present
        if not can_end:
            yield Fault(each.stem + names.METADATA, _ENDLESS)
