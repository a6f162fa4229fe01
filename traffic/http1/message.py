"""One direction of an HTTP/1.1 connection as a state machine without I/O: bytes in, facts out.

A reader is fed what arrived and returns events in order:

    RequestHead | ResponseHead   a head, whole and judged; a response may have several (1xx before the final one)
    bytes                        body bytes exactly as they arrived (the same object where all of it is body); at most
                                 one per read
    END                          the message is over

Behind END a reader keeps what arrived too early: a RequestReader for the next request (pipelining: `next_message`), a
ResponseReader as `stray`, which belongs to no response. HeadError and FramingError end a direction: nothing of the data
that raised them was returned, and nothing behind it can be trusted. A refused head stands in `partial_head`.
"""

from enum import Enum
from typing import Final

from .framing import NO_BODY, UNTIL_CLOSE, Body, FramingError, request_body, response_body
from .head import (
    HeadError,
    RequestHead,
    ResponseHead,
    check_head_start,
    head_end,
    parse_request_head,
    parse_response_head,
)
from .limits import DEFAULT_LIMITS, MessageLimits


class End(Enum):
    END = "end"


END: Final = End.END

RequestEvent = RequestHead | bytes | End
ResponseEvent = ResponseHead | bytes | End


class RequestReader:
    """Reads the requests of one client connection, one at a time.

    `in_body` tells that a head was returned and its END was not; `is_between` that no byte of a next head has arrived.
    `limits` may be replaced at any time.
    """

    __slots__ = ("_buffer", "_over", "body", "in_body", "limits")

    def __init__(self, limits: MessageLimits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.body: Body = NO_BODY
        self.in_body = False
        self._over = False  # END was returned and next_message() not called yet
        self._buffer = b""

    @property
    def is_between(self) -> bool:
        return not self.in_body and not self._buffer

    @property
    def is_drained(self) -> bool:
        """Nothing waits behind the request that is over."""
        return not self._buffer

    @property
    def has_next(self) -> bool:
        """Something waits behind the request that is over, and next_message() was not called yet."""
        return self._over and bool(self._buffer)

    @property
    def buffered_bytes(self) -> int:
        return len(self._buffer)

    @property
    def partial_head(self) -> bytes:
        return b"" if self.in_body else self._buffer

    def next_message(self) -> list[RequestEvent]:
        """Go on with what arrived behind the last END."""
        self._over = False
        data, self._buffer = self._buffer, b""
        return self.feed(data) if data else []

    def feed(self, data: bytes) -> list[RequestEvent]:
        if self._over:
            self._buffer += data
            return []
        if self.in_body:
            return self._feed_body(data, 0, [])
        return self._feed_head(data)

    def become_tunnel(self) -> bytes:
        """After a protocol switch: everything from here on is body. Returns what arrived early."""
        self.body, self.in_body, self._over = UNTIL_CLOSE, True, False
        early, self._buffer = self._buffer, b""
        return early

    def _feed_head(self, data: bytes) -> list[RequestEvent]:
        known = len(self._buffer)
        buffer = self._buffer + data if known else data
        if buffer[:1] == b"\r":
            buffer, known = _without_empty_lines(buffer), 0
        end = head_end(buffer, max(0, known - 3))
        bytes_max = self.limits.head_bytes
        if end > bytes_max or (end < 0 and len(buffer) > bytes_max):
            self._buffer = buffer[:bytes_max]
            raise HeadError(f"the head has more than {bytes_max} bytes", 431)
        if end < 0:
            self._buffer = buffer
            check_head_start(buffer, max(0, known - 1))
            return []
        self._buffer = buffer[:end]  # what a refused head looked like, for its recording
        head = parse_request_head(self._buffer, self.limits)
        self.body = request_body(head, self.limits)
        try:
            events = self._feed_body(buffer, end, [head])
        except FramingError as error:  # nothing of this request was returned: it is refused as a whole
            raise HeadError(str(error)) from error
        if not self._over:
            self._buffer, self.in_body = b"", True
        return events

    def _feed_body(self, data: bytes, start: int, events: list[RequestEvent]) -> list[RequestEvent]:
        body = self.body
        end = body.feed(data, start)
        if end > start:
            events.append(data[start:end])
        if body.done:
            self.in_body, self._over = False, True
            self._buffer = data[end:]
            events.append(END)
        return events


def _without_empty_lines(data: bytes) -> bytes:
    """RFC 9112 §2.2: empty lines before a request line are ignored."""
    start = 0
    while data.startswith(b"\r\n", start):
        start += 2
    return data[start:]


class ResponseReader:
    """Reads the response to one request of `method`, interim responses included."""

    __slots__ = ("_buffer", "_is_in_doubt", "_limits", "_method", "body", "has_final_head", "is_over", "stray")

    def __init__(self, method: str, limits: MessageLimits = DEFAULT_LIMITS) -> None:
        self.body: Body = NO_BODY
        self.has_final_head = False
        self.is_over = False
        self.stray = b""
        self._is_in_doubt = False  # the head announced a body that its status or the request's method rules out
        self._method = method
        self._limits = limits
        self._buffer = b""

    @property
    def partial_head(self) -> bytes:
        return self._buffer

    @property
    def is_clean(self) -> bool:
        """The response is over, and what comes next on its connection cannot belong to it: nothing came behind it, and
        no body was announced that must not come (some servers send it all the same).
        """
        return self.is_over and not (self.stray or self.body.ends_with_connection or self._is_in_doubt)

    def feed(self, data: bytes) -> list[ResponseEvent]:
        if self.has_final_head:
            return self._feed_body(data, 0, [])
        return self._feed_heads(data)

    def eof(self) -> list[ResponseEvent]:
        """The upstream ended its stream: END where that ends the body, else nothing (the message is cut)."""
        if self.has_final_head and not self.is_over and self.body.ends_with_connection:
            self.is_over = True
            return [END]
        return []

    def _feed_heads(self, data: bytes) -> list[ResponseEvent]:
        events: list[ResponseEvent] = []
        known = len(self._buffer)
        buffer = self._buffer + data if known else data
        start = 0
        while (end := head_end(buffer, max(start, known - 3))) >= 0:
            if end - start > self._limits.head_bytes:
                break
            head = parse_response_head(buffer[start:end], self._limits)
            events.append(head)
            start, known = end, 0
            if head.status >= 200 or head.status == 101:
                self.has_final_head = True
                self._buffer = b""
                self.body = response_body(head, self._method, self._limits)
                self._is_in_doubt = self.body is NO_BODY and head.announces_body
                return self._feed_body(buffer, start, events)
        self._buffer = buffer[start:]
        if len(self._buffer) > self._limits.head_bytes:
            raise HeadError(f"the head has more than {self._limits.head_bytes} bytes")
        check_head_start(self._buffer, max(0, known - 1))
        return events

    def _feed_body(self, data: bytes, start: int, events: list[ResponseEvent]) -> list[ResponseEvent]:
        if self.is_over:
            self.stray += data
            return events
        body = self.body
        end = body.feed(data, start)
        if end > start:
            events.append(data[start:end])
        if body.done:
            self.is_over = True
            self.stray = data[end:]
            events.append(END)
        return events
