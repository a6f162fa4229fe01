"""One recorder's journal as the server sees it: how far it has come, and the exchanges open in it.

`next` is where the next bytes belong; everything below `stored` is in the files and may be deleted by the recorder. The
state file `.ingest/journals/<journal>` holds `stored`, and the counts as of there: a restarted server goes on from it,
and applying the frames between again changes nothing that is already in the files. Called by the store.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from ingest_server import files, gaps
from ingest_server.counts import COMPLETE, Counter, Counts, Outcome
from ingest_server.exchange import Exchange, restore
from ingest_server.gaps import GapLine
from ingest_server.ledger import JournalFigures, Ledger, together
from ingest_server.tally import Tally
from ingest_server.turn import Turn
from traffic.capture import events, names
from traffic.capture.events import ExchangeError, Finished, Started
from traffic.capture.frames import Frame, FrameDecoder, FrameError, Kind

CATCH_UP_S = 2.0  # how long exchanges that overlap without end may keep `stored` where it is
CATCH_UP_BYTES = 16 * 1024 * 1024  # and how far the journal may go on meanwhile
SIDE_BYTES_MAX = 64 * 1024  # an open exchange that holds more of one side is written at the next flush, however young
OFFER_FRAMES = 32  # to take in so many small ones is about half a turn of the writer's
OFFER_BYTES = 64 * 1024  # and so are the checksums of so much

_STARTED, _FINISHED, _RESPONSE = int(Kind.STARTED), int(Kind.FINISHED), int(Kind.RESPONSE)
_OF_SIDES = frozenset({int(Kind.REQUEST), _RESPONSE})

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Counts).decode

_CLOSED = {
    "shutdown": "the recorder was stopped before the exchange ended",
    "recorder_crash": "the recorder ended without being stopped",
}


class Books(NamedTuple):
    """Where journals tell what they count."""

    tally: Tally
    ledger: Ledger


class Journal:
    def __init__(self, name: str, where: files.Files, books: Books, turn: Turn) -> None:
        self.name = name
        self.exchanges_max = 0  # open ones; set before each `take`
        self._ledger = books.ledger
        self._files = where
        self._tally = books.tally
        self._turn = turn
        self._state = state_path(where, name)
        self._gaps_path = f"{where.root}gaps.ndjson"
        self.stored, self.closed, counts = _read_state(self._state)
        self._counter = Counter(counts)
        self._is_told = False  # whether the ledger has the counts as they are
        self.next = self.stored
        self.exchanges: dict[int, Exchange] = {}
        self._dirty: dict[int, Exchange] = {}  # open, with something to flush; the longest waiting first
        self._large: dict[int, Exchange] = {}  # of those, the ones that hold much
        self._spans: list[tuple[int, int]] = []  # of ended exchanges without a sidecar, those that overlap as one
        self._mark, self._mark_s = self.next, 0.0  # `stored` has to reach `_mark`, which was `next` at that time
        self._now_s = 0.0
        self._leftover: list[tuple[int, str]] = []  # sidecars of no more use once `stored` has come to that offset
        self._gaps: list[GapLine] = []
        self._gap_position = gaps.last_position(self._gaps_path, name)
        self._unknown: dict[int, int] = {}  # number -> bytes dropped, because the exchange's start was lost

    def restore(self, numbers: list[int]) -> None:
        """Take up the exchanges that were open at the last flush."""
        for number in numbers:
            exchange = restore(self._files, number, self._kept_path(number), self.stored)
            if exchange is not None:
                self.exchanges[number] = exchange
                self._tally.open_exchanges += 1

    def skip(self, oldest: int) -> None:
        """The recorder no longer has what lies before `oldest`."""
        self._gap(oldest, events.Gap(0, 0, 0, oldest - self.next, "store_lost"))
        self.next = oldest

    @property
    def is_at_rest(self) -> bool:
        """Whether the disk knows all that this object does."""
        return self.stored == self.next and not (self.exchanges or self._unknown or self._gaps)

    @property
    def dirty_since_s(self) -> float:
        """Since when bytes wait for a flush, in the time that `take` is told; infinite: none do."""
        return next(iter(self._dirty.values())).dirty_since_s if self._dirty else math.inf

    @property
    def held_bytes(self) -> int:
        """Of the journal, what lies behind the first byte that waits for a flush: it is kept in memory."""
        return self.next - next(iter(self._dirty.values())).dirty_from if self._dirty else 0

    def take(self, blocks: list[bytes], now_s: float) -> None:
        """Apply all whole frames, and write the files of each exchange that ends.

        Raises FrameError at an invalid frame, with `next` at its position; and OSError, after which the journal is not
        used again: a frame may be applied by half.
        """
        self._now_s = now_s
        decoder = FrameDecoder()
        decoder.consumed = self.next
        frames, offer_at = 0, self.next + OFFER_BYTES
        for block in blocks:
            for frame in decoder.feed(block):
                self._apply(frame, decoder.consumed)
                self.next = decoder.consumed
                frames += 1
                if frames >= OFFER_FRAMES or self.next >= offer_at:
                    self._turn.offer()
                    frames, offer_at = 0, self.next + OFFER_BYTES

    def _apply(self, frame: Frame, position: int) -> None:
        kind, number, offset, at_us, payload = frame
        if kind in _OF_SIDES:
            exchange = self.exchanges.get(number)
            if exchange is None:
                self._count_unknown(number, len(payload), position)
            else:
                side = exchange.response if kind == _RESPONSE else exchange.request
                side.take(offset, at_us, payload)
                if number not in self._dirty:
                    self._mark_dirty(exchange)
                if side.end - side.saved > SIDE_BYTES_MAX:
                    self._large[number] = exchange
        elif kind == _STARTED:
            self._start(number, self._decoded(events.decode_started, payload), position)
        elif kind == _FINISHED:
            self._finish(number, self._decoded(events.decode_finished, payload), position)
        elif kind == Kind.GAP:
            self._gap(position, self._decoded(events.decode_gap, payload))
        elif kind == Kind.CLOSED:
            self._close(self._decoded(_text, payload), position)

    def _decoded(self, decode: Callable[[memoryview], T], payload: memoryview) -> T:
        try:
            return decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FrameError(self.next, f"its payload is malformed: {error}") from error

    def _start(self, number: int, started: Started, position: int) -> None:
        if not names.is_uuid(started.id) or started.started_ns < 0:
            raise FrameError(self.next, f"exchange {number} has no valid id or start")
        if number in self.exchanges:
            self._counter.see(number)
            return  # applied again after a crash: the sidecar knows it
        if len(self.exchanges) >= self.exchanges_max:
            self._count_unknown(number, 0, position)
            return
        self._explain_jump(number, position)
        exchange = Exchange(number, started)
        self.exchanges[number] = exchange
        self._counter.see(number)
        self._is_told = False
        self._mark_dirty(exchange)
        self._tally.open_exchanges += 1
        self._tally.tell_started(started)

    def _mark_dirty(self, exchange: Exchange) -> None:
        exchange.dirty_from, exchange.dirty_since_s = self.next, self._now_s
        self._dirty[exchange.number] = exchange

    def _finish(self, number: int, finished: Finished, position: int) -> None:
        exchange = self.exchanges.get(number)
        if exchange is None:
            self._count_unknown(number, 0, position)
            self._tell_start_lost({number: self._unknown.pop(number)}, position)
            return
        exchange.finish(finished)
        self._end(exchange, position)

    def _end(self, exchange: Exchange, position: int) -> None:
        """Count it, and bring its files to their final state."""
        number = exchange.number
        self._counter.add(number, position, _outcome(exchange))
        self._is_told = False
        del self.exchanges[number]
        if self._dirty.pop(number, None) is not None and exchange.kept is None:
            self._note_span(exchange.dirty_from, self.next)
        self._large.pop(number, None)
        facts, stem = exchange.conclude(self._files)
        if exchange.kept is not None:
            exchange.keep_end(exchange.kept, position)
            self._leftover.append((position, exchange.kept))
        self._tally.open_exchanges -= 1
        self._tally.tell_finished(facts, stem)
        self._turn.offer()

    def _note_span(self, began: int, ended: int) -> None:
        spans = self._spans
        while spans and spans[-1][1] > began:
            began = min(began, spans.pop()[0])
        spans.append((began, ended))

    def _gap(self, position: int, gap: events.Gap) -> None:
        outcome = Outcome(reason=gap.reason, exchanges=gap.exchanges, bytes=gap.bytes)
        self._counter.add(gap.last_number, position, outcome)
        self._is_told = False
        if position <= self._gap_position:
            return  # noted before a crash
        at = names.iso(time.time_ns())
        self._gaps.append(
            GapLine(at, self.name, position, gap.first_number, gap.last_number, gap.exchanges, gap.bytes, gap.reason)
        )

    def _close(self, reason: str, position: int) -> None:
        error = ExchangeError(reason, "capture", "recorder", _CLOSED.get(reason, "the recorder closed its journal"))
        for exchange in list(self.exchanges.values()):
            exchange.error = error
            self._end(exchange, position)
        self._tell_unknown(position)
        self.closed = True
        self._is_told = False

    def _count_unknown(self, number: int, size: int, position: int) -> None:
        """Bytes of an exchange that has no place: its start was lost, or too many are open."""
        if len(self._unknown) >= self.exchanges_max and number not in self._unknown:
            self._tell_unknown(position)
        self._unknown[number] = self._unknown.get(number, 0) + size
        self._counter.see(number)
        self._is_told = False

    def _tell_unknown(self, position: int) -> None:
        if self._unknown:
            unknown, self._unknown = self._unknown, {}
            self._tell_start_lost(unknown, position)

    def _tell_start_lost(self, unknown: dict[int, int], position: int) -> None:
        """An earlier gap record may count these exchanges already; then this one tells of their bytes."""
        count = min(len(unknown), self._unexplained())
        self._turn.offer()
        self._gap(position, events.Gap(min(unknown), max(unknown), count, sum(unknown.values()), "start_lost"))

    def _explain_jump(self, number: int, position: int) -> None:
        """Numbers that are missing before `number` were in a part of the journal that is gone, if one is."""
        if "store_lost" in self._counter.now.dropped:
            self._counter.see(number - 1)
            missing = self._unexplained()
            self._turn.offer()
            if missing:
                self._gap(position, events.Gap(number - missing, number - 1, missing, 0, "store_lost"))

    def _unexplained(self) -> int:
        """Takes the longer the more exchanges are open: who calls it offers the processor."""
        return self._counter.now.unexplained([*self.exchanges, *self._unknown])

    def flush(self, taken_before_s: float, held_bytes_max: int, now_s: float) -> None:
        """Write open exchanges that have waited since before that time, that lie further back in the journal than
        `held_bytes_max`, or that hold much of one side; then move `stored`.

        A server that goes on from `stored` must see an exchange from its first byte on, or find a sidecar that tells
        what is written: `stored` stays out of the spans of exchanges that ended without one (at a span's end it may
        stand, so that those which only touch stay apart). Where such spans overlap without end, so that it cannot move,
        all exchanges that are open then get a sidecar.
        """
        for exchange in self._large.values():
            exchange.write_out(self._files)
        self._large.clear()
        held_from = self.next - held_bytes_max
        for exchange in list(self._dirty.values()):
            if exchange.dirty_since_s > taken_before_s and exchange.dirty_from >= held_from:
                break
            self._write_open(exchange)
        stored = self._storable()
        is_late = now_s - self._mark_s > CATCH_UP_S or self.next - self._mark > CATCH_UP_BYTES
        if stored < self._mark and is_late:
            for exchange in [each for each in self._dirty.values() if each.kept is None]:
                self._write_open(exchange)
            stored = self._storable()
        if stored >= self._mark or is_late:
            self._mark, self._mark_s = self.next, now_s
        if self._gaps:
            self._write_gaps()
        if self.stored != stored:
            self._write_state(stored)
            self.stored = stored
        if not self._is_told:
            self._tell()
        self._spans = [span for span in self._spans if span[1] > stored]
        while self._leftover and self._leftover[0][0] <= stored:
            files.remove(self._leftover.pop(0)[1])

    def _write_open(self, exchange: Exchange) -> None:
        exchange.write_out(self._files)
        exchange.keep(self._kept_path(exchange.number))
        del self._dirty[exchange.number]
        self._turn.offer()

    def _storable(self) -> int:
        stored = next(iter(self._dirty.values())).dirty_from if self._dirty else self.next
        for began, ended in self._spans:
            if began < stored < ended:
                return began
        return stored

    def _write_state(self, stored: int) -> None:
        counts = self._counter.keep(stored)
        counts.recorder = self._ledger.recorder_of(self.name) or counts.recorder
        line = b"%020d %s\n" % (stored, b"closed" if self.closed else b"open  ")
        self._files.put_in_place(self._state, line + _encode(counts) + b"\n")

    def _tell(self) -> None:
        now = self._counter.now
        now.recorder = self._ledger.recorder_of(self.name) or now.recorder
        self._ledger.publish(_figures(self.name, now, [*self.exchanges, *self._unknown], is_closed=self.closed))
        self._is_told = True

    def _write_gaps(self) -> None:
        gaps.append(self._gaps_path, self._gaps)
        self._gap_position = self._gaps[-1].position
        self._tally.gaps += len(self._gaps)
        self._tally.lost_exchanges += sum(gap.exchanges for gap in self._gaps)
        self._tally.lost_bytes += sum(gap.bytes for gap in self._gaps)
        self._gaps = []

    def _kept_path(self, number: int) -> str:
        return f"{self._files.state}open{os.sep}{self.name}-{number}"


def state_path(where: files.Files, name: str) -> str:
    return f"{where.state}journals{os.sep}{name}"


def figures_on_disk(where: files.Files, name: str, numbers: list[int]) -> JournalFigures:
    """What is known of a journal that nobody has sent anything of yet; `numbers`: its open exchanges."""
    _, is_closed, counts = _read_state(state_path(where, name))
    if is_closed:
        numbers = []  # a crash came before their sidecars went
    return _figures(name, counts, numbers, is_closed=is_closed)


def is_closed_on_disk(path: str) -> bool:
    """What a journal's state file says."""
    return _read_state(path)[1]


