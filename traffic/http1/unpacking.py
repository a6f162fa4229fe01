"""Takes compression off bytes as they come: gzip, deflate, br and zstd. Without I/O.

Data may come from hostile peers: whatever a few bytes claim to unpack to, an unpacker gives it in pieces of bounded
size, and its caller may stop. Called by content.py for stored bodies, and by what shows answers while they arrive.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import brotli  # type: ignore[import-untyped]  # its wheel carries no type information
import zstandard

_PIECE_BYTES: Final = 65_536  # of unpacked brotli
_WINDOW_BYTES_MAX: Final = 128 * 1024 * 1024  # zstd: larger windows than its own default would cost the reader memory
_ZLIB_INPUT_BYTES: Final = 1_024  # unpacks to 1 MiB at most
_ZSTD_INPUT_BYTES: Final = 64  # unpacks to 2 MiB at most: 4 bytes may stand for a block of 128 KiB


class CorruptError(ValueError):
    """The compressed bytes are none of their coding."""


class Unpacker(Protocol):
    @property
    def is_at_end(self) -> bool:
        """What was fed so far is whole."""
        ...

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What can be read of it and of what came before. Raises CorruptError. The iterator is to be exhausted."""
        ...


class _Member(Protocol):
    """A decompressor of one gzip member, zlib stream or zstd frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _Members:
    """One compressed stream behind the other, in blocks so small that none unpacks to much at once."""

    def __init__(self, new_member: Callable[[], _Member], block_bytes: int) -> None:
        self._new_member = new_member
        self._block_bytes = block_bytes
        self._member: _Member | None = None

    @property
    def is_at_end(self) -> bool:
        return self._member is None

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), self._block_bytes):
            rest = data[start : start + self._block_bytes]
            while rest:
                member = self._member = self._member or self._new_member()
                try:
                    piece = member.decompress(rest)
                except (zlib.error, zstandard.ZstdError) as error:
                    raise CorruptError(str(error)) from error
                rest = b""
                if member.eof:
                    rest, self._member = member.unused_data, None
                if piece:
                    yield piece


class _Deflate:
    """RFC 9110 §8.4.1.2 says zlib; some servers send raw deflate. The first two bytes tell."""

    def __init__(self) -> None:
        self._start = b""
        self._members: _Members | None = None

    @property
    def is_at_end(self) -> bool:
        return not self._start if self._members is None else self._members.is_at_end

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._members is None:
            data = self._start = self._start + data
            if len(data) < 2:
                return
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._members = _zlib(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        yield from self._members.feed(data)


class _Brotli:
    def __init__(self) -> None:
        self._reader = brotli.Decompressor()
        self._is_begun = False

    @property
    def is_at_end(self) -> bool:
        return not self._is_begun or bool(self._reader.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What stands behind the end is passed over."""
        rest, piece = data, b""
        while not self._reader.is_finished() and (rest or piece or not self._reader.can_accept_more_data()):
            self._is_begun = True
            try:
                piece = self._reader.process(rest, output_buffer_limit=_PIECE_BYTES)
            except brotli.error as error:
                raise CorruptError(str(error)) from error
            rest = b""
            if piece:
                yield piece


class _Chain:
    """Several codings: the one that was put on last comes off first."""

    def __init__(self, unpackers: list[Unpacker]) -> None:
        self._unpackers = unpackers

    @property
    def is_at_end(self) -> bool:
        return all(unpacker.is_at_end for unpacker in self._unpackers)

    def feed(self, data: bytes) -> Iterator[bytes]:
        return _through(self._unpackers, data)


def _through(unpackers: list[Unpacker], data: bytes) -> Iterator[bytes]:
    if not unpackers:
        yield data
        return
    for piece in unpackers[0].feed(data):
        yield from _through(unpackers[1:], piece)


def codings_of(content_encoding: str) -> list[str]:
    """Those of a Content-Encoding value that change a body, in their order."""
    codings = [coding.strip().lower() for coding in content_encoding.split(",")]
    return [coding for coding in codings if coding not in {"", "identity"}]


def unpacker_of(content_encoding: str) -> Unpacker:
    """Raises ValueError for a coding that is not known."""
    codings = codings_of(content_encoding)
    unknown = next((coding for coding in codings if coding not in UNPACKERS), None)
    if unknown is not None:
        raise ValueError(f"unknown content coding {unknown!r}")
    return _Chain([UNPACKERS[coding]() for coding in reversed(codings)])


def _zlib(window_bits: int) -> _Members:
    return _Members(lambda: zlib.decompressobj(window_bits), _ZLIB_INPUT_BYTES)


def _gzip() -> Unpacker:
    return _zlib(16 + zlib.MAX_WBITS)


def _zstd() -> Unpacker:
    """By frame objects: zstandard's stream reader ends without a word at a cut."""
    frames = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
    return _Members(frames.decompressobj, _ZSTD_INPUT_BYTES)


UNPACKERS: Final[dict[str, Callable[[], Unpacker]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _zstd,
}
