"""Heads of HTTP/1.1 messages: finding where one ends, and judging and reading it.

llhttp (by httptools, strict) judges every head. It lets some pass that are no good on a proxied path (RFC 9112 §3, §6):
those are refused here: versions other than 1.0 and 1.1, more than one space in the request line, control bytes in a
target or reason, a missing, repeated or malformed Host, a length that an upstream may not hold in 64 bits with a sign,
a transfer coding other than `chunked`, any transfer coding in HTTP/1.0, too many fields.

Header names and values are bytes as they came; lookups take lower-case names. Called by the message readers, by the
ingest server for the metadata, and by the tools that read recordings.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

import httptools

from .limits import DEFAULT_LIMITS, MessageLimits

LENGTH_DIGITS_MAX = 18  # below 2**63

_VERSIONS: Mapping[bytes, tuple[int, int]] = {b"HTTP/1.1": (1, 1), b"HTTP/1.0": (1, 0)}
_NOTHING: frozenset[bytes] = frozenset()
_IN_NO_HEAD = re.compile(rb"\r(?!\n|\Z)|(?<!\r)\n|\0")
_HOST = re.compile(  # RFC 3986 §3.2.2, §3.2.3
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*+)(?::[0-9]{0,5})?"
)
_is_target = re.compile(rb"[\x21-\x7e]+").fullmatch
_REASON = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_is_host = lru_cache(64)(_HOST.fullmatch)  # the same few come again and again
_is_reason = lru_cache(64)(_REASON.fullmatch)


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
    connection: frozenset[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.connection = frozenset(self.tokens(b"connection")) if b"connection" in self.positions else _NOTHING

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
        """RFC 9110 §7.8: HTTP/1.0 has no Upgrade."""
        if self.version != (1, 1) or b"upgrade" not in self.positions:
            return False
        return self.tokens(b"upgrade") == [b"websocket"] and self.asks_for_upgrade

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

    @property
    def announces_body(self) -> bool:
        """Whether its fields, taken alone, promise body bytes."""
        length = self.value(b"content-length")
        return b"transfer-encoding" in self.positions or (length is not None and int(length) > 0)


def head_end(data: bytes | bytearray, start: int = 0) -> int:
    """The index behind the empty line that ends the head, or -1."""
    at = data.find(b"\r\n\r\n", start)
    return at + 4 if at >= 0 else -1


def check_head_start(data: bytes, start: int) -> None:
    """Refuse a head that has not ended yet for what no head may hold, from `start` on: it might never end."""
    match = _IN_NO_HEAD.search(data, start)
    if match is not None:
        name = {b"\r": "CR without LF", b"\n": "LF without CR"}.get(match[0], "NUL")
        raise HeadError(f"malformed head: {name}")


def parse_request_head(raw: bytes, limits: MessageLimits = DEFAULT_LIMITS) -> RequestHead:
    """Read a head that ends with its empty line; raises HeadError when a server must refuse it."""
    sink = _Fields()
    if raw[:1] in (b"\r", b"\n"):  # llhttp would skip it
        raise HeadError("malformed head: CR or LF before the request line")
    _judge(httptools.HttpRequestParser(sink), raw)
    parts = raw[: raw.index(b"\r\n")].split(b" ")
    if len(parts) != 3 or not parts[1]:
        raise HeadError("the request line is not `METHOD TARGET VERSION` with single spaces")
    if not _is_target(parts[1]):  # llhttp lets line ends pass in that of CONNECT
        raise HeadError("control bytes in the request target")
    if len(parts[1]) > limits.target_bytes:
        raise HeadError(f"the request target has more than {limits.target_bytes} bytes", 414)
    version = _version(parts[2])
    _check_count(sink, limits)
    _check_request_host(sink, version)
    _check_framing(sink, version)
    return RequestHead(raw, version, sink.fields, sink.positions, parts[0].decode("ascii"), parts[1])


def parse_response_head(raw: bytes, limits: MessageLimits = DEFAULT_LIMITS) -> ResponseHead:
    """Read a head that ends with its empty line; raises HeadError when a proxy must not pass it on."""
    sink = _Fields()
    parser = httptools.HttpResponseParser(sink)
    _judge(parser, raw)
    version = _version(raw[:8])
    _check_count(sink, limits)
    status = parser.get_status_code()
    if not 100 <= status <= 599:
        raise HeadError(f"status {status} is not between 100 and 599")
    reason = raw[13 : raw.index(b"\r\n")]
    if not _is_reason(reason):  # llhttp lets any byte pass there
        raise HeadError("control bytes in the reason phrase")
    _check_framing(sink, version)
    return ResponseHead(raw, version, sink.fields, sink.positions, status, reason)


def _judge(parser: "httptools.HttpRequestParser | httptools.HttpResponseParser", raw: bytes) -> None:
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # a protocol switch is asked for or granted: the head is whole and valid
    except httptools.HttpParserError as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    raise HeadError(f"malformed head: {error}") from error


def _version(text: bytes) -> tuple[int, int]:
    version = _VERSIONS.get(text)
    if version is None:
        raise HeadError(f"HTTP version {text.decode('latin-1')!r} is neither HTTP/1.1 nor HTTP/1.0", 505)
    return version


def _check_count(sink: _Fields, limits: MessageLimits) -> None:
    if len(sink.fields) > limits.head_fields:
        raise HeadError(f"the head has more than {limits.head_fields} header lines", 431)


def _check_request_host(sink: _Fields, version: tuple[int, int]) -> None:
    hosts = sink.positions.get(b"host", ())
    if len(hosts) > 1:
        raise HeadError("more than one Host header")
    if not hosts and version == (1, 1):
        raise HeadError("no Host header, which HTTP/1.1 requires")
    if hosts and not _is_host(sink.fields[hosts[0]][1]):
        raise HeadError("the Host header is no host with an optional port")


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
