"""The judge: h11 reads what was forwarded. It knows nothing of the recorder, and is strict where framing is concerned.

Where h11 is laxer than RFC 9112 (it takes bare LF for a line's end, unfolds folded lines, prefers Transfer-Encoding to
a Content-Length beside it, takes equal lengths in a list), `_check_head` is strict in its place.
"""

from dataclasses import dataclass

import h11

_EVENT_BYTES_MAX = 1_000_000


class AmbiguousError(Exception):
    """What was forwarded can be read in more than one way."""


@dataclass(frozen=True, slots=True)
class Message:
    raw: bytes
    start: tuple[bytes, ...]  # method and target, or the status
    fields: tuple[tuple[bytes, bytes], ...]  # names in lower case
    content: bytes


def read_request(data: bytes) -> Message | None:
    """The first request of `data`; None: it is not whole."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_EVENT_BYTES_MAX)
    connection.receive_data(data)
    return _read(connection, data)


def read_response(data: bytes, method: str) -> Message | None:
    """The first response of `data`, behind which the stream ended, to a request of `method`; None: it is not whole.

    Interim responses before it are part of its `raw`.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_EVENT_BYTES_MAX)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    try:
        return _read(connection, data)
    except h11.RemoteProtocolError as error:
        if "closed connection" in str(error):
            return None
        raise


def _read(connection: h11.Connection, data: bytes) -> Message | None:
    start: tuple[bytes, ...] = ()
    fields: tuple[tuple[bytes, bytes], ...] = ()
    content = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
            return None
        if isinstance(event, h11.Request):
            start, fields = (event.method, event.target), tuple(event.headers)
        elif isinstance(event, h11.Response):
            start, fields = (b"%d" % event.status_code,), tuple(event.headers)
        elif isinstance(event, h11.Data):
            content += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            rest, _ = connection.trailing_data
            raw = data[: len(data) - len(rest)]
            _check_head(raw.partition(b"\r\n\r\n")[0])
            return Message(raw, start, fields, content)


def _check_head(head: bytes) -> None:
    lines = head.split(b"\r\n")
    if any(byte in line for line in lines for byte in (b"\r", b"\n", b"\0")):
        raise AmbiguousError(f"a bare CR, LF or NUL in {head!r}")
    if any(line[:1] in (b" ", b"\t") for line in lines):
        raise AmbiguousError(f"a folded line in {head!r}")
    names = [line.partition(b":")[0].lower() for line in lines]
    if sum(name in (b"content-length", b"transfer-encoding") for name in names) > 1:
        raise AmbiguousError(f"framed twice: {head!r}")
