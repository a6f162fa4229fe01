"""A piece of a stream has the time of the network read that completed it, whatever lies between it and the file."""

import itertools
import zlib

import brotli  # type: ignore[import-untyped]  # its wheel carries no type information
import pytest
import zstandard

from tests.traffic.llm.example import CODINGS
from traffic.capture.metadata import thin
from traffic.capture.recording import read_recording
from traffic.llm.events import Marks, sse_events
from traffic.llm.timeline import content_marks

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
EVENTS = [b"data: %d %b\n\n" % (number, b"\xc3\xa9" * number) for number in range(40)]


def marks(raw: bytes, arrivals: list[tuple[int, float]]) -> Marks:
    return content_marks(read_recording(raw), arrivals)


def times(raw: bytes, arrivals: list[tuple[int, float]]) -> list[float | None]:
    return [event.at_ms for event in sse_events(read_recording(raw).content, marks(raw, arrivals))]


def packed(coding: str) -> list[bytes]:
    """Each event as a server sends it: flushed."""
    if coding == "br":
        brotli_packer = brotli.Compressor()
        return [brotli_packer.process(event) + brotli_packer.flush() for event in EVENTS]
    if coding == "zstd":
        zstd_packer = zstandard.ZstdCompressor().compressobj()
        return [zstd_packer.compress(event) + zstd_packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for event in EVENTS]
    if coding in ("gzip", "deflate"):
        packer = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
        return [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in EVENTS]
    return EVENTS


@pytest.mark.parametrize("is_chunked", [True, False])
@pytest.mark.parametrize("coding", CODINGS)
def test_an_event_has_the_time_of_the_read_that_brought_its_end(coding: str, is_chunked: bool) -> None:
    """Each event comes in three reads: its first byte, the rest, and, where there are chunks, the end of its chunk."""
    raw = HEAD + (b"Transfer-Encoding: chunked\r\n" if is_chunked else b"")
    raw += b"Content-Encoding: %b\r\n\r\n" % coding.encode() if coding else b"\r\n"
    arrivals = [(0, 0.0)]
    for number, piece in enumerate(packed(coding), 1):
        line, end = (b"%x\r\n" % len(piece), b"\r\n") if is_chunked else (b"", b"")
        for at, part in ((0.1, line + piece[:1]), (0.2, piece[1:]), (0.3, end)):
            if part:
                arrivals.append((len(raw), number + at))
                raw += part
    assert times(raw, arrivals) == [number + 0.2 for number in range(1, len(EVENTS) + 1)]


def test_the_same_bytes_in_one_read_have_one_time() -> None:
    raw = HEAD + b"\r\n" + b"".join(EVENTS)
    assert set(times(raw, [(0, 7.0)])) == {7.0}


def test_what_came_with_the_end_of_the_head_has_its_time() -> None:
    raw = b"HTTP/1.1 103 Early\r\n\r\n" + HEAD + b"\r\n" + b"".join(EVENTS)
    start = raw.index(EVENTS[0])
    assert marks(raw, [(0, 1.0), (start - 5, 2.0), (start + 3, 3.0)]) == [(0, 1.0), (0, 2.0), (3, 3.0)]
    assert times(raw, [(0, 1.0), (start - 5, 2.0), (start + len(EVENTS[0]), 3.0)])[:2] == [2.0, 3.0]


def test_two_codings_are_looked_through() -> None:
    pieces = packed("gzip")
    outer = zlib.compressobj()
    raw, arrivals = HEAD + b"Content-Encoding: gzip, deflate\r\n\r\n", []
    for number, piece in enumerate(pieces):
        arrivals.append((len(raw), float(number)))
        raw += outer.compress(piece) + outer.flush(zlib.Z_SYNC_FLUSH)
    assert times(raw, arrivals) == list(range(len(EVENTS)))


def test_of_thinned_arrivals_the_newest_are_exact_and_none_is_in_the_future() -> None:
    raw = HEAD + b"\r\n"
    start = len(raw)
    events = [b"data: %d\n\n" % number for number in range(70_000)]
    offsets = itertools.accumulate(map(len, events[:-1]), initial=start)
    exact = [(offset, number * 1_000) for number, offset in enumerate(offsets)]
    thinned = list(exact)
    thin(thinned)
    assert len(thinned) < len(exact)
    found = times(raw + b"".join(events), [(offset, at_us / 1000) for offset, at_us in thinned])
    assert all(at is not None and number - 2 <= at <= number for number, at in enumerate(found))
    assert found[-30_000:] == list(range(40_000, 70_000))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        HEAD,
        b"nonsense\r\n\r\n" + b"data: 1\n\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Content-Encoding: gzip\r\n\r\nno gzip",
        HEAD + b"Content-Encoding: snappy\r\n\r\ndata: 1\n\n",
        HEAD + b"Content-Length: 3\r\n\r\n",
    ],
)
def test_what_cannot_be_read_has_marks_within_what_is_there(raw: bytes) -> None:
    arrivals = [(offset, float(offset)) for offset in range(0, len(raw) + 1, 3)]
    content = read_recording(raw).content
    found = marks(raw, arrivals)
    assert found == sorted(found)
    assert all(place == 0 for place, _ in found) or content


def test_without_arrivals_there_are_no_times() -> None:
    assert times(HEAD + b"\r\n" + EVENTS[0], []) == [None]
