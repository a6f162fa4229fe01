"""traffic/http1/content.py: what readers get of a stored body, whole, cut anywhere, corrupt, or made to hurt."""

import gzip
import random
import zlib

import brotli  # type: ignore[import-untyped]  # its wheel carries no type information
import pytest
import zstandard

from traffic.http1.content import Dechunked, Decompressed, dechunk, decompress, read_chunked, read_compressed

TEXT = b"".join(b'data: {"i": %d, "x": %d}\n\n' % (i, random.Random(i).getrandbits(64)) for i in range(2000))


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CODED = [
    ("gzip", gzip.compress(TEXT)),
    ("x-gzip", gzip.compress(TEXT)),
    ("GZIP", gzip.compress(TEXT[:5000]) + gzip.compress(TEXT[5000:])),
    ("deflate", zlib.compress(TEXT)),
    ("deflate", raw_deflate(TEXT)),
    ("br", brotli.compress(TEXT)),
    ("zstd", zstandard.compress(TEXT)),
    ("zstd", zstandard.compress(TEXT[:9]) + zstandard.compress(TEXT[9:])),
    ("gzip, br", brotli.compress(gzip.compress(TEXT))),
    ("identity", TEXT),
    ("", TEXT),
]


@pytest.mark.parametrize(("coding", "body"), CODED)
def test_every_coding_gives_the_content_back(coding: str, body: bytes) -> None:
    assert read_compressed(body, coding) == Decompressed(TEXT, None)
    assert decompress(body, coding) == TEXT


@pytest.mark.parametrize(("coding", "body"), CODED[:-2])
def test_a_cut_body_gives_its_beginning_and_says_so(coding: str, body: bytes) -> None:
    for length in (1, 5, len(body) // 3, len(body) - 1):
        found = read_compressed(body[:length], coding)
        assert TEXT.startswith(found.data)
        assert found.problem is None or found.problem.endswith(" data is cut"), found.problem
        assert found.problem is not None or length < len(body) // 2  # a cut between two members cannot be seen


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_streamed_blocks_can_be_read_up_to_the_cut(coding: str) -> None:
    """A server flushes after each event: what was flushed is readable without the rest."""
    packer = {
        "gzip": zlib.compressobj(wbits=31),
        "deflate": zlib.compressobj(),
        "br": brotli.Compressor(),
        "zstd": zstandard.ZstdCompressor().compressobj(),
    }[coding]
    flush = {"gzip": zlib.Z_SYNC_FLUSH, "deflate": zlib.Z_SYNC_FLUSH, "zstd": zstandard.COMPRESSOBJ_FLUSH_BLOCK}
    if coding == "br":
        body = packer.process(TEXT) + packer.flush()
    else:
        body = packer.compress(TEXT) + packer.flush(flush[coding])
    assert read_compressed(body, coding) == Decompressed(TEXT, f"the {coding} data is cut")


@pytest.mark.parametrize(
    ("coding", "problem"),
    [
        ("gzip", "the gzip data is corrupt: Error -3 while decompressing data: incorrect header check"),
        ("br", "the br data is corrupt: brotli: decoder failed"),
        ("zstd", "the zstd data is corrupt: zstd decompressor error: Unknown frame descriptor"),
    ],
)
def test_corrupt_data_is_named(coding: str, problem: str) -> None:
    assert read_compressed(b"garbage garbage", coding) == Decompressed(b"", problem)


def test_an_unknown_coding_leaves_the_body_as_it_is() -> None:
    assert read_compressed(b"abc", "snappy") == Decompressed(b"abc", "unknown content coding 'snappy'")


def test_a_pile_of_codings_is_not_unpacked() -> None:
    assert read_compressed(b"abc", "gzip," * 5) == Decompressed(b"abc", "more than 4 content codings")


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_bomb_is_unpacked_up_to_the_limit_only(coding: str) -> None:
    zeros = bytes(20_000_000)
    bomb = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.compress}[coding](zeros)
    assert read_compressed(bomb, coding, 1_000_000) == Decompressed(
        bytes(1_000_000), "only the first 1000000 bytes were unpacked"
    )


CHUNKED = b"5;ext=1\r\nhello\r\n6 \r\n world\r\n0\r\nX-Sum: 1\r\nX-T: 2\r\n\r\n"


