"""traffic/http1/unpacking.py: compression taken off while the bytes come. For stored bodies see test_content.py."""

import gzip
import zlib

import brotli  # type: ignore[import-untyped]  # its wheel carries no type information
import pytest
import zstandard

from traffic.http1.unpacking import CorruptError, unpacker_of

TEXT = b"The quick brown fox. " * 500
RAW_DEFLATE = zlib.compressobj(wbits=-15)
CODED = [
    ("", TEXT),
    ("identity", TEXT),
    ("gzip", gzip.compress(TEXT, mtime=0)),
    ("x-gzip", gzip.compress(TEXT[:1000], mtime=0) + gzip.compress(TEXT[1000:], mtime=0)),
    ("deflate", zlib.compress(TEXT)),
    ("Deflate", RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush()),
    ("br", brotli.compress(TEXT)),
    ("zstd", zstandard.compress(TEXT)),
    ("gzip, br", brotli.compress(gzip.compress(TEXT, mtime=0))),
]


@pytest.mark.parametrize(("coding", "body"), CODED)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_pieces_of_any_size_give_the_whole_and_its_end_is_known(coding: str, body: bytes, size: int) -> None:
    unpacker = unpacker_of(coding)
    assert unpacker.is_at_end
    found = b""
    for start in range(0, len(body), size):
        found += b"".join(unpacker.feed(body[start : start + size]))
        assert TEXT.startswith(found)
    assert found == TEXT
    assert unpacker.is_at_end
    if coding not in ("", "identity"):
        cut = unpacker_of(coding)
        assert TEXT.startswith(b"".join(cut.feed(body[:-1])))
        assert not cut.is_at_end


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_what_is_no_such_coding_is_corrupt(coding: str) -> None:
    with pytest.raises(CorruptError):
        list(unpacker_of(coding).feed(b"garbage garbage"))


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_no_piece_of_a_bomb_is_large(coding: str) -> None:
    bomb = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.compress}[coding](bytes(20_000_000))
    assert max(map(len, unpacker_of(coding).feed(bomb))) <= 2 * 1024 * 1024


def test_an_unknown_coding_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^unknown content coding 'snappy'$"):
        unpacker_of("gzip, snappy")
