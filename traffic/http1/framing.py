"""Where a message's body ends (RFC 9112 §6). Bodies are never changed, copied or collected here: each class is fed what
arrived and tells how much of it belongs to the message.

    class           body ends
    NoBody          at once: requests without length; responses to HEAD, 1xx, 204, 304
    LengthBody      after Content-Length bytes
    ChunkedBody     behind the last chunk and its trailer section
    UntilCloseBody  when the connection ends (responses without length; tunnels)
"""

import re
from typing import Final

from .head import RequestHead, ResponseHead
from .limits import DEFAULT_LIMITS, MessageLimits

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t\x20-\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION = b";[\t ]*%b(?:[\t ]*=[\t ]*(?:%b|%b))?" % (_TOKEN, _TOKEN, _QUOTED)  # no space before `;`: a known trick
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:%b)*\r\n" % _EXTENSION)
_SIZE_LINE_START = re.compile(rb"(?:[0-9A-Fa-f]{1,15}(?:;[\t\x20-\x7e\x80-\xff]*)?\r?)?")
_TRAILER_LINE = re.compile(rb"(?:(%b):[\t\x20-\x7e\x80-\xff]*)?\r\n" % _TOKEN)
_TRAILER_LINE_START = re.compile(rb"(?:(%b)(?:(:)[\t\x20-\x7e\x80-\xff]*(\r?))?|(\r))" % _TOKEN)
_NEVER_TRAILERS = frozenset([b"content-length", b"transfer-encoding", b"host"])
_NAME_BYTES_KEPT = 32  # of a trailer's name that arrives in pieces: enough to tell those three

# Whole chunks of 1 to 15 bytes, up to a thousand: in C, each costs a hundredth of what it costs line by line.
# Possessive quantifiers would need no such bound, but match too much before CPython 3.11.5 (gh-106052).
_TINY_BYTES = 15
_TINY_CHUNKS = re.compile(
    b"(?:%b){0,1000}" % b"|".join(b"[%x%X]\r\n.{%d}\r\n" % (size, size, size) for size in range(1, _TINY_BYTES + 1)),
    re.DOTALL,
)


class FramingError(ValueError):
    """The bytes of a body break its framing: nothing behind them can be trusted."""


class NoBody:
    __slots__ = ()
    done: Final = True
    ends_with_connection: Final = False

    def feed(self, data: bytes, start: int) -> int:  # noqa: ARG002 one signature for all framings
        return start


class LengthBody:
    __slots__ = ("done", "remaining")
    ends_with_connection: Final = False

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = not length

    def feed(self, data: bytes, start: int) -> int:
        """Take bytes from `start` on; returns the index behind the last one that belongs to the body."""
        end = start + self.remaining
        if end > len(data):
            self.remaining = end - len(data)
            return len(data)
        self.remaining = 0
        self.done = True
        return end


class UntilCloseBody:
    __slots__ = ()
    done: Final = False
    ends_with_connection: Final = True

    def feed(self, data: bytes, start: int) -> int:  # noqa: ARG002 one signature for all framings
        return len(data)


