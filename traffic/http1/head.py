"""Heads of HTTP/1.1 messages: finding where one ends, and judging and reading it.

llhttp (by httptools, strict) judges every head. It lets some pass that are no good on a proxied path (RFC 9112 §3, §6):
those are refused here: versions other than 1.0 and 1.1, more than one space in the request line, control bytes in a
target or reason, a missing, repeated or malformed Host, a length that an upstream may not hold in 64 bits with a sign,
a transfer coding other than `chunked`, any transfer coding in HTTP/1.0, too many fields.

Header names and values are bytes as they came; lookups take lower-case names. Called by the message readers, by the
ingest server for the metadata, and by the tools that read recordings.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar

import httptools
import msgspec

from .limits import DEFAULT_LIMITS, MessageLimits

LENGTH_DIGITS_MAX = 18  # below 2**63
REMEMBERED_BYTES_MAX = 64  # of a value: what is remembered stays small whatever is sent
REMEMBERED_MAX = 64

T = TypeVar("T")


def _remembering(judge: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """`judge`, for values of which the same few come again and again."""
    remembering = lru_cache(REMEMBERED_MAX)(judge)
    return lambda value: remembering(value) if len(value) <= REMEMBERED_BYTES_MAX else judge(value)


_VERSIONS: Mapping[bytes, tuple[int, int]] = {b"HTTP/1.1": (1, 1), b"HTTP/1.0": (1, 0)}
_NOTHING: frozenset[bytes] = frozenset()
_IN_NO_HEAD = re.compile(rb"\r(?!\n|\Z)|(?<!\r)\n|\0")
_HOST = re.compile(  # RFC 3986 §3.2.2, §3.2.3
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*+)(?::[0-9]{0,5})?"
)
_REQUEST_LINE = re.compile(rb"([^ ]+) ([\x21-\x7e]+) (HTTP/1\.[01])")  # of what llhttp let pass
_TARGET = re.compile(rb"[\x21-\x7e]+")
_REASON = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_is_host = _remembering(_HOST.fullmatch)
_is_reason = _remembering(_REASON.fullmatch)


class HeadError(ValueError):
    """A head that must not be acted on. `status` is what a server answers to it."""

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status


class Head(msgspec.Struct):
    """What requests and responses share. Places are indexes into `lines`, the start line's is 0."""

    raw: bytes
    version: tuple[int, int]
    lines: list[bytes]  # without their CRLF; copy before editing
    names: list[bytes]  # of the field in each line, in lower case; the start line's is empty
    present: frozenset[bytes]  # the names of its fields
    connection: frozenset[bytes]  # the options in the Connection fields, in lower case
    content_length: int | None

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        return [self.field(place) for place in range(1, len(self.lines))]

    def field(self, place: int) -> tuple[bytes, bytes]:
        """A name as it came, and its value."""
        line, name = self.lines[place], self.names[place]
        return line[: len(name)], _value(line, name)

    def value(self, name: bytes) -> bytes | None:
        """The value of the first field of that lower-case name."""
        if name not in self.present:
            return None
        return _value(self.lines[self.names.index(name)], name)

    def values(self, name: bytes) -> list[bytes]:
        return [_value(self.lines[place], name) for place in self.places(name)]

    def places(self, name: bytes) -> list[int]:
        """Of all fields of that name."""
        if name not in self.present:
            return []
        if self.names.count(name) == 1:  # twice through the names in C is cheaper than once here
            return [self.names.index(name)]
        return [place for place, each in enumerate(self.names) if each == name]

    def tokens(self, name: bytes) -> list[bytes]:
        """The comma-separated members of all fields of that name, in lower case."""
        return _tokens(b",".join(self.values(name))) if name in self.present else []


class RequestHead(Head):
    method: str
    target: bytes
    host: bytes | None  # the value of its Host field

    @property
    def wants_websocket(self) -> bool:
        """RFC 9110 §7.8: HTTP/1.0 has no Upgrade."""
        if b"upgrade" not in self.present or self.version != (1, 1):
            return False
        return self.tokens(b"upgrade") == [b"websocket"] and self.asks_for_upgrade

    @property
    def asks_for_upgrade(self) -> bool:
        return b"upgrade" in self.connection

    @property
    def keeps_alive(self) -> bool:
        """Whether the client takes another response on this connection, when nothing is added to the head."""
        return self.version == (1, 1) and b"close" not in self.connection


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
        return b"transfer-encoding" in self.present or bool(self.content_length)


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
    if raw[:1] in (b"\r", b"\n"):  # llhttp would skip it
        raise HeadError("malformed head: CR or LF before the request line")
    _judge(httptools.HttpRequestParser(None), raw)
    lines = raw[:-4].split(b"\r\n")
    request_line = _request_line(lines[0])
    if request_line is None or len(request_line[1]) > limits.target_bytes:
        raise _request_line_error(lines[0], limits)
    method, target, version = request_line
    names = _read_names(lines, limits)
    head = RequestHead(raw, version, lines, names, frozenset(names[1:]), _NOTHING, None, method, target, None)
    head.connection = _connection(head)
    head.host = head.value(b"host")
    _check_host(head)
    head.content_length = _content_length(head)
    return head


