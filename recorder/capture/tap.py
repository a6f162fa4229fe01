"""The tap: what the relay tells about each exchange, turned into frames by reference.

`Tap.begin` opens a Recording; the relay hands it heads and body bytes as they pass and ends it once. Nothing here
waits, logs or copies. When the queue is full under `when_full: drop`, an exchange that has begun loses the rest of its
bytes and ends with `capture_gap`; one that would begin is counted in a gap record. The ledger counts both.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from traffic.capture.events import ExchangeError, Finished, Gap, Redaction, Started, encode
from traffic.capture.frames import Kind

from .queue import FrameQueue

_STARTED, _REQUEST, _RESPONSE = int(Kind.STARTED), int(Kind.REQUEST), int(Kind.RESPONSE)
_FINISHED, _GAP = int(Kind.FINISHED), int(Kind.GAP)


@dataclass(slots=True)
class Ledger:
    """What became of the exchanges on recorded routes since the start."""

    begun: int = 0
    finished: int = 0
    recorded_bytes: int = 0
    lost_exchanges: int = 0  # of which nothing is recorded
    gapped_exchanges: int = 0  # of which bytes are missing
    lost_bytes: int = 0

    @property
    def recorded(self) -> int:
        return self.finished - self.gapped_exchanges

    @property
    def in_flight(self) -> int:
        return self.begun - self.finished

    @property
    def lost(self) -> int:
        return self.lost_exchanges + self.gapped_exchanges


class Recording:
    """One exchange on its way into the journal. `at` arguments are time.monotonic_ns()."""

    __slots__ = ("_dropped_bytes", "_number", "_redactions", "_started_at", "_tap", "request_bytes", "response_bytes")

    def __init__(self, tap: "Tap", number: int, started_at: int, redactions: list[Redaction]) -> None:
        self._tap = tap
        self._number = number
        self._started_at = started_at
        self._redactions = redactions
        self._dropped_bytes = 0
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
            ledger.gapped_exchanges += 1
            detail = f"{self._dropped_bytes} bytes were dropped because the queue to the journal was full"
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
            tap.ledger.lost_bytes += size
            return 0
        tap.queue.put((kind, self._number, offset, (at - self._started_at) // 1000, pieces), size)
        return size


class Unrecorded:
    """Stands in for the Recording of an exchange that found the queue full: it only counts."""

    __slots__ = ("_tap", "request_bytes", "response_bytes")

    def __init__(self, tap: "Tap") -> None:
        self._tap = tap
        self.request_bytes = 0
        self.response_bytes = 0

    def add_redactions(self, redactions: list[Redaction]) -> None:
        pass

    def request(self, at: int, *pieces: bytes) -> None:  # noqa: ARG002 same shape as Recording
        self._tap.count_lost(sum(map(len, pieces)))

    def response(self, at: int, *pieces: bytes) -> None:  # noqa: ARG002 same shape as Recording
        self._tap.count_lost(sum(map(len, pieces)))

    def finish(self, *outcome: object) -> None:
        pass


class Tap:
    def __init__(self, queue: FrameQueue) -> None:
        self.queue = queue
        self.ledger = Ledger()
        self._number = 0
        self._gap: Gap | None = None  # lost since the last gap record

    def begin(self, started: Started, started_at: int, redactions: list[Redaction]) -> Recording | Unrecorded:
        """`started_at`: time.monotonic_ns() at the exchange's start."""
        self._number += 1
        if self.queue.drops:
            self._count_lost_exchange()
            return Unrecorded(self)
        self._report_gap()
        self.ledger.begun += 1
        self.put(_STARTED, self._number, 0, encode(started))
        return Recording(self, self._number, started_at, redactions)

    def put(self, kind: int, number: int, at_us: int, event: bytes) -> None:
        self.queue.put((kind, number, 0, at_us, (event,)), len(event))

    def count_lost(self, size: int) -> None:
        self.ledger.lost_bytes += size
        if self._gap is not None:
            gap = self._gap
            self._gap = Gap(gap.first_number, gap.last_number, gap.exchanges, gap.bytes + size, gap.reason)

    def end(self) -> None:
        """Write the gap record that is still owed."""
        self._report_gap()

    def _count_lost_exchange(self) -> None:
        self.ledger.lost_exchanges += 1
        gap = self._gap or Gap(self._number, self._number, 0, 0, "queue_full")
        self._gap = Gap(gap.first_number, self._number, gap.exchanges + 1, gap.bytes, gap.reason)

    def _report_gap(self) -> None:
        if self._gap is not None:
            self.put(_GAP, 0, time.monotonic_ns() // 1000, encode(self._gap))
            self._gap = None
