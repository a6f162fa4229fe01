"""A bundle: a zip of recordings as they are in a `log_dir`, and pages that show them in any browser, offline.

    index.html            the list, with a search
    pages/STEM.html       each exchange as a person reads it
    recordings/STEM_*     its three files; this folder is a `log_dir`

The same recordings make the same bytes. What is read may come from anybody, and may be any zip of a `log_dir`: nothing
is unpacked under the names that it holds, and what is too large, double or leads out of it is refused.
"""

import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final

import msgspec

from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.export.foreign import FormatError, Tell, refuse
from traffic.export.formats import LeftOut
from traffic.export.page import Links, exchange_page, list_page, list_row
from traffic.llm.decode import Decoder

BODY_BYTES_MAX: Final = 1024 * 1024 * 1024  # of each `.bin`, which is in memory as a whole

_FOLDER: Final = "recordings/"
_ROWS_BYTES: Final = 1024 * 1024  # of the list while it grows; more go to a temporary file
_Moment = tuple[int, int, int, int, int, int]
_NO_MOMENT: Final[_Moment] = (1980, 1, 1, 0, 0, 0)
_leads_out = re.compile(r"(?:\A|[/\\])\.\.(?:[/\\]|\Z)|\A[/\\]|\A[A-Za-z]:").search
# What zipfile raises of a zip that is cut, changed or encrypted.
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)


def write(exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder) -> LeftOut:
    """Returns how many it left out, and why."""
    count, moment, left_out = 0, _NO_MOMENT, Counter[str]()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, SpooledTemporaryFile(_ROWS_BYTES) as rows:
        for exchange in exchanges:
            try:
                stem = _free_stem(archive, exchange.metadata)
            except ValueError as error:
                left_out[str(error)] += 1
                continue
            count, moment = count + 1, _moment(stem)
            rows.write(_write_exchange(archive, stem, exchange, decoder).encode())
        rows.seek(0)
        with archive.open(_entry("index.html", moment), "w", force_zip64=True) as page:
            for piece in list_page((row.decode() for row in rows), count):
                page.write(piece.encode())
    return left_out


def read(source: BinaryIO, tell: Tell = refuse) -> Iterator[RecordedExchange]:
    """Oldest first. Raises FormatError; `tell` gets what is wrong with a single exchange, which is then passed over."""
    try:
        archive = zipfile.ZipFile(source)
    except _DAMAGED as error:
        raise FormatError(f"it is no zip that can be read: {error}") from None
    with archive:
        for stem, parts in sorted(_sets(archive).items(), key=lambda item: item[0][-32:]):
            try:
                yield _exchange(archive, parts)
            except FormatError as error:
                tell(f"{stem}: {error}")


def _write_exchange(archive: zipfile.ZipFile, stem: str, exchange: RecordedExchange, decoder: Decoder) -> str:
    """Its row in the list."""
    facts, moment = exchange.metadata, _moment(stem)
    decoded = decoder.decode(exchange)
    files = (exchange.request, exchange.response, metadata.encode(facts))
    for part, data in zip(names.PARTS, files, strict=True):
        archive.writestr(_entry(f"{_FOLDER}{stem}{part}", moment), data)
    href = f"pages/{stem}.html"
    links = Links("../index.html", tuple(f"../{_FOLDER}{stem}{part}" for part in names.PARTS))
    archive.writestr(_entry(href, moment), "".join(exchange_page(exchange, decoded, links)))
    return list_row(facts, decoded.call if decoded is not None else None, href)


def _free_stem(archive: zipfile.ZipFile, facts: Metadata) -> str:
    """As a `log_dir` would name it. Raises ValueError."""
    started_ns = names.moment_ns(facts.started_at)
    for digits in (names.short_id(facts.id), *names.other_digits(facts.id)):
        stem = names.stem(started_ns, digits)
        if f"{_FOLDER}{stem}{names.METADATA}" not in archive.NameToInfo:
            return stem
    raise ValueError("every name for it is taken")


def _moment(stem: str) -> _Moment:
    """Of an exchange's start, in the years that a zip can tell."""
    year, month, day, hour, minute, second = map(int, re.findall("[0-9]+", stem)[:6])
    return min(max(year, 1980), 2107), month, day, hour, minute, second


def _entry(name: str, moment: _Moment) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, moment)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, wherever it is made
    entry.external_attr = 0o600 << 16
    return entry


def _sets(archive: zipfile.ZipFile) -> dict[str, dict[str, zipfile.ZipInfo]]:
    """The files of each exchange, by the path that they share."""
    sets: dict[str, dict[str, zipfile.ZipInfo]] = {}
    packed_bytes = 0
    for entry in archive.infolist():
        if _leads_out(entry.filename):
            raise FormatError(f"it holds the name {entry.filename[:200]!r}, which leads out of it")
        packed_bytes += entry.compress_size
        folder, _, name = entry.filename.rpartition("/")
        split = names.split(name)
        if split is not None:
            parts = sets.setdefault(f"{folder}/{split[0]}" if folder else split[0], {})
            if split[1] in parts:
                raise FormatError(f"it holds {entry.filename} twice")
            parts[split[1]] = entry
    if packed_bytes > archive.start_dir:
        raise FormatError("its files lie over each other, as in a zip that is made to fill disks")
    return sets


def _exchange(archive: zipfile.ZipFile, parts: dict[str, zipfile.ZipInfo]) -> RecordedExchange:
    missing = [part[1:] for part in names.PARTS if part not in parts]
    if missing:
        raise FormatError(f"its {' and its '.join(missing)} is not there")
    try:
        facts = metadata.decode(_content(archive, parts[names.METADATA], metadata.BYTES_MAX))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"its metadata is not valid: {error}") from None
    request = _content(archive, parts[names.REQUEST], BODY_BYTES_MAX)
    return RecordedExchange(facts, request, _content(archive, parts[names.RESPONSE], BODY_BYTES_MAX))


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, bytes_max: int) -> bytes:
    """A zip's reader gives no more than the size that the entry tells."""
    if entry.file_size > bytes_max:
        raise FormatError(f"its {entry.filename[-12:]} has more than {bytes_max:,} bytes")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FormatError("it is packed in a way that is not read: only stored and deflated files are")
    try:
        return archive.read(entry)
    except _DAMAGED as error:
        raise FormatError(f"it cannot be unpacked: {error}") from None