def test_chunks_are_taken_apart_and_trailers_kept_aside() -> None:
    assert read_chunked(CHUNKED) == Dechunked(b"hello world", b"X-Sum: 1\r\nX-T: 2", complete=True)
    assert dechunk(b"1\r\na\r\n0\r\n\r\n") == b"a"


def test_a_cut_chunked_body_gives_its_beginning_wherever_it_is_cut() -> None:
    for length in range(len(CHUNKED)):
        found = read_chunked(CHUNKED[:length])
        assert b"hello world".startswith(found.data)
        assert not found.complete
    assert read_chunked(CHUNKED[:12]).data == b"hel"


def test_what_is_no_chunk_ends_the_reading() -> None:
    assert read_chunked(b"3\r\nabc\r\nzz\r\n") == Dechunked(b"abc", b"", complete=False)
    assert read_chunked(b"3\r\nabcdef\r\n0\r\n\r\n") == Dechunked(b"abc", b"", complete=False)


def packed_by_the_event(coding: str, events: list[bytes]) -> list[bytes]:
    """As a server sends them: each flushed."""
    if coding == "br":
        brotli_packer = brotli.Compressor()
        return [brotli_packer.process(event) + brotli_packer.flush() for event in events] + [brotli_packer.finish()]
    if coding == "zstd":
        zstd, block = zstandard.ZstdCompressor().compressobj(), zstandard.COMPRESSOBJ_FLUSH_BLOCK
        return [zstd.compress(event) + zstd.flush(block) for event in events] + [zstd.flush()]
    packer = zlib.compressobj(wbits=31 if coding == "gzip" else -15)
    return [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in events] + [packer.flush()]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_cut_behind_a_flush_has_its_place_behind_what_was_flushed(coding: str) -> None:
    events = [b"a", b"bb" * 50_000, b"", TEXT, b"c"]
    packed = packed_by_the_event(coding, events)
    body = b"".join(packed)
    cuts = [len(b"".join(packed[:count])) for count in range(len(packed) + 1)]
    places = [len(b"".join(events[:count])) for count in range(len(events) + 1)]
    assert read_compressed(body, coding, cuts=cuts).places == (*places, places[-1])


@pytest.mark.parametrize(("coding", "body"), CODED)
def test_whatever_the_cuts_the_data_are_the_same_and_the_places_are_what_could_be_read_so_far(
    coding: str, body: bytes
) -> None:
    cuts = sorted(random.Random(1).sample(range(len(body)), 50))
    cuts = [0, *cuts, cuts[-1], len(body), len(body)]
    found = read_compressed(body, coding, cuts=cuts)
    assert (found.data, found.problem) == (TEXT, None)
    assert list(found.places) == sorted(found.places)
    assert (found.places[0], found.places[-1]) == (0, len(TEXT))
    for cut, place in zip(cuts, found.places, strict=True):
        assert place == len(read_compressed(body[:cut], coding).data)


def test_cuts_beyond_what_could_be_unpacked_are_at_its_end() -> None:
    body = gzip.compress(bytes(20_000_000))
    assert read_compressed(body, "gzip", 1_000, [0, 5, len(body)]).places == (0, 0, 1_000)
    assert read_compressed(gzip.compress(b"abc"), "gzip", cuts=[0, 1_000, 2**40]).places == (0, 3, 3)
    assert read_compressed(b"garbage", "gzip", cuts=[0, 3, 7]).places == (0, 0, 0)
    assert read_compressed(b"abc", "snappy", cuts=[0, 3]).places == (0, 3)
    assert read_compressed(b"abc", "gzip," * 5, cuts=[0, 3]).places == (0, 3)


def test_a_cut_in_chunks_has_its_place_behind_the_data_before_it() -> None:
    for cut in range(len(CHUNKED) + 1):
        (place,) = read_chunked(CHUNKED, [cut]).places
        assert place == len(read_chunked(CHUNKED[:cut]).data)
    assert read_chunked(CHUNKED, range(9, 12)).places == (0, 1, 2)
    assert read_chunked(CHUNKED, [1_000, 2**40]).places == (11, 11)
    assert read_chunked(b"zz", [0, 2]).places == (0, 0)
