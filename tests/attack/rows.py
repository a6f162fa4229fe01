"""What one attack is: bytes, and what must become of them. The tables beside this module make several hundred."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A client sends `sent` and then ends its side; `statuses` are those of the answers it gets, in their order.

    The origin answers 200 to each request that reaches it, and nothing else does: the number of 200s is the number of
    messages that were forwarded.
    """

    name: str
    sent: bytes
    statuses: tuple[int, ...]
    note: str = ""  # where h11 is stricter or laxer than the RFC


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """The origin sends `sent` to a request of `method`; the client gets `status` with `body`, or (None) a visible cut.

    `ends`: the origin ends the connection behind it; else it stays open, as if more requests were welcome.
    """

    name: str
    sent: bytes
    status: int
    body: bytes | None
    method: str = "GET"
    ends: bool = False
    note: str = ""


HOST = b"Host: recorder.test"


def request(*lines: bytes, body: bytes = b"", start: bytes = b"POST /lm/a HTTP/1.1") -> bytes:
    return b"\r\n".join([start, HOST, *lines, b"", body])


def response(*lines: bytes, body: bytes = b"", start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([start, *lines, b"", body])


def length(count: int) -> bytes:
    return b"Content-Length: %d" % count
