"""What a stored body says once its framing and its compression are taken off: for readers, never on the data path.

Recordings may be cut anywhere and may come from hostile peers. So both functions return as much as can be read, tell
what kept them from reading on, and never return more than a limit, whatever a small body claims to unpack to.
Called by the tools that show recordings and by the decoders of LLM dialects.
"""

import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import brotli  # type: ignore[import-untyped]  # its wheel carries no type information
import zstandard

CONTENT_BYTES_MAX = 256 * 1024 * 1024
_PIECE_BYTES = 65_536  # of unpacked brotli
_WINDOW_BYTES_MAX = 128 * 1024 * 1024  # zstd: larger windows than its own default would cost the reader memory
_ZLIB_INPUT_BYTES = 1_024  # unpacks to 1 MiB at most
_ZSTD_INPUT_BYTES = 64  # unpacks to 2 MiB at most: 4 bytes may stand for a block of 128 KiB
_CODINGS_MAX = 4  # `Content-Encoding: gzip, gzip, gzip, ...` is no content, but an attack

_SIZE_LINE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


@dataclass(frozen=True, slots=True)
class Dechunked:
    data: bytes
    trailers: bytes  # the trailer section's lines, without the empty one that ends it
    complete: bool  # the last chunk and the end of the trailer section are there


@dataclass(frozen=True, slots=True)
class Decompressed:
    data: bytes
    problem: str | None  # None: all of it was read


class _Member(Protocol):
    """A decompressor of one gzip member, zlib stream or zstd frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _CorruptError(ValueError):
    """The compressed bytes are none of their coding."""


def read_chunked(body: bytes) -> Dechunked:
    """Take RFC 9112 §7.1's chunks apart, up to the first byte that is none."""
    pieces: list[bytes] = []
    position = 0
    while (line := _SIZE_LINE.match(body, position)) is not None:
        position, size = line.end(), int(line[1], 16)
        if not size:
            return _with_trailers(b"".join(pieces), body[position:])
        pieces.append(body[position : position + size])
        position += size
        if body.startswith(b"\r\n", position):
            position += 2
        else:
            break
    return Dechunked(b"".join(pieces), b"", complete=False)


def _with_trailers(data: bytes, section: bytes) -> Dechunked:
    if section.startswith(b"\r\n"):
        return Dechunked(data, b"", complete=True)
    lines, end, _ = section.partition(b"\r\n\r\n")
    return Dechunked(data, lines, complete=bool(end))


def dechunk(body: bytes) -> bytes:
    """The data of a chunked body, without its trailers."""
    return read_chunked(body).data


def read_compressed(body: bytes, content_encoding: str, bytes_max: int = CONTENT_BYTES_MAX) -> Decompressed:
    """Undo the codings of a Content-Encoding value, the last one first. An unknown one is left as it is."""
    codings = [coding.strip().lower() for coding in content_encoding.split(",")]
    codings = [coding for coding in codings if coding not in {"", "identity"}]
    if len(codings) > _CODINGS_MAX:
        return Decompressed(body, f"more than {_CODINGS_MAX} content codings")
    problems: list[str] = []
    for coding in reversed(codings):
        reader = _READERS.get(coding)
        if reader is None:
            problems.append(f"unknown content coding {coding!r}")
            break
        body, problem = _bounded(reader(body), coding, bytes_max)
        if problem is not None:
            problems.append(problem)
    return Decompressed(body, "; ".join(problems) or None)


def decompress(body: bytes, content_encoding: str) -> bytes:
    """As much as can be read of a compressed body: gzip, deflate (zlib or raw), br, zstd."""
    return read_compressed(body, content_encoding).data


def _bounded(pieces: Iterator[bytes], coding: str, bytes_max: int) -> tuple[bytes, str | None]:
    """Collect what a reader yields; its last piece is empty where the compressed data came to its end."""
    out = bytearray()
    piece = b"-"
    try:
        for piece in pieces:
            out += piece
            if len(out) > bytes_max:
                return bytes(out[:bytes_max]), f"only the first {bytes_max} bytes were unpacked"
    except _CorruptError as error:
        return bytes(out), f"the {coding} data is corrupt: {error}"
    return bytes(out), None if not piece else f"the {coding} data is cut"


def _gzip(body: bytes) -> Iterator[bytes]:
    return _members(body, lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), _ZLIB_INPUT_BYTES)


def _deflate(body: bytes) -> Iterator[bytes]:
    """RFC 9110 §8.4.1.2 says zlib; some servers send raw deflate."""
    is_zlib = len(body) < 2 or (body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0)
    return _members(body, lambda: zlib.decompressobj(zlib.MAX_WBITS * (1 if is_zlib else -1)), _ZLIB_INPUT_BYTES)


def _zstd(body: bytes) -> Iterator[bytes]:
    """By frame objects: zstandard's stream reader ends without a word at a cut."""
    frames = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
    return _members(body, frames.decompressobj, _ZSTD_INPUT_BYTES)


def _members(body: bytes, new_member: Callable[[], "_Member"], input_bytes: int) -> Iterator[bytes]:
    """One compressed stream behind the other, in blocks so small that none unpacks to much at once."""
    source = io.BytesIO(body)
    while source.tell() < len(body):
        member = new_member()
        while not member.eof and (block := source.read(input_bytes)):
            try:
                piece = member.decompress(block)
            except (zlib.error, zstandard.ZstdError) as error:
                raise _CorruptError(str(error)) from error
            if piece:
                yield piece
        if not member.eof:
            return
        source.seek(-len(member.unused_data), io.SEEK_CUR)
    yield b""


def _brotli(body: bytes) -> Iterator[bytes]:
    if not body:
        yield b""
        return
    reader = brotli.Decompressor()
    rest = body
    while not reader.is_finished():
        try:
            piece = reader.process(rest, output_buffer_limit=_PIECE_BYTES)
        except brotli.error as error:
            raise _CorruptError(str(error)) from error
        rest = b""
        if not piece and reader.can_accept_more_data() and not reader.is_finished():
            return
        if piece:
            yield piece
    yield b""


_READERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
