"""What a stored body says once its framing and its compression are taken off: for readers, never on the data path.

Recordings may be cut anywhere and may come from hostile peers. So both functions return as much as can be read, tell
what kept them from reading on, and never return more than a limit, whatever a small body claims to unpack to. `cuts`
are rising offsets in the body; their `places` in the data tell how much of it could be read from the bytes before.
Called by the tools that show recordings and by the decoders of LLM dialects.
"""

import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import brotli  # type: ignore[import-untyped]  # its wheel carries no type information
import zstandard

CONTENT_BYTES_MAX = 256 * 1024 * 1024
_PIECE_BYTES = 65_536  # of unpacked brotli, and as its input
_WINDOW_BYTES_MAX = 128 * 1024 * 1024  # zstd: larger windows than its own default would cost the reader memory
_ZLIB_INPUT_BYTES = 1_024  # unpacks to 1 MiB at most
_ZSTD_INPUT_BYTES = 64  # unpacks to 2 MiB at most: 4 bytes may stand for a block of 128 KiB
_CHUNKS_MAX = 2_000_000  # answers come in a chunk a token: this many, each with its own cost, are an attack
_CODINGS_MAX = 4  # `Content-Encoding: gzip, gzip, gzip, ...` is no content, but an attack

_SIZE_LINE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


@dataclass(frozen=True, slots=True)
class Dechunked:
    data: bytes
    trailers: bytes  # the trailer section's lines, without the empty one that ends it
    complete: bool  # the last chunk and the end of the trailer section are there
    places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Decompressed:
    data: bytes
    problem: str | None  # None: all of it was read
    places: tuple[int, ...] = ()


class _Member(Protocol):
    """A decompressor of one gzip member, zlib stream or zstd frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _CorruptError(ValueError):
    """The compressed bytes are none of their coding."""


def read_chunked(body: bytes, cuts: Sequence[int] = ()) -> Dechunked:
    """Take RFC 9112 §7.1's chunks apart, up to the first byte that is none."""
    pieces: list[bytes] = []
    starts: list[int] = []  # of the pieces in the body
    position = 0
    trailers, complete = b"", False
    while len(pieces) < _CHUNKS_MAX and (line := _SIZE_LINE.match(body, position)) is not None:
        position, size = line.end(), int(line[1], 16)
        if not size:
            trailers, complete = _trailers(body[position:])
            break
        starts.append(position)
        pieces.append(body[position : position + size])
        position += size
        if not body.startswith(b"\r\n", position):
            break
        position += 2
    return Dechunked(b"".join(pieces), trailers, complete, tuple(_places(cuts, starts, pieces)) if cuts else ())


def _trailers(section: bytes) -> tuple[bytes, bool]:
    if section.startswith(b"\r\n"):
        return b"", True
    lines, end, _ = section.partition(b"\r\n\r\n")
    return lines, bool(end)


def _places(cuts: Sequence[int], starts: list[int], pieces: list[bytes]) -> Iterator[int]:
    """How much of the pieces lies before each cut."""
    before = [0]
    for piece in pieces:
        before.append(before[-1] + len(piece))
    for cut in cuts:
        chunk = bisect_right(starts, cut) - 1
        yield min(before[chunk] + cut - starts[chunk], before[chunk + 1]) if chunk >= 0 else 0


def dechunk(body: bytes) -> bytes:
    """The data of a chunked body, without its trailers."""
    return read_chunked(body).data


def read_compressed(
    body: bytes, content_encoding: str, bytes_max: int = CONTENT_BYTES_MAX, cuts: Sequence[int] = ()
) -> Decompressed:
    """Undo the codings of a Content-Encoding value, the last one first. An unknown one is left as it is."""
    codings = [coding.strip().lower() for coding in content_encoding.split(",")]
    codings = [coding for coding in codings if coding not in {"", "identity"}]
    if len(codings) > _CODINGS_MAX:
        return Decompressed(body, f"more than {_CODINGS_MAX} content codings", tuple(cuts))
    problems: list[str] = []
    for coding in reversed(codings):
        if coding not in _READERS:
            problems.append(f"unknown content coding {coding!r}")
            break
        unpacked = _unpack(body, coding, bytes_max, cuts)
        body, cuts = unpacked.data, unpacked.places
        if unpacked.problem is not None:
            problems.append(unpacked.problem)
    return Decompressed(body, "; ".join(problems) or None, tuple(cuts))


