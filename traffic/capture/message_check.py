"""Whether stored bytes are one HTTP/1.1 message: heads that parse, and a body that ends where its framing says.

Fed block by block, so that a body of any size takes little memory. Called for recordings that say they are complete
(replay/exchange_check.py), and for what other programs have kept.
"""

from sys import maxsize

from traffic.http1.framing import Body, UntilCloseBody, request_body, response_body
from traffic.http1.head import HeadError, head_end, parse_request_head, parse_response_head
from traffic.http1.limits import MessageLimits

HEAD_BYTES_MAX = 16 * 1024 * 1024  # what memory allows: the recorder that made the recording had limits of its own

_LIMITS = MessageLimits(HEAD_BYTES_MAX, maxsize, maxsize, HEAD_BYTES_MAX, HEAD_BYTES_MAX)


class MessageCheck:
    """One direction. `status` is a response's, `method` a request's, once its head was read."""

    def __init__(self, *, answers: str | None = None) -> None:
        """`answers`: the method of the request that this is the response to; None: this is a request."""
        self.method: str | None = None
        self.status: int | None = None
        self._answers = answers
        self._body: Body | None = None
        self._buffer = b""  # of a head that is not whole yet
        self._behind_bytes = 0
        self._problem: str | None = None

    def feed(self, data: bytes) -> None:
        if self._problem is not None:
            return
        try:
            self._feed(data)
        except ValueError as error:  # HeadError, FramingError, or text that is not even a line
            self._problem = str(error)

    def problem(self, *, is_tunnel: bool = False) -> str | None:
        """What is wrong now that all bytes were fed. `is_tunnel`: behind the heads may stand anything."""
        if self._problem is not None:
            return self._problem
        if self._body is None:
            return "ends inside its head" if self._buffer else "holds no message"
        if is_tunnel or isinstance(self._body, UntilCloseBody):
            return None
        if not self._body.done:
            return "ends inside its body"
        return f"holds {self._behind_bytes:,} bytes behind the end of its body" if self._behind_bytes else None

    def _feed(self, data: bytes) -> None:
        start = 0
        if self._body is None:
            data = self._buffer + data
            while self._body is None and (end := head_end(data, start)) >= 0:
                self._body = self._take_head(data[start:end])
                start = end
            self._buffer = data[start:] if self._body is None else b""
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise HeadError(f"the head has more than {HEAD_BYTES_MAX:,} bytes")
        if self._body is not None:
            end = self._body.feed(data, start)
            self._behind_bytes += len(data) - end

    def _take_head(self, raw: bytes) -> Body | None:
        """The body that follows; None behind an interim response."""
        if self._answers is None:
            request = parse_request_head(raw, _LIMITS)
            self.method = request.method
            return request_body(request, _LIMITS)
        response = parse_response_head(raw, _LIMITS)
        if response.status < 200 and response.status != 101:
            return None
        self.status = response.status
        return response_body(response, self._answers, _LIMITS)