class ChunkedBody:
    """`in_trailer` turns true behind the last chunk's size line; `trailer_at` tells how many of the bytes that the
    latest feed took lie before the trailer section (0 for a feed that began inside it).
    """

    __slots__ = (
        "_chunk_bytes",
        "_limits",
        "_line",
        "_line_of_data_end",
        "_remaining",
        "_trailer_bytes",
        "done",
        "in_trailer",
        "trailer_at",
    )
    ends_with_connection: Final = False

    def __init__(self, limits: MessageLimits = DEFAULT_LIMITS) -> None:
        self.done = False
        self.in_trailer = False
        self.trailer_at = 0
        self._limits = limits
        self._chunk_bytes = 0  # of the latest chunk's data
        self._remaining = 0  # of them still to come
        self._line_of_data_end = False  # the next line is the empty one behind a chunk's data
        self._line = b""  # start of a line that a later feed ends; of a trailer line only what tells its kind
        self._trailer_bytes = 0

    def feed(self, data: bytes, start: int) -> int:
        """Take bytes from `start` on; returns the index behind the last one of the body. Raises FramingError."""
        position, end = start, len(data)
        self.trailer_at = 0
        while position < end and not self.done:
            if self._remaining:
                step = min(self._remaining, end - position)
                self._remaining -= step
                position += step
                continue
            newline = data.find(b"\n", position)
            line = self._line + data[position : newline + 1 or end]
            if self.in_trailer:
                self._count_trailer((newline + 1 or end) - position)
            position = newline + 1 or end
            if newline < 0:
                self._line = self._start_of_line(line)
                continue
            self._line = b""
            self._take_line(line, position - start)
            if self._chunk_bytes <= _TINY_BYTES and not self._line_of_data_end and not self.in_trailer:
                position = _TINY_CHUNKS.match(data, position).end()  # type: ignore[union-attr]  # it matches nothing too
        return position

    def _take_line(self, line: bytes, taken: int) -> None:
        if self._line_of_data_end:
            if line != b"\r\n":
                raise FramingError("chunk data is not followed by CRLF")
            self._line_of_data_end = False
        elif self.in_trailer:
            match = _TRAILER_LINE.fullmatch(line)
            if match is None:
                raise FramingError("malformed trailer line")
            _check_trailer_name(match[1])
            self.done = line == b"\r\n"
        else:
            match = _SIZE_LINE.fullmatch(line) if len(line) <= self._limits.chunk_line_bytes else None
            if match is None:
                raise FramingError("malformed chunk size line")
            self._chunk_bytes = self._remaining = int(match[1], 16)
            self._line_of_data_end = self._remaining > 0
            if not self._remaining:
                self.in_trailer = True
                self.trailer_at = taken

    def _start_of_line(self, line: bytes) -> bytes:
        """What to keep of a line whose end is still to come. Refuses what no continuation could make valid, before it
        is passed on.
        """
        if self._line_of_data_end:
            if line != b"\r":
                raise FramingError("chunk data is not followed by CRLF")
        elif self.in_trailer:
            match = _TRAILER_LINE_START.fullmatch(line)
            if match is None:
                raise FramingError("malformed trailer line")
            name, colon, line_end, empty_line = match.groups(b"")
            if colon:
                _check_trailer_name(name)
            return name[:_NAME_BYTES_KEPT] + colon + line_end + empty_line
        elif len(line) > self._limits.chunk_line_bytes or _SIZE_LINE_START.fullmatch(line) is None:
            raise FramingError("malformed chunk size line")
        return line

    def _count_trailer(self, count: int) -> None:
        self._trailer_bytes += count
        if self._trailer_bytes > self._limits.trailer_bytes:
            raise FramingError(f"trailer section of more than {self._limits.trailer_bytes} bytes")


def _check_trailer_name(name: bytes | None) -> None:
    """RFC 9110 §6.5.1: what frames or routes a message comes too late there; some servers heed it all the same."""
    if name is not None and name.lower() in _NEVER_TRAILERS:
        raise FramingError(f"{name.decode()} in the trailer section")


Body = NoBody | LengthBody | ChunkedBody | UntilCloseBody
NO_BODY = NoBody()
UNTIL_CLOSE = UntilCloseBody()


def request_body(head: RequestHead, limits: MessageLimits = DEFAULT_LIMITS) -> Body:
    """RFC 9112 §6.3: a request without Content-Length and Transfer-Encoding has no body."""
    if b"transfer-encoding" in head.present:
        return ChunkedBody(limits)
    return LengthBody(head.content_length) if head.content_length else NO_BODY


def response_body(head: ResponseHead, request_method: str, limits: MessageLimits = DEFAULT_LIMITS) -> Body:
    """RFC 9112 §6.3, in its order. A 101 begins a tunnel, which ends with the connection."""
    if head.status == 101:
        return UNTIL_CLOSE
    if request_method == "HEAD" or head.status < 200 or head.status in (204, 304):
        return NO_BODY
    if b"transfer-encoding" in head.present:
        return ChunkedBody(limits)
    if head.content_length is None:
        return UNTIL_CLOSE
    return LengthBody(head.content_length) if head.content_length else NO_BODY
