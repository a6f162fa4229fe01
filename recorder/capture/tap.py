"""The tap: what the relay tells about each exchange, turned into frames by reference.

`Tap.begin` opens a Recording; the relay hands it heads and body bytes as they pass and ends it once. Nothing here
waits, logs or copies. When the queue is full under `when_full: drop`, an exchange that has begun loses the rest of its
bytes and ends with `capture_gap`; one that would begin is counted in a gap record. The ledger counts both, by reason:

    queue_full       the disk writes slower than frames come
    journal_full     the journal has reached capture.journal_bytes_max
    journal_failed   the disk takes nothing: it is full, or fails
    stop_too_late    so it was until the recorder had to end
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from traffic.capture.events import ExchangeError, Finished, Gap, Redaction, Started, decode_finished, decode_gap, encode
from traffic.capture.frames import Kind
from traffic.capture.status import Dropped

from .queue import Frame, FrameQueue

_STARTED, _REQUEST, _RESPONSE = int(Kind.STARTED), int(Kind.REQUEST), int(Kind.RESPONSE)
_FINISHED, _GAP = int(Kind.FINISHED), int(Kind.GAP)
_STOP_TOO_LATE = "stop_too_late"
_OWED_S = 1.0  # how long gap records may be owed once there is room, where no exchange begins
_BECAUSE = {
    "queue_full": "the queue to the journal was full",
    "journal_full": "the journal was full (capture.journal_bytes_max)",
    "journal_failed": "the journal could not be written",
}


@dataclass(slots=True)
class Ledger:
    """What became of the exchanges on recorded routes since the start."""

    begun: int = 0  # of which something is recorded
    finished: int = 0
    recorded_bytes: int = 0
    dropped: dict[str, Dropped] = field(default_factory=dict)  # by reason

    def drop(self, reason: str, *, exchanges: int = 0, cut: int = 0, size: int = 0) -> None:
        of_reason = self.dropped.setdefault(reason, Dropped())
        of_reason.exchanges += exchanges
        of_reason.cut += cut
        of_reason.bytes += size

    @property
    def recorded(self) -> int:
        """From the first to the last byte."""
        return self.finished - sum(each.cut for each in self.dropped.values())

    @property
    def in_flight(self) -> int:
        return self.begun - self.finished

    @property
    def lost(self) -> int:
        """Exchanges not recorded, or not whole."""
        return sum(each.exchanges + each.cut for each in self.dropped.values())

    @property
    def lost_bytes(self) -> int:
        return sum(each.bytes for each in self.dropped.values())


class Recording:
    """One exchange on its way into the journal. `at` arguments are time.monotonic_ns()."""

    __slots__ = (
        "_dropped_because",
        "_dropped_bytes",
        "_number",
        "_redactions",
        "_started_at",
        "_tap",
        "request_bytes",
        "response_bytes",
    )

    def __init__(self, tap: "Tap", number: int, started_at: int, redactions: list[Redaction]) -> None:
        self._tap = tap
        self._number = number
        self._started_at = started_at
        self._redactions = redactions
        self._dropped_bytes = 0
        self._dropped_because = ""  # what made it lose the first of them
        self.request_bytes = 0
        self.response_bytes = 0

    def add_redactions(self, redactions: list[Redaction]) -> None:
        if redactions:
            self._redactions = self._redactions + redactions

    def request(self, at: int, *pieces: bytes) -> None:
        self.request_bytes += self._put(_REQUEST, self.request_bytes, at, pieces)

    def response(self, at: int, *pieces: bytes) -> None:
        self.response_bytes += self._put(_RESPONSE, self.response_bytes, at, pieces)

    def finish(
        self,
        error: ExchangeError | None,
        answered_by: str | None,
        connect_us: int | None,
        first_byte_us: int | None,
        total_us: int,
    ) -> None:
        tap, ledger = self._tap, self._tap.ledger
        if self._dropped_bytes:
            ledger.drop(self._dropped_because, cut=1, size=self._dropped_bytes)
            detail = f"{self._dropped_bytes} bytes were dropped because {_BECAUSE[self._dropped_because]}"
            error = ExchangeError("capture_gap", "capture", "recorder", detail)
        finished = Finished(
            completed=error is None,
            error=error,
            answered_by=answered_by,
            connect_us=connect_us,
            first_byte_us=first_byte_us,
            total_us=total_us,
            request_bytes=self.request_bytes,
            response_bytes=self.response_bytes,
            dropped_bytes=self._dropped_bytes,
            redactions=self._redactions,
            dropped_because=self._dropped_because,
        )
        tap.put(_FINISHED, self._number, total_us, encode(finished))
        ledger.finished += 1
        ledger.recorded_bytes += self.request_bytes + self.response_bytes

    def _put(self, kind: int, offset: int, at: int, pieces: Sequence[bytes]) -> int:
        """How many bytes found room: all or none."""
        tap = self._tap
        size = sum(map(len, pieces))
        if self._dropped_bytes or tap.queue.drops:
            self._dropped_bytes += size
            self._dropped_because = self._dropped_because or tap.queue.drops or ""
            return 0
        tap.queue.put((kind, self._number, offset, (at - self._started_at) // 1000, pieces), size)
        return size


class Unrecorded:
    """Stands in for the Recording of an exchange that found the queue full: it only counts."""

    __slots__ = ("_dropped_bytes", "_number", "_reason", "_tap", "request_bytes", "response_bytes")

    def __init__(self, tap: "Tap", number: int, reason: str) -> None:
        self._tap = tap
        self._number = number
        self._reason = reason
        self._dropped_bytes = 0
        self.request_bytes = 0
        self.response_bytes = 0

    def add_redactions(self, redactions: list[Redaction]) -> None:
        pass

    def request(self, at: int, *pieces: bytes) -> None:  # noqa: ARG002 same shape as Recording
        self._dropped_bytes += sum(map(len, pieces))

    def response(self, at: int, *pieces: bytes) -> None:  # noqa: ARG002 same shape as Recording
        self._dropped_bytes += sum(map(len, pieces))

    def finish(self, *outcome: object) -> None:  # noqa: ARG002 same shape as Recording
        if self._dropped_bytes:
            self._tap.drop(Gap(self._number, self._number, 0, self._dropped_bytes, self._reason))


class Tap:
    def __init__(self, queue: FrameQueue) -> None:
        self.queue = queue
        self.ledger = Ledger()
        self._number = 0
        self._gaps: dict[str, Gap] = {}  # by reason: what was dropped since the last gap records
        self._timer: asyncio.TimerHandle | None = None  # runs while gap records are owed

    def begin(self, started: Started, started_at: int, redactions: list[Redaction]) -> Recording | Unrecorded:
        """`started_at`: time.monotonic_ns() at the exchange's start."""
        self._number += 1
        if self.queue.drops:
            self.drop(Gap(self._number, self._number, 1, 0, self.queue.drops))
            return Unrecorded(self, self._number, self.queue.drops)
        if self._gaps:
            self.end()
        self.ledger.begun += 1
        self.put(_STARTED, self._number, 0, encode(started))
        return Recording(self, self._number, started_at, redactions)

    def put(self, kind: int, number: int, at_us: int, event: bytes) -> None:
        self.queue.put((kind, number, 0, at_us, (event,)), len(event))

    def drop(self, gap: Gap) -> None:
        """Count what is not recorded, for the ledger and for the next gap record of that reason."""
        self.ledger.drop(gap.reason, exchanges=gap.exchanges, size=gap.bytes)
        if (known := self._gaps.get(gap.reason)) is not None:
            first, last = min(known.first_number, gap.first_number), max(known.last_number, gap.last_number)
            gap = Gap(first, last, known.exchanges + gap.exchanges, known.bytes + gap.bytes, gap.reason)
        self._gaps[gap.reason] = gap
        if self._timer is None:
            self._wait_for_room()

    def _wait_for_room(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_OWED_S, self._end_if_room)

    def _end_if_room(self) -> None:
        if self.queue.drops:
            self._wait_for_room()
        else:
            self.end()

    def end(self) -> None:
        """Put the gap records that are still owed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gaps, self._gaps = self._gaps, {}
        for gap in gaps.values():
            self.put(_GAP, 0, time.monotonic_ns() // 1000, encode(gap))

    def give_up(self, frames: Iterable[Frame]) -> list[Gap]:
        """Count what the queue could not bring into the journal until the stop; returns the gap records that it needs.

        An exchange whose start is not among it is in the journal, and the journal's end ends it.
        """
        begun: set[int] = set()
        touched: set[int] = set()
        size = 0
        gaps: list[Gap] = []
        for kind, number, _, _, pieces in frames:
            if kind == _GAP:
                gaps.append(decode_gap(b"".join(pieces)))
                continue
            touched.add(number)
            if kind == _STARTED:
                begun.add(number)
            elif kind != _FINISHED:
                size += sum(map(len, pieces))
            elif because := decode_finished(b"".join(pieces)).dropped_because:
                self.ledger.dropped[because].cut -= 1  # it is counted anew
        if touched:
            self.ledger.begun -= len(begun)
            self.ledger.finished -= len(begun)
            self.ledger.recorded_bytes -= size
            self.ledger.drop(_STOP_TOO_LATE, exchanges=len(begun), cut=len(touched) - len(begun), size=size)
            gaps.append(Gap(min(touched), max(touched), len(begun), size, _STOP_TOO_LATE))
        return gaps