def decompress(body: bytes, content_encoding: str) -> bytes:
    """As much as can be read of a compressed body: gzip, deflate (zlib or raw), br, zstd."""
    return read_compressed(body, content_encoding).data


def _unpack(body: bytes, coding: str, bytes_max: int, cuts: Sequence[int]) -> Decompressed:
    """Collect what a reader yields; its last piece is empty where the compressed data came to its end."""
    read, block_bytes = _READERS[coding]
    out = bytearray()
    places: list[int] = []

    def blocks() -> Iterator[bytes]:
        """A reader asks for the next one when it has given all that it could make of those before."""
        position = 0
        for cut in (*cuts, len(body)):
            end = min(cut, len(body))
            while position < end:
                block = body[position : min(position + block_bytes, end)]
                position += len(block)
                yield block
            places.append(len(out))

    piece, problem = b"-", None
    try:
        for piece in read(blocks(), body[:2]):
            out += piece
            if len(out) > bytes_max:
                del out[bytes_max:]
                problem = f"only the first {bytes_max} bytes were unpacked"
                break
    except _CorruptError as error:
        problem = f"the {coding} data is corrupt: {error}"
    else:
        if piece and problem is None:
            problem = f"the {coding} data is cut"
    places += [len(out)] * (len(cuts) - len(places))
    return Decompressed(bytes(out), problem, tuple(places[: len(cuts)]))


def _gzip(blocks: Iterator[bytes], _start: bytes) -> Iterator[bytes]:
    return _members(blocks, lambda: zlib.decompressobj(16 + zlib.MAX_WBITS))


def _deflate(blocks: Iterator[bytes], start: bytes) -> Iterator[bytes]:
    """RFC 9110 §8.4.1.2 says zlib; some servers send raw deflate."""
    is_zlib = len(start) < 2 or (start[0] & 0x0F == 8 and int.from_bytes(start, "big") % 31 == 0)
    return _members(blocks, lambda: zlib.decompressobj(zlib.MAX_WBITS * (1 if is_zlib else -1)))


def _zstd(blocks: Iterator[bytes], _start: bytes) -> Iterator[bytes]:
    """By frame objects: zstandard's stream reader ends without a word at a cut."""
    frames = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
    return _members(blocks, frames.decompressobj)


def _members(blocks: Iterator[bytes], new_member: Callable[[], "_Member"]) -> Iterator[bytes]:
    """One compressed stream behind the other, in blocks so small that none unpacks to much at once."""
    member: _Member | None = None
    for block in blocks:
        rest = block
        while rest:
            member = member or new_member()
            try:
                piece = member.decompress(rest)
            except (zlib.error, zstandard.ZstdError) as error:
                raise _CorruptError(str(error)) from error
            if piece:
                yield piece
            rest = b""
            if member.eof:
                rest, member = member.unused_data, None
    if member is None:
        yield b""


def _brotli(blocks: Iterator[bytes], start: bytes) -> Iterator[bytes]:
    reader = brotli.Decompressor()
    for block in blocks:
        rest, piece = block, b""
        while rest or piece or not reader.can_accept_more_data():
            try:
                piece = reader.process(rest, output_buffer_limit=_PIECE_BYTES)
            except brotli.error as error:
                raise _CorruptError(str(error)) from error
            rest = b""
            if piece:
                yield piece
            if reader.is_finished():
                yield b""
                return
    if not start:
        yield b""


# And how much of the input each is given at once.
_READERS: dict[str, tuple[Callable[[Iterator[bytes], bytes], Iterator[bytes]], int]] = {
    "gzip": (_gzip, _ZLIB_INPUT_BYTES),
    "x-gzip": (_gzip, _ZLIB_INPUT_BYTES),
    "deflate": (_deflate, _ZLIB_INPUT_BYTES),
    "br": (_brotli, _PIECE_BYTES),
    "zstd": (_zstd, _ZSTD_INPUT_BYTES),
}
