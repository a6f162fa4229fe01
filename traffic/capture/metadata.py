"""The metadata file of an exchange: its schema, version 1, and how it is made from what the recorder told.

`metadata.schema.json` beside this module is the same schema for other programs; docs/format.md explains the fields.
Fields may be added, at the end of their object; none changes its meaning. Pure: the ingest server calls it and writes.
"""

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from traffic.capture import names
from traffic.capture.events import ExchangeError, Finished, Started
from traffic.http1.head import head_end

SCHEMA: Final = 1
ARRIVALS_MAX = 65_536
BYTES_MAX: Final = 16 * 1024 * 1024  # of a file that is read; the largest that the ingest server writes has about 6 MiB
HEADS_BYTES_MAX = 256 * 1024  # where the heads (1xx included) are longer, the metadata has no headers

_is_head = re.compile(  # but for a lone CR, which the dots let pass: excluding it there would take twice the time
    rb".+\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*:.*\r\n)*\r\n"
).fullmatch
_status = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]").match

Headers = list[tuple[str, str]]  # latin-1
Arrivals = list[tuple[int, int]]  # (offset in the stored file, microseconds since the start)

# What decoding checks; encoding takes values as they are.
_Count = Annotated[int, Meta(ge=0)]
_Milliseconds = Annotated[float, Meta(ge=0)]
_Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Uuid = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
_Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z\Z")]
_ArrivalsFields = Annotated[list[tuple[_Count, _Milliseconds]], Meta(max_length=ARRIVALS_MAX)]


class Durations(msgspec.Struct, frozen=True):
    """Milliseconds, to the microsecond, by the monotonic clock; None: not reached, or not known."""

    connect: _Milliseconds | None
    first_byte: _Milliseconds | None
    total: _Milliseconds | None


class ErrorFields(msgspec.Struct, frozen=True):
    name: str
    phase: str
    by: Annotated[str, Meta(pattern=r"^(?:client|upstream|recorder|network)\Z")]
    detail: str


class ReceivedFields(msgspec.Struct, frozen=True):
    request_line: str
    host: str | None
    removed: list[tuple[str, str]]


class RedactionFields(msgspec.Struct, frozen=True):
    where: str
    placeholder: str


class RequestFields(msgspec.Struct, frozen=True):
    headers: Headers
    bytes: _Count
    sha256: _Sha256 | None  # None while the exchange runs
    arrivals: _ArrivalsFields


class ResponseFields(msgspec.Struct, frozen=True):
    status: Annotated[int, Meta(ge=100, le=599)] | None
    headers: Headers
    bytes: _Count
    sha256: _Sha256 | None
    arrivals: _ArrivalsFields


class Metadata(msgspec.Struct, frozen=True):
    schema: Literal[1]
    id: _Uuid
    route: str | None
    pattern: str | None
    method: str
    url: str
    upstream_url: str | None
    client: str
    started_at: _Moment
    completed: bool
    error: ErrorFields | None
    answered_by: Annotated[str, Meta(pattern=r"^(?:upstream|recorder)\Z")] | None
    durations_ms: Durations
    received: ReceivedFields
    request: RequestFields
    response: ResponseFields
    redactions: list[RedactionFields]
    key: str | None = None  # absent in files of earlier versions
    provider: str | None = None  # absent in files of earlier versions
    replay_of: _Uuid | None = None  # absent in files of earlier versions
    imported_from: Annotated[str, Meta(pattern=r"^(?:har|warc)\Z")] | None = None  # absent in files of earlier versions


class Stored(msgspec.Struct, array_like=True):
    """What is known of one of the two `.bin` files. `status` is the response's."""

    headers: Headers
    status: int | None
    bytes: int
    sha256: str | None
    arrivals: Arrivals


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Metadata).decode


def decode(data: bytes | str) -> Metadata:
    """What it tells may be used without another check: `started_at` is a moment that a file's name can tell. Raises
    msgspec.DecodeError, UnicodeDecodeError and RecursionError.
    """
    facts = _decode(data)
    try:
        names.moment_ns(facts.started_at)
    except ValueError as error:
        raise msgspec.ValidationError(f"{error} - at `$.started_at`") from None
    return facts


def build(
    started: Started, finished: Finished | None, error: ExchangeError | None, request: Stored, response: Stored
) -> Metadata:
    """The metadata of an exchange that runs (no `finished`, no `error`) or has ended; `error` outranks `finished`."""
    return Metadata(
        schema=SCHEMA,
        id=started.id,
        route=started.route,
        pattern=started.pattern,
        method=started.method,
        url=started.url,
        upstream_url=started.upstream_url,
        client=started.client,
        started_at=names.iso(started.started_ns),
        completed=error is None and finished is not None and finished.completed,
        error=ErrorFields(error.name, error.phase, error.by, error.detail) if error else None,
        answered_by=finished.answered_by if finished else None,
        durations_ms=durations(finished),
        received=ReceivedFields(started.received.request_line, started.received.host, started.received.removed),
        request=RequestFields(request.headers, request.bytes, request.sha256, _in_ms(request.arrivals)),
        response=ResponseFields(
            response.status, response.headers, response.bytes, response.sha256, _in_ms(response.arrivals)
        ),
        redactions=[RedactionFields(each.where, each.placeholder) for each in finished.redactions] if finished else [],
        key=started.key,
        provider=started.provider,
        replay_of=started.replay_of,
    )


def thin(arrivals: Arrivals) -> None:
    """Keep a list within ARRIVALS_MAX: every second pair of its older half goes, until it is; the newest stay exact."""
    while len(arrivals) > ARRIVALS_MAX:
        del arrivals[1 : len(arrivals) // 2 : 2]


def request_headers(data: bytes) -> Headers | None:
    """The header lines of a stored request; [] where its head is malformed, None where it is not all there."""
    end = head_end(data)
    return None if end < 0 else _fields(data[:end])


def response_status(data: bytes) -> tuple[int | None, Headers] | None:
    """Status and header lines of a stored response's final head, behind any 1xx (101 is final); None: not all there."""
    start = 0
    while (end := head_end(data, start)) >= 0:
        match = _status(data, start)
        if match is None:
            return None, []
        status = int(match[1])
        if status >= 200 or status == 101:
            return status, _fields(data[start:end])
        start = end
    return None


def _fields(head: bytes) -> Headers:
    """Split by lines: the recorder has judged the head, and one that it refused is to be seen as it came."""
    lines = head.decode("latin-1").split("\r\n")
    if not _is_head(head) or "\r" in "".join(lines):
        return []
    return [(name, value.strip(" \t")) for line in lines[1:-2] for name, _, value in [line.partition(":")]]


def _in_ms(arrivals: Arrivals) -> list[tuple[int, float]]:
    return [(offset, at_us / 1000) for offset, at_us in arrivals]


def durations(finished: Finished | None) -> Durations:
    if finished is None:
        return Durations(None, None, None)
    connect, first_byte = finished.connect_us, finished.first_byte_us
    return Durations(
        None if connect is None else connect / 1000,
        None if first_byte is None else first_byte / 1000,
        finished.total_us / 1000,
    )
