"""The loss ledger: of each recorder, what is recorded, on its way, waiting, dropped and why, and what nobody explains.

It joins what the server counts per journal (written by the writer, kept across restarts) with what recorders
tell of themselves in each PUT (heard in the event loop, known since the start). A journal that was closed a week ago is
forgotten. Shown by /v1/ledger, /metrics and /health/detailed.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from traffic.capture import names
from traffic.capture.status import Dropped, RecorderStatus

SILENT_S = 15.0  # an idle recorder tells of itself each 3 s
CONTACTS_MAX = 1000
JOURNAL_NAMES_MAX = 10_000
UNNAMED = "unnamed"  # it does not tell its status

State = Literal["running", "silent", "stopped"]


class JournalFigures(msgspec.Struct, frozen=True):
    """A journal's counts at one moment."""

    journal: str
    recorder: str
    closed: bool
    numbered: int  # exchanges
    complete: int
    incomplete: int
    open: int
    dropped: dict[str, Dropped]
    unexplained: int


class RecorderFigures(msgspec.Struct, frozen=True):
    """`dropped` also counts what its gap records have yet to tell; waiting and in flight are as it said last."""

    name: str
    state: State
    problems: list[str]
    last_contact: str | None  # ISO; None: not since this server's start
    last_contact_s: float | None  # how long that is ago
    pid: int | None
    version: str | None
    started_at: str | None
    complete: int
    incomplete: int
    open: int
    in_flight: int
    waiting_bytes: int
    oldest_waiting_s: float | None
    queue_bytes: int
    dropped: dict[str, Dropped]
    unexplained: int
    journals: list[JournalFigures]


class Totals(msgspec.Struct, frozen=True):
    complete: int
    incomplete: int
    open: int
    in_flight: int
    waiting_bytes: int
    oldest_waiting_s: float | None
    queue_bytes: int
    dropped: dict[str, Dropped]
    unexplained: int


class Report(msgspec.Struct, frozen=True):
    at: str  # ISO
    is_fine: bool
    recorders: list[RecorderFigures]
    totals: Totals


class _Contact(NamedTuple):
    status: RecorderStatus
    at_ns: int  # wall clock


class Ledger:
    def __init__(self) -> None:
        self._journals: dict[str, JournalFigures] = {}
        self._contacts: dict[str, _Contact] = {}  # by the recorder's name, the latest last
        self._recorder_of: dict[str, str] = {}  # journal -> name

    def hear(self, journal: str, status: RecorderStatus, at_ns: int) -> None:
        """A recorder has sent bytes of that journal, or none."""
        self._contacts.pop(status.name, None)
        self._contacts[status.name] = _Contact(status, at_ns)
        self._recorder_of[journal] = status.name
        if len(self._contacts) > CONTACTS_MAX:
            del self._contacts[next(iter(self._contacts))]
        if len(self._recorder_of) > JOURNAL_NAMES_MAX:
            del self._recorder_of[next(iter(self._recorder_of))]

    def recorder_of(self, journal: str) -> str:
        return self._recorder_of.get(journal, "")

    def publish(self, figures: JournalFigures) -> None:
        self._journals[figures.journal] = figures

    def forget(self, journal: str) -> None:
        self._journals.pop(journal, None)

    def report(self, now_ns: int) -> Report:
        by_name: dict[str, list[JournalFigures]] = {name: [] for name in list(self._contacts)}
        for figures in list(self._journals.values()):
            by_name.setdefault(figures.recorder or UNNAMED, []).append(figures)
        recorders = [_of_recorder(name, self._contacts.get(name), by_name[name], now_ns) for name in sorted(by_name)]
        return Report(
            at=names.iso(now_ns),
            is_fine=not any(recorder.problems for recorder in recorders),
            recorders=recorders,
            totals=_totals(recorders),
        )


