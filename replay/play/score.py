"""What is sent when a recording is played: its bytes in the pieces in which they came, when each leaves, and how it
ends. Pure. Made once per recording by library.py; played by performance.py and dialogue.py.

    what was recorded                                        what a client gets
    -------------------------------------------------------  ------------------------------------------------------
    a whole response                                         it; the connection goes on where both sides allow it
    one that ends with its connection                        it, then the end of the connection
    one that was cut                                         its beginning; then the connection ends, as the recorder
                                                             ended it: by a reset where a plain end would look whole
    the recorder's own answer behind what no client saw      the answer alone: of bytes that were no HTTP
    a WebSocket                                              see dialogue.py
"""

from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from typing import Final, NamedTuple

from traffic.capture.exchange import RecordedExchange
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, ResponseHead, head_end
from traffic.http1.limits import UNLIMITED
from traffic.http1.message import END, ResponseReader

PIECE_BYTES_MAX: Final = 256 * 1024  # what came in a larger one leaves in several: a slow client shall not fill memory
_CONTINUE: Final = b"HTTP/1.1 100 "


class Ending(Enum):
    GOES_ON = "the connection carries the next exchange"
    CLOSES = "the connection ends"
    RESETS = "the connection is reset"


class Piece(NamedTuple):
    at_s: float  # since the exchange's start
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Score:
    status: int
    pieces: tuple[Piece, ...]
    asked_s: float  # when the request had come as a whole
    end_s: float  # when the connection ended, where it did
    ending: Ending
    is_tunnel: bool = False

    @property
    def size(self) -> int:
        return sum(len(piece.data) for piece in self.pieces)


class _Reading(NamedTuple):
    head: ResponseHead | None  # the final one
    heads_end: int
    is_whole: bool
    ends_with_connection: bool


def score_of(exchange: RecordedExchange) -> Score:
    facts, data = exchange.metadata, exchange.response
    start = 0
    reading = _read(data, facts.method)
    if facts.answered_by == "recorder" and facts.response.arrivals and not reading.is_whole:
        start = facts.response.arrivals[-1][0]
        reading = _read(data[start:], facts.method)
    is_whole = reading.is_whole or (reading.ends_with_connection and facts.error is None and facts.completed)
    head = reading.head
    return Score(
        status=head.status if head is not None else 0,
        pieces=_pieces(exchange, start),
        asked_s=facts.request.arrivals[-1][1] / 1000 if facts.request.arrivals else 0.0,
        end_s=(facts.durations_ms.total or 0.0) / 1000,
        ending=_ending(reading, is_whole=is_whole),
        is_tunnel=head is not None and head.status == 101,
    )


def with_line(score: Score, line: bytes) -> Score:
    """With one more line at the end of the final head."""
    data = b"".join(piece.data for piece in score.pieces)
    at = _read(data, "GET").heads_end - 2
    return replace(score, pieces=_with(score.pieces, at, at, line + b"\r\n")) if at > 0 else score


def with_value(score: Score, name: bytes, value: bytes) -> Score:
    """With another value in the final head's field of that lower-case name."""
    data = b"".join(piece.data for piece in score.pieces)
    reading = _read(data, "GET")
    old = reading.head.value(name) if reading.head is not None else None
    if reading.head is None or old is None:
        return score
    line_at = reading.head.raw.lower().index(b"\r\n" + name + b":") + len(name) + 3
    at = reading.heads_end - len(reading.head.raw) + reading.head.raw.index(old, line_at)
    return replace(score, pieces=_with(score.pieces, at, at + len(old), value))


def without_continue(score: Score) -> Score:
    """For a client that has got its `100 Continue` before anyone could know which recording would follow."""
    data = b"".join(piece.data for piece in score.pieces)
    end = head_end(data) if data.startswith(_CONTINUE) else 0
    return replace(score, pieces=_with(score.pieces, 0, end, b"")) if end > 0 else score


def head_alone(score: Score) -> tuple[Score, int]:
    """A tunnel's handshake, behind which the connection goes on; and where it ends."""
    data = b"".join(piece.data for piece in score.pieces)
    end = _read(data, "GET").heads_end
    return replace(score, pieces=_with(score.pieces, end, len(data), b""), ending=Ending.GOES_ON), end


def after_head(score: Score) -> tuple[Piece, ...]:
    data = b"".join(piece.data for piece in score.pieces)
    return _with(score.pieces, 0, _read(data, "GET").heads_end, b"")


def _read(data: bytes, method: str) -> _Reading:
    reader = ResponseReader(method, UNLIMITED)
    head, heads_bytes = None, 0
    try:
        events = reader.feed(data)
    except (HeadError, FramingError):
        events = []
    for event in events:
        if isinstance(event, ResponseHead):
            head = event
            heads_bytes += len(event.raw)
    if not reader.has_final_head:
        return _Reading(None, 0, is_whole=False, ends_with_connection=False)
    is_whole = events[-1:] == [END] and not reader.stray
    return _Reading(head, heads_bytes, is_whole, reader.body.ends_with_connection)


def _ending(reading: _Reading, *, is_whole: bool) -> Ending:
    head = reading.head
    if is_whole and head is not None and head.keeps_alive and not reading.ends_with_connection:
        return Ending.GOES_ON
    is_tunnel = head is not None and head.status == 101
    return Ending.RESETS if reading.ends_with_connection and not is_whole and not is_tunnel else Ending.CLOSES


def _pieces(exchange: RecordedExchange, start: int) -> tuple[Piece, ...]:
    """Cut where reads ended."""
    data = exchange.response
    first_s = (exchange.metadata.durations_ms.first_byte or 0.0) / 1000
    arrivals = exchange.metadata.response.arrivals
    cuts = [(offset, at_ms / 1000) for offset, at_ms in sorted(arrivals) if start <= offset < len(data)]
    if not cuts or cuts[0][0] > start:
        cuts.insert(0, (start, first_s))
    if len(cuts) == 1 and not start and len(data) <= PIECE_BYTES_MAX:
        return (Piece(cuts[0][1], data),)
    view = memoryview(data)
    return tuple(
        Piece(at_s, view[at : min(at + PIECE_BYTES_MAX, end)])
        for (begin, at_s), (end, _) in pairwise([*cuts, (len(data), 0.0)])
        for at in range(begin, end, PIECE_BYTES_MAX)
    )


def _with(pieces: tuple[Piece, ...], begin: int, end: int, new: bytes) -> tuple[Piece, ...]:
    """With `new` in the place of the bytes from `begin` to `end`."""
    changed: list[Piece] = []
    offset = 0
    for piece in pieces:
        data = piece.data
        low, high = (min(max(place - offset, 0), len(data)) for place in (begin, end))
        is_here = offset <= begin < offset + len(data)
        offset += len(data)
        if low < high or is_here:
            kept = bytes(data[:low]) + (new if is_here else b"") + bytes(data[high:])
            changed += [Piece(piece.at_s, kept)] if kept else []
        else:
            changed.append(piece)
    return tuple(changed)