def parse_response_head(raw: bytes, limits: MessageLimits = DEFAULT_LIMITS) -> ResponseHead:
    """Read a head that ends with its empty line; raises HeadError when a proxy must not pass it on."""
    parser = httptools.HttpResponseParser(None)
    _judge(parser, raw)
    version = _VERSIONS.get(raw[:8])
    if version is None:
        raise _version_error(raw[:8])
    lines = raw[:-4].split(b"\r\n")
    names = _read_names(lines, limits)
    status, reason = parser.get_status_code(), lines[0][13:]
    if not 100 <= status <= 599:
        raise HeadError(f"status {status} is not between 100 and 599")
    if not _is_reason(reason):  # llhttp lets any byte pass there
        raise HeadError("control bytes in the reason phrase")
    head = ResponseHead(raw, version, lines, names, frozenset(names[1:]), _NOTHING, None, status, reason)
    head.connection = _connection(head)
    head.content_length = _content_length(head)
    return head


def _judge(parser: "httptools.HttpRequestParser | httptools.HttpResponseParser", raw: bytes) -> None:
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # a protocol switch is asked for or granted: the head is whole and valid
    except httptools.HttpParserError as error:
        raise HeadError(f"malformed head: {error}") from error


def _request_line(line: bytes) -> tuple[str, bytes, tuple[int, int]] | None:
    """Method, target, version; None: it is to be refused."""
    match = _REQUEST_LINE.fullmatch(line)
    return None if match is None else (match[1].decode("ascii"), match[2], _VERSIONS[match[3]])


def _request_line_error(line: bytes, limits: MessageLimits) -> HeadError:
    parts = line.split(b" ")
    if len(parts) != 3 or not parts[1]:
        return HeadError("the request line is not `METHOD TARGET VERSION` with single spaces")
    if not _TARGET.fullmatch(parts[1]):  # llhttp lets line ends pass in that of CONNECT
        return HeadError("control bytes in the request target")
    if len(parts[1]) > limits.target_bytes:
        return HeadError(f"the request target has more than {limits.target_bytes} bytes", 414)
    return _version_error(parts[2])


def _version_error(version: bytes) -> HeadError:
    return HeadError(f"HTTP version {version.decode('latin-1')!r} is neither HTTP/1.1 nor HTTP/1.0", 505)


def _read_names(lines: list[bytes], limits: MessageLimits) -> list[bytes]:
    """A head's `names`. Refuses too many fields."""
    if len(lines) - 1 > limits.head_fields:
        raise HeadError(f"the head has more than {limits.head_fields} header lines", 431)
    names = [line.partition(b":")[0].lower() for line in lines]
    names[0] = b""
    return names


def _connection(head: Head) -> frozenset[bytes]:
    return _members(b",".join(head.values(b"connection"))) if b"connection" in head.present else _NOTHING


def _value(line: bytes, name: bytes) -> bytes:
    return line[len(name) + 1 :].strip(b" \t")


def _tokens(value: bytes) -> list[bytes]:
    return [token for member in value.lower().split(b",") if (token := member.strip())]


_members: Callable[[bytes], frozenset[bytes]] = _remembering(lambda value: frozenset(_tokens(value)))


def _check_host(head: RequestHead) -> None:
    """Refuse a Host that is not one host, except for none in HTTP/1.0."""
    if head.host is None:
        if head.version == (1, 1):
            raise HeadError("no Host header, which HTTP/1.1 requires")
    elif head.names.count(b"host") > 1:
        raise HeadError("more than one Host header")
    elif not _is_host(head.host):
        raise HeadError("the Host header is no host with an optional port")


def _content_length(head: Head) -> int | None:
    """Refuses ambiguous framing that llhttp lets pass."""
    length = head.value(b"content-length")
    if length is not None and len(length) > LENGTH_DIGITS_MAX:  # llhttp takes any number of zeros
        raise HeadError(f"Content-Length of more than {LENGTH_DIGITS_MAX} digits")
    if b"transfer-encoding" in head.present:
        _check_transfer_encoding(head)
    return None if length is None else int(length)


def _check_transfer_encoding(head: Head) -> None:
    if head.version != (1, 1):
        raise HeadError("Transfer-Encoding in HTTP/1.0")
    if [value.lower() for value in head.values(b"transfer-encoding")] != [b"chunked"]:
        raise HeadError("Transfer-Encoding other than `chunked`")
    if b"content-length" in head.present:
        raise HeadError("Transfer-Encoding beside Content-Length")
