"""Reads exchanges out of WARC files: those that warc.py wrote, byte for byte, and what other programs wrote.

Of others' files, requests and responses are brought together by their WARC-Concurrent-To; one whose partner does not
come within the next PENDING_MAX records has none. Records that are no HTTP messages are passed over. A file may come
from anybody: no record is read that has more than RECORD_BYTES_MAX.
"""

import gzip
import logging
import uuid
import zlib
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from typing import BinaryIO, Final, NamedTuple

import msgspec
from warcio.archiveiterator import WARCIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord

from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.export.foreign import FormatError, Kept, Tell, exchange_of

RECORD_BYTES_MAX: Final = 1024 * 1024 * 1024
PENDING_MAX: Final = 64
PENDING_BYTES_MAX: Final = 256 * 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_START: Final = b"WARC/"
_BROKEN: Final = (EOFError, OSError, zlib.error)  # what a gzip file that is cut or damaged raises


logging.getLogger("warcio").propagate = False  # what it says quotes the file, and is said in our words


def record_id(exchange_id: str, kind: str) -> str:
    """Of a record of ours: the same for the same exchange."""
    return f"<urn:uuid:{uuid.uuid5(uuid.UUID(exchange_id), kind)}>"


class _Part(NamedTuple):
    """A request or a response of another program."""

    kind: str
    id: str
    partner: str | None
    date: str
    url: str
    truncated: str | None
    block: bytes


class _Own:
    """An exchange of ours whose metadata was read, and whose bytes come behind it."""

    def __init__(self, facts: Metadata) -> None:
        self.facts = facts
        self.blocks: dict[str, bytes] = {}

    @property
    def is_whole(self) -> bool:
        told = {"request": self.facts.request.bytes, "response": self.facts.response.bytes}
        return all(side in self.blocks for side, size in told.items() if size)

    def exchange(self) -> RecordedExchange:
        return RecordedExchange(self.facts, self.blocks.get("request", b""), self.blocks.get("response", b""))


class WarcReader:
    def __init__(self, source: BinaryIO, tell: Tell) -> None:
        self._source = source
        self._tell = tell
        self._own: _Own | None = None
        self._pending: dict[str, _Part] = {}  # of others, by record id, the oldest first

    def exchanges(self) -> Iterator[RecordedExchange]:
        for record, block in _records(self._source):
            kind = record.rec_type
            field = record.rec_headers.get_header
            if kind == "metadata":
                yield from self._take_metadata(block)
            elif kind in ("request", "response") and (field("Content-Type") or "").startswith("application/http"):
                partner = field("WARC-Concurrent-To")
                date, url = field("WARC-Date") or "", field("WARC-Target-URI") or ""
                truncated = field("WARC-Truncated")
                yield from self._take(_Part(kind, field("WARC-Record-ID") or "", partner, date, url, truncated, block))
        yield from self._leave_own()
        for part in self._pending.values():
            yield from self._made([part])

    def _take_metadata(self, block: bytes) -> Iterator[RecordedExchange]:
        try:
            facts = metadata.decode(block)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # another program's, about something else
        yield from self._leave_own()
        self._own = _Own(facts)
        if self._own.is_whole:
            yield from self._leave_own()

    def _take(self, part: _Part) -> Iterator[RecordedExchange]:
        own = self._own
        if own is not None and part.id == record_id(own.facts.id, part.kind):
            own.blocks[part.kind] = part.block
            if own.is_whole:
                yield from self._leave_own()
            return
        partner = self._partner_of(part)
        if partner is not None:
            yield from self._made([self._pending.pop(partner.id), part])
            return
        self._pending[part.id] = part
        while self._is_full:
            yield from self._made([self._pending.pop(next(iter(self._pending)))])

    @property
    def _is_full(self) -> bool:
        size = sum(len(part.block) for part in self._pending.values())
        return len(self._pending) > PENDING_MAX or size > PENDING_BYTES_MAX

    def _leave_own(self) -> Iterator[RecordedExchange]:
        own, self._own = self._own, None
        if own is None:
            return
        if own.is_whole:
            yield own.exchange()
        else:
            self._tell(f"{own.facts.id}: its bytes do not stand behind its metadata")

    def _partner_of(self, part: _Part) -> _Part | None:
        for other in self._pending.values():
            if other.kind != part.kind and (other.id == part.partner or other.partner == part.id):
                return other
        return None

    def _made(self, parts: list[_Part]) -> Iterator[RecordedExchange]:
        """An exchange of one part or two."""
        by_kind = {part.kind: part for part in parts}
        request, response = by_kind.get("request"), by_kind.get("response")
        if request is None:
            self._tell("a response without its request")
            return
        try:
            yield exchange_of(_kept(request, response))
        except ValueError as error:
            self._tell(str(error))


def _kept(request: _Part, response: _Part | None) -> Kept:
    reason = request.truncated or (response.truncated if response is not None else None)
    problem = f"the WARC file says that it is cut: {reason}" if reason else None
    if response is None:
        problem = "the WARC file holds no response"
    named = response or request
    return Kept(
        "warc",
        names.moment_ns(named.date),
        named.url,
        request.block,
        response.block if response is not None else b"",
        id=_uuid(named.id),
        problem=problem,
    )


def _uuid(name: str) -> str | None:
    """Of a record's id, where it is one."""
    try:
        return str(uuid.UUID(name.removeprefix("<urn:uuid:").removesuffix(">")))
    except ValueError:
        return None


def _records(source: BinaryIO) -> Iterator[tuple[ArcWarcRecord, bytes]]:
    """With their blocks, HTTP heads not looked at."""
    start = source.read(2)
    source.seek(-len(start), 1)
    if not start:
        return
    plain = _Bounded(gzip.GzipFile(fileobj=source) if start == _GZIP else source)
    records = WARCIterator(plain, no_record_parse=True)
    while (record := _next(records)) is not None:
        if record.length is None:
            raise FormatError("a record has no Content-Length")
        block = record.raw_stream.read()
        if len(block) < record.length:
            raise FormatError("it ends inside a record")
        plain.begin_record()
        yield record, block


def _next(records: WARCIterator) -> ArcWarcRecord | None:
    try:
        with redirect_stderr(StringIO()):  # where warcio warns, this raises
            record = next(records, None)
    except ArchiveLoadFailed:
        if not records.err_count:
            raise FormatError("it holds something that is no WARC record") from None
    if records.err_count:
        raise FormatError("a record is not as long as it says")
    return record


class _Bounded:
    """What warcio reads from: as many bytes per record as may be."""

    def __init__(self, source: BinaryIO | gzip.GzipFile) -> None:
        self._source = source
        self._taken = 0
        self._start = b""
        self._start = self.read(len(_START))
        if self._start != _START:
            raise FormatError("it is no WARC file")

    def begin_record(self) -> None:
        self._taken = 0

    def read(self, size: int) -> bytes:
        try:
            data = self._start + self._source.read(size - len(self._start))
        except _BROKEN as error:
            raise FormatError(f"its gzip data is damaged: {error}") from None
        self._start = b""
        self._taken += len(data)
        if self._taken > RECORD_BYTES_MAX:
            raise FormatError(f"a record has more than {RECORD_BYTES_MAX:,} bytes")
        return data
