"""WARC 1.1 (ISO 28500:2017), the format of web archives: written so that it reads back byte for byte; and read, also as
other programs write it, plain or gzip.

    warcinfo   once, at the beginning
    metadata   of each exchange its metadata file, as JSON; its WARC-Concurrent-To name the next two records
    request    its bytes as stored
    response   its bytes as stored: 1xx heads, chunks and compression as they came. None where there was no answer

A part that was cut has WARC-Truncated. warcio writes and reads the records; it never gets to see their HTTP, which it
would write anew.
"""

from base64 import b32encode
from collections.abc import Iterable, Iterator
from hashlib import sha1
from io import BytesIO
from typing import BinaryIO, Final, Literal
from urllib.parse import quote

from warcio.recordloader import ArcWarcRecord
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from traffic.capture import metadata
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.capture.redact_exchange import heads_end
from traffic.export.foreign import Tell, refuse
from traffic.export.warc_reader import WarcReader, record_id
from traffic.http1.head import head_end
from traffic.llm.decode import Decoder

Kind = Literal["warcinfo", "metadata", "request", "response"]
_Fields = list[tuple[str, str]]

VERSION: Final = "WARC/1.1"
_INFO: Final = (
    b"software: llm-flight-recorder\r\nformat: WARC File Format 1.1\r\n"
    b"conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n"
)
_CONTENT_TYPES: Final[dict[Kind, str]] = {
    "warcinfo": "application/warc-fields",
    "metadata": "application/json",
    "request": "application/http; msgtype=request",
    "response": "application/http; msgtype=response",
}
_URL_SAFE: Final = "!#$%&'()*+,/:;=?@[]~"  # what a URL holds as it is, a `%` included


def write(exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder) -> None:  # noqa: ARG001 as all formats
    writer = _Writer(out, gzip=False, warc_version="1.1")
    for number, exchange in enumerate(exchanges):
        if not number:
            writer.write_record(_record("warcinfo", exchange.metadata, _INFO, []))
        for record in _records(exchange):
            writer.write_record(record)


def read(source: BinaryIO, tell: Tell = refuse) -> Iterator[RecordedExchange]:
    """Raises FormatError; `tell` gets what is wrong with a single exchange, which is then passed over."""
    return WarcReader(source, tell).exchanges()


class _Writer(WARCWriter):  # type: ignore[misc]  # warcio has no types
    """Adds the digests of blocks; that of a payload is given where there is one."""

    NO_PAYLOAD_DIGEST_TYPES = tuple(_CONTENT_TYPES)


def _records(exchange: RecordedExchange) -> Iterator[ArcWarcRecord]:
    facts = exchange.metadata
    parts: list[tuple[Kind, bytes]] = [("request", exchange.request), ("response", exchange.response)]
    parts = [part for part in parts if part[1]]
    ids = {kind: record_id(facts.id, kind) for kind, _ in parts}
    yield _record("metadata", facts, metadata.encode(facts), [("WARC-Concurrent-To", each) for each in ids.values()])
    for kind, block in parts:
        fields = [("WARC-Concurrent-To", each) for other, each in ids.items() if other != kind]
        reason = _truncated(facts, kind)
        if reason is not None:
            fields.append(("WARC-Truncated", reason))
        if (start := _payload_start(kind, block)) > 0:
            fields.append(("WARC-Payload-Digest", f"sha1:{b32encode(sha1(block[start:]).digest()).decode()}"))  # noqa: S324
        yield _record(kind, facts, block, fields)


def _record(kind: Kind, facts: Metadata, block: bytes, fields: _Fields) -> ArcWarcRecord:
    content_type = _CONTENT_TYPES[kind]
    own = [("WARC-Type", kind), ("WARC-Record-ID", record_id(facts.id, kind)), ("WARC-Date", facts.started_at)]
    if kind != "warcinfo":
        own.append(("WARC-Target-URI", _target(facts)))
    headers = StatusAndHeaders("", [*own, *fields], protocol=VERSION)
    return ArcWarcRecord("warc", kind, headers, BytesIO(block), None, content_type, len(block))


def _target(facts: Metadata) -> str:
    """Where it was sent, or should have been; anybody may have written the URL."""
    return quote(facts.upstream_url or facts.url, safe=_URL_SAFE) or f"urn:uuid:{facts.id}"


def _truncated(facts: Metadata, kind: Kind) -> str | None:
    if facts.completed:
        return None
    error = facts.error
    if error is None:
        return "unspecified"  # it was still running
    if error.phase.startswith(("request", "response")) and not error.phase.startswith(kind):
        return None
    if "timeout" in error.name:
        return "time"
    return "disconnect" if error.by in ("client", "upstream", "network") else "unspecified"


def _payload_start(kind: Kind, block: bytes) -> int:
    """Behind a head that is whole and the only one: readers take what stands behind the first for the payload."""
    end = head_end(block)
    side: Literal["request", "response"] = "request" if kind == "request" else "response"
    return end if end == heads_end(block, side) else -1