def _figures(name: str, counts: Counts, open_numbers: list[int], *, is_closed: bool) -> JournalFigures:
    return JournalFigures(
        journal=name,
        recorder=counts.recorder,
        closed=is_closed,
        numbered=max([counts.highest, *open_numbers]),
        complete=counts.complete,
        incomplete=counts.incomplete,
        open=len(open_numbers),
        dropped=together([counts.dropped]),
        unexplained=counts.unexplained(open_numbers),
    )


def _text(payload: memoryview) -> str:
    return str(payload, "utf-8")


def _outcome(exchange: Exchange) -> Outcome:
    error, finished = exchange.error, exchange.finished
    if error is None and finished is not None and finished.completed:
        return COMPLETE
    if error is None or error.name != "capture_gap" or finished is None:
        return Outcome(incomplete=1)
    return Outcome(incomplete=1, reason=finished.dropped_because or "store_lost", cut=1, bytes=finished.dropped_bytes)


def _read_state(path: str) -> tuple[int, bool, Counts]:
    """Raises no error for what is missing or older: then it has no counts."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        line, _, counts = files.read(path).partition(b"\n")
        stored, _, word = line.partition(b" ")
        return int(stored), word.startswith(b"closed"), _decode(counts) if counts else Counts()
    return 0, False, Counts()
