"""Heads of HTTP/1.1 messages: finding where one ends, and judging and reading it.

llhttp (by httptools, strict) judges every head. It lets some pass that are no good on a proxied path (RFC 9112 §3, §6):
those are refused here: versions other than 1.0 and 1.1, more than one space in the request line, a missing or repeated
Host, a transfer coding other than `chunked`, and any transfer coding in HTTP/1.0.

Header names and values are bytes as they came; lookups take lower-case names. Called by the message readers, by the
ingest server for the metadata, and by the tools that read recordings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import httptools

from .limits import DEFAULT_LIMITS, MessageLimits

LENGTH_DIGITS_MAX = 19

_VERSIONS: Mapping[bytes, tuple[int, int]] = {b"HTTP/1.1": (1, 1), b"HTTP/1.0": (1, 0)}


class HeadError(ValueError):
    """A head that must not be acted on. `status` is what a server answers to it."""

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status


class _Fields:
    """Header fields in their order, and what a lookup by lower-case name needs."""

    __slots__ = ("fields", "positions")

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.positions: dict[bytes, list[int]] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.lower()
        if key in self.positions:
            self.positions[key].append(len(self.fields))
        else:
            self.positions[key] = [len(self.fields)]
        self.fields.append((name, value.rstrip()))  # llhttp leaves the white space behind a value


@dataclass(slots=True)
class Head:
    """What requests and responses share.

    `positions` maps a lower-case name to its places in `fields`; `connection` holds the Connection header's tokens.
    """

    raw: bytes
    version: tuple[int, int]
    fields: list[tuple[bytes, bytes]]
    positions: dict[bytes, list[int]]
    connection: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.connection = self.tokens(b"connection") if b"connection" in self.positions else []

    def value(self, name: bytes) -> bytes | None:
        """The value of the first field of that lower-case name."""
        places = self.positions.get(name)
        return self.fields[places[0]][1] if places else None

    def values(self, name: bytes) -> list[bytes]:
        return [self.fields[place][1] for place in self.positions.get(name, ())]

    def tokens(self, name: bytes) -> list[bytes]:
        """The comma-separated members of all fields of that name, in lower case."""
        return [token for value in self.values(name) for item in value.split(b",") if (token := item.strip().lower())]


@dataclass(slots=True)
class RequestHead(Head):
    method: str
    target: bytes

    @property
    def wants_websocket(self) -> bool:
        return b"upgrade" in self.positions and self.tokens(b"upgrade") == [b"websocket"] and self.asks_for_upgrade

    @property
    def asks_for_upgrade(self) -> bool:
        return b"upgrade" in self.connection

    @property
    def keeps_alive(self) -> bool:
        """Whether the client takes another response on this connection, when nothing is added to the head."""
        return self.version == (1, 1) and b"close" not in self.connection


@dataclass(slots=True)
class ResponseHead(Head):
    status: int
    reason: bytes

    @property
    def keeps_alive(self) -> bool:
        if b"close" in self.connection:
            return False
        return self.version == (1, 1) or b"keep-alive" in self.connection


def head_end(data: bytes | bytearray, start: int = 0) -> int:
    """The index behind the empty line that ends the head, or -1."""
    at = data.find(b"\r\n\r\n", start)
    return at + 4 if at >= 0 else -1


def parse_request_head(raw: bytes, limits: MessageLimits = DEFAULT_LIMITS) -> RequestHead:
    """Read a head that ends with its empty line; raises HeadError when a server must refuse it."""
    sink = _Fields()
    _judge(httptools.HttpRequestParser(sink), raw)
    _check_count(sink, limits)
    parts = raw[: raw.index(b"\r\n")].split(b" ")
    if len(parts) != 3 or not parts[1]:
        raise HeadError("the request line is not `METHOD TARGET VERSION` with single spaces")
    if len(parts[1]) > limits.target_bytes:
        raise HeadError(f"the request target has more than {limits.target_bytes} bytes", 414)
    version = _version(parts[2])
    _check_request_host(sink, version)
    _check_framing(sink, version)
    return RequestHead(raw, version, sink.fields, sink.positions, parts[0].decode("ascii"), parts[1])


def parse_response_head(raw: bytes, limits: MessageLimits = DEFAULT_LIMITS) -> ResponseHead:
    """Read a head that ends with its empty line; raises HeadError when a proxy must not pass it on."""
    sink = _Fields()
    parser = httptools.HttpResponseParser(sink)
    _judge(parser, raw)
    _check_count(sink, limits)
    version = _version(raw[:8])
    if b"\0" in raw:
        raise HeadError("NUL in the head")  # llhttp lets it pass in a reason phrase
    status = parser.get_status_code()
    if not 100 <= status <= 599:
        raise HeadError(f"status {status} is not between 100 and 599")
    _check_framing(sink, version)
    return ResponseHead(raw, version, sink.fields, sink.positions, status, raw[13 : raw.index(b"\r\n")])


def _judge(parser: "httptools.HttpRequestParser | httptools.HttpResponseParser", raw: bytes) -> None:
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # a protocol switch is asked for or granted: the head is whole and valid
    except httptools.HttpParserError as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    raise HeadError(f"malformed head: {error}") from error


def _check_count(sink: _Fields, limits: MessageLimits) -> None:
    if len(sink.fields) > limits.head_fields:
        raise HeadError(f"the head has more than {limits.head_fields} header lines", 431)


def _version(text: bytes) -> tuple[int, int]:
    version = _VERSIONS.get(text)
    if version is None:
        raise HeadError(f"HTTP version {text.decode('latin-1')!r} is neither HTTP/1.1 nor HTTP/1.0", 505)
    return version


def _check_request_host(sink: _Fields, version: tuple[int, int]) -> None:
    hosts = sink.positions.get(b"host", ())
    if len(hosts) > 1:
        raise HeadError("more than one Host header")
    if not hosts and version == (1, 1):
        raise HeadError("no Host header, which HTTP/1.1 requires")


def _check_framing(sink: _Fields, version: tuple[int, int]) -> None:
    lengths = sink.positions.get(b"content-length")
    if lengths is not None and len(sink.fields[lengths[0]][1]) > LENGTH_DIGITS_MAX:  # llhttp takes any number of zeros
        raise HeadError(f"Content-Length of more than {LENGTH_DIGITS_MAX} digits")
    places = sink.positions.get(b"transfer-encoding")
    if places is None:
        return
    if version != (1, 1):
        raise HeadError("Transfer-Encoding in HTTP/1.0")
    if len(places) > 1 or sink.fields[places[0]][1].lower() != b"chunked":
        raise HeadError("Transfer-Encoding other than `chunked`")
    if b"content-length" in sink.positions:
        raise HeadError("Transfer-Encoding beside Content-Length")
