"""What a stored body says once its framing and its compression are taken off: for readers, never on the data path.

Recordings may be cut anywhere and may come from hostile peers. So both functions return as much as can be read, tell
what kept them from reading on, and never return more than a limit, whatever a small body claims to unpack to. `cuts`
are rising offsets in the body; their `places` in the data tell how much of it could be read from the bytes before.
Called by the tools that show recordings and by the decoders of LLM dialects.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .unpacking import UNPACKERS, CorruptError, codings_of

CONTENT_BYTES_MAX = 256 * 1024 * 1024
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
    codings = codings_of(content_encoding)
    if len(codings) > _CODINGS_MAX:
        return Decompressed(body, f"more than {_CODINGS_MAX} content codings", tuple(cuts))
    problems: list[str] = []
    for coding in reversed(codings):
        if coding not in UNPACKERS:
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
    unpacker = UNPACKERS[coding]()
    out = bytearray()
    places: list[int] = []
    position = 0
    problem: str | None = None
    try:
        for cut in (*cuts, len(body)):
            _add(out, unpacker.feed(body[position:cut]), bytes_max)
            places.append(len(out))
            position = max(position, cut)
    except _TooMuchError:
        del out[bytes_max:]
        problem = f"only the first {bytes_max} bytes were unpacked"
    except CorruptError as error:
        problem = f"the {coding} data is corrupt: {error}"
    else:
        problem = None if unpacker.is_at_end else f"the {coding} data is cut"
    places += [len(out)] * (len(cuts) - len(places))
    return Decompressed(bytes(out), problem, tuple(places[: len(cuts)]))


class _TooMuchError(Exception):
    """It unpacks to more than is wanted."""


def _add(out: bytearray, pieces: Iterator[bytes], bytes_max: int) -> None:
    for piece in pieces:
        out += piece
        if len(out) > bytes_max:
            raise _TooMuchError