def together(counts: Iterable[dict[str, Dropped]]) -> dict[str, Dropped]:
    """The sums, by reason."""
    sums: dict[str, Dropped] = {}
    for each in counts:
        for reason, dropped in sorted(each.items()):
            known = sums.get(reason, Dropped())
            sums[reason] = Dropped(
                known.exchanges + dropped.exchanges, known.cut + dropped.cut, known.bytes + dropped.bytes
            )
    return sums


def _of_recorder(name: str, contact: _Contact | None, journals: list[JournalFigures], now_ns: int) -> RecorderFigures:
    age_s = None if contact is None else max(0.0, (now_ns - contact.at_ns) / 1e9)
    state: State = "running" if age_s is not None and age_s < SILENT_S else "silent"
    if journals and all(journal.closed for journal in journals):
        state = "stopped"
    told = None if contact is None or state == "stopped" else contact.status  # then nothing waits any more
    dropped = together(_with_what_was_told(journal, contact) for journal in journals)
    unexplained = sum(journal.unexplained for journal in journals)
    return RecorderFigures(
        name=name,
        state=state,
        problems=_problems(state, age_s, told, dropped, unexplained),
        last_contact=None if contact is None else names.iso(contact.at_ns),
        last_contact_s=age_s,
        pid=contact.status.pid if contact else None,
        version=contact.status.version if contact else None,
        started_at=contact.status.started_at if contact else None,
        complete=sum(journal.complete for journal in journals),
        incomplete=sum(journal.incomplete for journal in journals),
        open=sum(journal.open for journal in journals),
        in_flight=told.in_flight if told else 0,
        waiting_bytes=told.waiting_bytes if told else 0,
        oldest_waiting_s=told.oldest_waiting_s if told else None,
        queue_bytes=told.queue_bytes if told else 0,
        dropped=dropped,
        unexplained=unexplained,
        journals=journals,
    )


def _with_what_was_told(journal: JournalFigures, contact: _Contact | None) -> dict[str, Dropped]:
    """The recorder knows first what it drops; its gap records and ended exchanges follow."""
    if contact is None or contact.status.journal != journal.journal:
        return journal.dropped
    merged = dict(journal.dropped)
    for reason, told in contact.status.dropped.items():
        known = merged.get(reason, Dropped())
        merged[reason] = Dropped(
            max(known.exchanges, told.exchanges), max(known.cut, told.cut), max(known.bytes, told.bytes)
        )
    return merged


def _problems(
    state: State, age_s: float | None, told: RecorderStatus | None, dropped: dict[str, Dropped], unexplained: int
) -> list[str]:
    problems = []
    if state == "silent":
        since = "since the ingest server started" if age_s is None else f"for {age_s:.0f} s"
        problems.append(f"no contact {since}: start it again, then it sends what is left in its journal")
    elif told is not None and told.problem:
        problems.append(told.problem)
    for reason, lost in dropped.items():
        if lost.exchanges or lost.cut or lost.bytes:
            problems.append(
                f"dropped: {lost.exchanges} exchanges, parts of {lost.cut}, {lost.bytes} bytes in all ({reason})"
            )
    if unexplained:
        problems.append(f"{unexplained} exchanges are missing, and no gap record says why")
    return problems


def _totals(recorders: list[RecorderFigures]) -> Totals:
    ages_s = [each.oldest_waiting_s for each in recorders if each.oldest_waiting_s is not None]
    return Totals(
        complete=sum(each.complete for each in recorders),
        incomplete=sum(each.incomplete for each in recorders),
        open=sum(each.open for each in recorders),
        in_flight=sum(each.in_flight for each in recorders),
        waiting_bytes=sum(each.waiting_bytes for each in recorders),
        oldest_waiting_s=max(ages_s, default=None),
        queue_bytes=sum(each.queue_bytes for each in recorders),
        dropped=together(each.dropped for each in recorders),
        unexplained=sum(each.unexplained for each in recorders),
    )
