"""What lies in a `log_dir`, flat or by day: the sets of files, what does not belong there, and safe ways to read them.

A recording may have been changed by anybody: nothing but regular files is opened, no link is followed, and no file is
read into memory beyond a limit. Called by verify.py.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from traffic.capture import names

BLOCK_BYTES = 1024 * 1024

_KNOWN = ("gaps.ndjson", "README.md")
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class UnsafeFileError(OSError):
    """No regular file: a link, a folder, a pipe or a device. Or a file larger than may be read."""


@dataclass(slots=True)
class Listing:
    """`stems` are relative to the folder, oldest first; `strangers` are other names, with what is wrong."""

    stems: list[str] = field(default_factory=list)
    strangers: list[tuple[str, str]] = field(default_factory=list)


def list_folder(log_dir: Path, since_ns: int | None) -> Listing:
    """Raises OSError where the folder itself cannot be read. About 150 bytes of memory per exchange."""
    since = "" if since_ns is None else names.stem(since_ns, "")
    listing = Listing()
    stems: set[str] = set()
    for prefix, entry in _entries(log_dir, since[:10], listing):
        split = names.split(entry.name)
        if split is None or (prefix and not split[0].startswith(prefix[:-1])):
            listing.strangers.append((text(prefix + entry.name), "no recording has such a name"))
        elif split[0] >= since:
            stems.add(prefix + split[0])
    listing.stems = sorted(stems, key=lambda stem: stem[-32:])
    return listing


def _entries(log_dir: Path, since_day: str, listing: Listing) -> "Iterator[tuple[str, os.DirEntry[str]]]":
    """Everything that should be a file of a recording, with the folder that holds it."""
    with os.scandir(log_dir) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _KNOWN:
                continue
            if not names.is_day(entry.name):
                yield "", entry
            elif not entry.is_dir(follow_symlinks=False):
                listing.strangers.append((entry.name, "a day's folder is expected there"))
            elif entry.name >= since_day:
                yield from _day_entries(entry, listing)


def _day_entries(day: "os.DirEntry[str]", listing: Listing) -> "Iterator[tuple[str, os.DirEntry[str]]]":
    try:
        with os.scandir(day) as entries:
            yield from ((f"{day.name}{os.sep}", each) for each in entries)
    except OSError as error:
        if not isinstance(error, FileNotFoundError):  # it was empty, and has gone
            listing.strangers.append((day.name, why(error)))


def being_deleted(log_dir: Path) -> frozenset[str]:
    """Stems, without folders, of recordings that retention is deleting, or was: the next pass removes their rest."""
    try:
        return frozenset(
            path.name.removesuffix(names.METADATA) for path in (log_dir / ".ingest" / "deleting").iterdir()
        )
    except OSError:
        return frozenset()


def open_file(path: str) -> int:
    """A descriptor of a regular file; raises UnsafeFileError for anything else, FileNotFoundError, OSError."""
    if os.path.islink(path):  # noqa: PTH114 (for systems without O_NOFOLLOW)
        raise UnsafeFileError("is a symbolic link, which is not followed")
    descriptor = os.open(path, _OPEN)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsafeFileError("is not a regular file")
    return descriptor


def blocks(path: str) -> Iterator[bytes]:
    descriptor = open_file(path)
    try:
        while block := os.read(descriptor, BLOCK_BYTES):
            yield block
    finally:
        os.close(descriptor)


def read(path: str, size_max: int) -> bytes:
    """The whole file; raises UnsafeFileError where it is larger."""
    data = bytearray()
    for block in blocks(path):
        data += block
        if len(data) > size_max:
            raise UnsafeFileError(f"has more than {size_max:,} bytes, which is not read")
    return bytes(data)


def text(name: str) -> str:
    """A file's name as text that can be printed and encoded, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def why(error: OSError) -> str:
    """What to say of a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return "is missing"
    if isinstance(error, UnsafeFileError):
        return str(error)
    return f"cannot be read: {error.strerror or error}"
