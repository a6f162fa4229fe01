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

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_SIZE_LINE_START = re.compile(rb"(?:[0-9A-Fa-f]{1,15}(?:;[\t\x20-\x7e\x80-\xff]*)?\r?)?")
_TRAILER_LINE = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER_LINE_START = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?::[\t\x20-\x7e\x80-\xff]*)?)?\r?")


class FramingError(ValueError):
    """The bytes of a body break its framing: nothing behind them can be trusted."""


class NoBody:
    __slots__ = ()
    done: Final = True
    ends_with_connection: Final = False

    def feed(self, data: bytes, start: int) -> int:  # noqa: ARG002 one signature for all framings
        return start


class LengthBody:
    __slots__ = ("remaining",)
    ends_with_connection: Final = False

    def __init__(self, length: int) -> None:
        self.remaining = length

    @property
    def done(self) -> bool:
        return not self.remaining

    def feed(self, data: bytes, start: int) -> int:
        """Take bytes from `start` on; returns the index behind the last one that belongs to the body."""
        taken = min(len(data) - start, self.remaining)
        self.remaining -= taken
        return start + taken


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
        self._limits = limits
        self.done = False
        self.in_trailer = False
        self.trailer_at = 0
        self._remaining = 0  # bytes of the current chunk's data still to come
        self._line_of_data_end = False  # the next line is the empty one behind a chunk's data
        self._line = b""  # start of a line that a later feed ends
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
            position = newline + 1 or end
            if newline < 0:
                self._check_line_start(line)
                self._line = line
            else:
                self._line = b""
                self._take_line(line, position - start)
        return position

    def _take_line(self, line: bytes, taken: int) -> None:
        if self._line_of_data_end:
            if line != b"\r\n":
                raise FramingError("chunk data is not followed by CRLF")
            self._line_of_data_end = False
        elif self.in_trailer:
            if _TRAILER_LINE.fullmatch(line) is None:
                raise FramingError("malformed trailer line")
            self._trailer_bytes += len(line)
            self._check_trailer(self._trailer_bytes)
            self.done = line == b"\r\n"
        else:
            match = _SIZE_LINE.fullmatch(line)
            if match is None or len(line) > self._limits.chunk_line_bytes:
                raise FramingError("malformed chunk size line")
            self._remaining = int(match[1], 16)
            self._line_of_data_end = self._remaining > 0
            if not self._remaining:
                self.in_trailer = True
                self.trailer_at = taken

    def _check_line_start(self, line: bytes) -> None:
        """Refuse what no continuation could make valid, before it is passed on."""
        if self._line_of_data_end:
            if line != b"\r":
                raise FramingError("chunk data is not followed by CRLF")
        elif self.in_trailer:
            if _TRAILER_LINE_START.fullmatch(line) is None:
                raise FramingError("malformed trailer line")
            self._check_trailer(self._trailer_bytes + len(line))
        elif _SIZE_LINE_START.fullmatch(line) is None or len(line) > self._limits.chunk_line_bytes:
            raise FramingError("malformed chunk size line")

    def _check_trailer(self, count: int) -> None:
        if count > self._limits.trailer_bytes:
            raise FramingError(f"trailer section of more than {self._limits.trailer_bytes} bytes")


Body = NoBody | LengthBody | ChunkedBody | UntilCloseBody
NO_BODY = NoBody()
UNTIL_CLOSE = UntilCloseBody()


def request_body(head: RequestHead, limits: MessageLimits = DEFAULT_LIMITS) -> Body:
    """RFC 9112 §6.3: a request without Content-Length and Transfer-Encoding has no body."""
    if b"transfer-encoding" in head.positions:
        return ChunkedBody(limits)
    length = head.value(b"content-length")
    return LengthBody(int(length)) if length is not None and int(length) else NO_BODY


def response_body(head: ResponseHead, request_method: str, limits: MessageLimits = DEFAULT_LIMITS) -> Body:
    """RFC 9112 §6.3, in its order. A 101 begins a tunnel, which ends with the connection."""
    if head.status == 101:
        return UNTIL_CLOSE
    if request_method == "HEAD" or head.status < 200 or head.status in (204, 304):
        return NO_BODY
    if b"transfer-encoding" in head.positions:
        return ChunkedBody(limits)
    length = head.value(b"content-length")
    if length is None:
        return UNTIL_CLOSE
    return LengthBody(int(length)) if int(length) else NO_BODY
