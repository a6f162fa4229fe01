"""The files under `log_dir`: names them, makes them, never overwrites one of another exchange.

Layout: the recordings in `log_dir` itself (flat) or in a folder per UTC day (daily); the server's own state in
`log_dir/.ingest`. Files are 0600, folders 0700; `log_dir` may be a symbolic link, nothing below it is written through
one. Single-threaded; every OSError is the caller's. Paths are text: making Path objects would cost as much as a system
call.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from traffic.capture import names

Data = bytes | bytearray | memoryview

_WRITE = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_CREATE = _WRITE | os.O_CREAT | os.O_EXCL
_EMPTY = _WRITE | os.O_CREAT | os.O_TRUNC
_EXTEND = _WRITE | os.O_CREAT
_INSIDE = _WRITE
_REGULAR = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_APPEND = _EXTEND | os.O_APPEND
_READ_BYTES = 1024 * 1024


class _Owner(msgspec.Struct):
    id: str


_owner = msgspec.json.Decoder(_Owner).decode


class Files:
    def __init__(self, log_dir: Path, *, daily: bool) -> None:
        self.root = f"{log_dir}{os.sep}"
        self.state = f"{self.root}.ingest{os.sep}"
        self._temporary = f"{self.state}new.tmp"
        self._daily = daily
        self._day = ""  # the last folder known to exist

    def prepare(self) -> None:
        """Make the folders that are missing; remove what a killed server was about to put in place."""
        self._day = ""
        os.makedirs(self.root, mode=0o700, exist_ok=True)  # noqa: PTH103 (text paths, see above)
        for folder in (f"{self.root}.ingest", f"{self.state}journals", f"{self.state}open", f"{self.state}door"):
            make_folder(folder)
        remove(self._temporary)

    def prepare_for(self, stem: str) -> None:
        """Make the folder of recordings that exist, or did."""
        folder = os.path.dirname(stem)  # noqa: PTH120
        if folder:
            make_folder(self.root + folder)

    def create(self, started_ns: int, exchange_id: str, request: Data, response: Data) -> tuple[str, bool]:
        """Make both `.bin` files; returns their stem below `log_dir`, and False where a crash had left them behind.

        Then metadata may be there that tells of more than these bytes: describe() comes next, then cut_behind().
        """
        for stem in self.stems(started_ns, exchange_id):
            path = self.root + stem
            if _write_both_new(path, request, response):
                return stem, True
            if self._owns(path, exchange_id):
                write_start(path + names.REQUEST, request)  # a full disk takes what it has already
                write_start(path + names.RESPONSE, response)
                return stem, False
        raise FileExistsError(f"every name for exchange {exchange_id} in {self.root} is taken")

    def describe(self, stem: str, metadata: bytes, *, fresh: bool) -> None:
        """Write the metadata file; replaces an older one of the same exchange in one step where not `fresh`."""
        path = self.root + stem + names.METADATA
        if fresh:
            write_new(path, metadata)
            return
        self.put_in_place(path, metadata)

    def cut_behind(self, stem: str, request_bytes: int, response_bytes: int) -> None:
        """Drop what an earlier attempt left behind that much of both."""
        cut(f"{self.root}{stem}{names.REQUEST}", request_bytes)
        cut(f"{self.root}{stem}{names.RESPONSE}", response_bytes)

    def put_in_place(self, path: str, data: Data) -> None:
        """Replace a file in one step: a crash leaves the old one or the new one."""
        write_over(self._temporary, data)
        os.replace(self._temporary, path)  # noqa: PTH105

    def stems(self, started_ns: int, exchange_id: str) -> Iterator[str]:
        """What the exchange's files may be called, best first; makes the folder of its day."""
        yield self._stem(started_ns, names.short_id(exchange_id))
        for digits in names.other_digits(exchange_id):
            yield self._stem(started_ns, digits)

    def _stem(self, started_ns: int, digits: str) -> str:
        stem = names.stem(started_ns, digits)
        if not self._daily:
            return stem
        day = names.day(started_ns)
        if day != self._day:
            make_folder(self.root + day)
            self._day = day
        return f"{day}{os.sep}{stem}"

    def _owns(self, path: str, exchange_id: str) -> bool:
        """Whether files under that name are leftovers of this exchange, or of one that never got its metadata."""
        try:
            return _owner(read(path + names.METADATA)).id == exchange_id
        except (FileNotFoundError, msgspec.DecodeError):
            return True


def _write_both_new(path: str, request: Data, response: Data) -> bool:
    """False, and neither is made, where there is one already."""
    try:
        write_new(path + names.REQUEST, request)
    except FileExistsError:
        return False
    try:
        write_new(path + names.RESPONSE, response)
    except FileExistsError:
        remove(path + names.REQUEST)
        return False
    return True


def write_new(path: str, data: Data) -> None:
    """Raises FileExistsError rather than touch an existing file."""
    _write_and_close(os.open(path, _CREATE, 0o600), data)


def write_over(path: str, data: Data) -> None:
    _write_and_close(os.open(path, _EMPTY, 0o600), data)


def append(path: str, data: Data) -> None:
    _write_and_close(os.open(path, _APPEND, 0o600), data)


def write_start(path: str, data: Data) -> None:
    """Put `data` at the start, without ever showing an empty file; what stands behind it stays."""
    _write_and_close(os.open(path, _EXTEND, 0o600), data)


def write_at(path: str, offset: int, data: Data) -> None:
    """Put `data` at `offset`, whatever stood there. A file that someone has removed is not made again, with a hole."""
    descriptor = os.open(path, _INSIDE)
    if offset:
        os.lseek(descriptor, offset, os.SEEK_SET)
    _write_and_close(descriptor, data)


def read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def open_regular(path: str) -> BinaryIO:
    """A file that anybody may have put there; raises ValueError or OSError where it is none."""
    file = open(os.open(path, _REGULAR), "rb")  # noqa: PTH123, SIM115 (the caller closes it)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ValueError(f"{path} is no regular file")
    return file


def read_regular(path: str, size_max: int) -> bytes:
    """Of a file that anybody may have put there; raises ValueError where it is larger, OSError where it is no file."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > size_max:
            raise ValueError(f"{path} has more than {size_max} bytes")
        return file.read(size_max)


def read_head(path: str, size: int) -> bytes:
    """At most the first `size` bytes."""
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(size)


def read_in_blocks(path: str, end: int) -> Iterator[bytes]:
    """The first `end` bytes of a file, or what there is of them."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        while end > 0 and (block := file.read(min(_READ_BYTES, end))):
            end -= len(block)
            yield block


def cut(path: str, end: int) -> int:
    """Drop what stands behind `end`; returns the size then, which is less than `end` where bytes are missing."""
    try:
        descriptor = os.open(path, _INSIDE)
    except FileNotFoundError:
        return 0
    try:
        size = os.fstat(descriptor).st_size
        if size > end:
            os.ftruncate(descriptor, end)
        return min(size, end)
    finally:
        os.close(descriptor)


def make_folder(path: str) -> None:
    """Whose parent exists; one that is there already is fine, a link is not."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode=0o700)  # noqa: PTH102
    if os.path.islink(path):  # noqa: PTH114
        raise NotADirectoryError(errno.ENOTDIR, "is a symbolic link, and not a folder of the ingest server's own", path)


def remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108


def _write_and_close(descriptor: int, data: Data) -> None:
    try:
        written = os.write(descriptor, data)
        while written < len(data):  # only a full disk or a huge block gets here
            written += os.write(descriptor, memoryview(data)[written:])
    finally:
        os.close(descriptor)
