"""The answer to one replayed request, read as it arrives: the wire client's part without I/O.

    AnswerReader   is fed what was read, with the time; hands heads and body data on, and knows when the answer is over
    Reply          what there was of it in the end

`raw` is what came from the first byte to the end of the answer: interim heads, chunk framing and trailers included.
Without `keeps_bytes` nothing but counts is kept; with it, no more than KEPT_BYTES_MAX. Called by sender.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from traffic.capture.metadata import Arrivals, Durations, ErrorFields, thin
from traffic.http1.framing import ChunkedBody
from traffic.http1.head import ResponseHead
from traffic.http1.limits import DEFAULT_LIMITS
from traffic.http1.message import END, ResponseReader

KEPT_BYTES_MAX: Final = 256 * 1024 * 1024  # in memory, of each answer: far beyond any that a model gives

OnBytes = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Reply:
    started_ns: int  # wall clock, since the epoch
    client: str  # our own `address:port`; empty where no connection was made
    status: int | None  # of the final head; None: none came
    size_bytes: int  # of all that came
    raw: bytes  # empty where it was not to be kept
    arrivals: list[tuple[int, float]]  # (offset in `raw`, ms since the start), one pair a read
    durations_ms: Durations  # `connect` None: on a connection that was there
    error: ErrorFields | None  # why the answer is not whole


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of an answer goes where while it arrives."""

    on_head: OnBytes | None = None  # each raw head, 1xx ones too
    on_body: OnBytes | None = None  # the body without chunk framing
    keeps_bytes: bool = True
    kept_bytes_max: int = KEPT_BYTES_MAX


EVERYTHING = Wanted()
NOTHING = Wanted(keeps_bytes=False)


class AnswerReader:
    """Raises HeadError or FramingError (both ValueError) for bytes that are no HTTP."""

    def __init__(self, method: str, wanted: Wanted) -> None:
        self.size_bytes = 0
        self.first_byte_us: int | None = None
        self.head: ResponseHead | None = None  # the final one
        self._wanted = wanted
        self._reader = ResponseReader(method, DEFAULT_LIMITS)
        self._chunks: _ChunkData | None = None
        self._pieces: list[bytes] = []
        self._arrivals: Arrivals = []

    @property
    def is_over(self) -> bool:
        return self._reader.is_over

    @property
    def is_too_long(self) -> bool:
        """To be kept."""
        return self._wanted.keeps_bytes and self.size_bytes > self._wanted.kept_bytes_max

    @property
    def has_final_head(self) -> bool:
        return self._reader.has_final_head

    @property
    def allows_another(self) -> bool:
        """Whether the connection may carry another exchange."""
        return self._reader.is_clean and self.head is not None and self.head.keeps_alive

    @property
    def raw(self) -> bytes:
        return b"".join(self._pieces)

    @property
    def arrivals_ms(self) -> list[tuple[int, float]]:
        return [(offset, at_us / 1000) for offset, at_us in self._arrivals]

    def feed(self, data: bytes, at_us: int) -> None:
        if self.first_byte_us is None:
            self.first_byte_us = at_us
        self._keep(data, at_us)
        events = self._reader.feed(data)
        if self._reader.stray:
            self._drop_stray(len(self._reader.stray))
        for event in events:
            if isinstance(event, ResponseHead):
                self._take_head(event)
            elif event is not END and self._wanted.on_body is not None:
                self._wanted.on_body(event if self._chunks is None else self._chunks.feed(event))

    def eof(self) -> None:
        self._reader.eof()

    def _take_head(self, head: ResponseHead) -> None:
        if head.status >= 200 or head.status == 101:
            self.head = head
            self._chunks = _ChunkData() if isinstance(self._reader.body, ChunkedBody) else None
        if self._wanted.on_head is not None:
            self._wanted.on_head(head.raw)

    def _keep(self, data: bytes, at_us: int) -> None:
        if self._wanted.keeps_bytes:
            self._pieces.append(data)
            self._arrivals.append((self.size_bytes, at_us))
            thin(self._arrivals)
        self.size_bytes += len(data)

    def _drop_stray(self, count: int) -> None:
        """What came in the same read as the end, but behind it, belongs to no answer."""
        self.size_bytes -= count
        if self._pieces:
            self._pieces[-1] = self._pieces[-1][:-count]


@dataclass(slots=True)
class _ChunkData:
    """The data of a chunked body whose framing was judged before."""

    _left: int = 0  # of a chunk's data and the line end behind it
    _line: bytes = b""  # the start of a size line
    _is_over: bool = False
    _found: list[bytes] = field(default_factory=list)

    def feed(self, piece: bytes) -> bytes:
        position = 0
        while position < len(piece) and not self._is_over:
            position += self._take(piece, position)
        data = b"".join(self._found)
        self._found.clear()
        return data

    def _take(self, piece: bytes, start: int) -> int:
        """How many bytes were taken."""
        if self._left:
            taken = min(self._left, len(piece) - start)
            data_bytes = min(self._left - 2, taken)
            if data_bytes > 0:
                self._found.append(piece[start : start + data_bytes])
            self._left -= taken
            return taken
        end = piece.find(b"\n", start) + 1
        self._line += piece[start : end or len(piece)]
        if end:
            size = int(self._line.partition(b";")[0], 16)
            self._line = b""
            self._left = size + 2
            self._is_over = not size
        return (end or len(piece)) - start
