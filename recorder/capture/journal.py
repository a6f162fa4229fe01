"""The journal: what the recorder has taken in and the ingest server has not yet stored, as append-only files.

    journal_dir/lock                    held by the one recorder that uses the folder
    journal_dir/<uuid>/<offset>.seg     segments of one journal; the name is the offset of the segment's first byte

Each start of a recorder opens a journal of its own; those left behind by earlier runs are closed (`recover`), shipped
and deleted. A frame never lies across two segments, so a torn tail is found by reading the last segment alone. One
thread appends, another reads and deletes; `end` is published only when the bytes are in the file.
"""

import contextlib
import errno
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from traffic.capture.events import Gap, encode
from traffic.capture.frames import FrameDecoder, FrameError, Kind, encode_frame, find_frame, frame_end
from traffic.capture.names import is_uuid

SEGMENT_BYTES = 32 * 1024 * 1024
MARK_INTERVAL_S = 1.0
MARKS_MAX = 1000
_BUFFERS_MAX = 1024  # IOV_MAX on Linux and macOS


class JournalLockedError(OSError):
    """Another process uses the folder."""


class JournalFolder:
    """`journal_dir`: its lock and the journals in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.fdopen(os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600), "ab")
        try:
            _lock_file(self._lock)
        except OSError as error:
            self._lock.close()
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            raise JournalLockedError(
                f"{root} is in use by another recorder: stop that one, or set another capture.journal_dir"
            ) from error

    def left_behind(self, live: "Journal") -> list["Journal"]:
        """Journals of earlier runs, oldest first, not yet recovered."""
        folders = [
            path for path in self.root.iterdir() if path.is_dir() and is_uuid(path.name) and path.name != live.id
        ]
        return [Journal(path) for path in sorted(folders, key=lambda path: path.stat().st_mtime_ns)]

    def new(self) -> "Journal":
        folder = self.root / str(uuid.uuid4())
        folder.mkdir(mode=0o700)
        return Journal(folder)

    def close(self) -> None:
        self._lock.close()


class Journal:
    """One journal. Offsets count its bytes from 0, over all segments."""

    def __init__(self, folder: Path) -> None:
        self.id = folder.name
        self.folder = folder
        self._segments = sorted(int(path.stem) for path in folder.glob("*.seg"))
        self._file: BinaryIO | None = None
        self._unsynced: list[BinaryIO] = []  # earlier segments
        self.keeps_unsynced = False  # someone calls `sync`, which wants the earlier segments' files too; may change
        self._changed = threading.Condition()
        self._end = self._file_end()
        self._stored = 0  # what lies below it is with the ingest server
        self._marks = self._left_behind_marks()  # (offset, since when the bytes behind it are here), oldest first
        self._torn_bytes = 0  # cut off by recover, and not yet counted in a gap record
        self.is_closed = False

    @property
    def end(self) -> int:
        return self._end

    @property
    def oldest(self) -> int:
        """Offset of the oldest byte that is still there."""
        return self._segments[0] if self._segments else self._end

    @property
    def bytes_on_disk(self) -> int:
        return self._end - self.oldest

    @property
    def unstored_bytes(self) -> int:
        """What the ingest server has not stored yet; up to a segment more may be on disk."""
        return self._end - max(self.oldest, self._stored)

    @property
    def oldest_unstored_s(self) -> float | None:
        """How long the oldest byte has been here that is not stored yet, to about a second; None: all is stored."""
        if not self.unstored_bytes:
            return None
        begun = max(self.oldest, self._stored)
        since_s = max((at_s for offset, at_s in list(self._marks) if offset <= begun), default=time.monotonic())
        return time.monotonic() - since_s

    def append(self, buffers: Sequence[bytes]) -> None:
        """Write whole frames behind the end, all or nothing; raises OSError, and may then be called again."""
        if self._file is None or self._end - self._segments[-1] >= SEGMENT_BYTES:
            self._open_segment(self._end)
        assert self._file is not None
        self._file.seek(self._end - self._segments[-1])  # over what a failed append left
        written = 0
        for start in range(0, len(buffers), _BUFFERS_MAX):
            written += _write_all(self._file, buffers[start : start + _BUFFERS_MAX])
        self._mark()
        with self._changed:
            self._end += written
            self._changed.notify_all()

    def sync(self) -> None:
        """Bring what was appended to the disk itself; may run beside `append`."""
        with self._changed:
            written, self._unsynced = self._unsynced, []
            if self._file is not None:
                written.append(os.fdopen(os.dup(self._file.fileno()), "wb", buffering=0))
        with contextlib.ExitStack() as closing:
            for file in written:
                closing.enter_context(file)
            for file in written:
                os.fsync(file.fileno())

    def close(self, reason: str, at: int | None = None) -> None:
        """Append the CLOSED frame, at offset `at` where the ingest server is ahead of a journal that lost its tail.

        A torn tail that was cut off is counted in a gap record before it.
        """
        try:
            if not self.is_closed:
                if at is not None and at > self._end:
                    self._end = at
                    self._open_segment(at)
                torn = Gap(0, 0, 0, self._torn_bytes, "journal_torn")
                gap = encode_frame(Kind.GAP, 0, 0, 0, [encode(torn)]) if self._torn_bytes else []
                self.append(gap + encode_frame(Kind.CLOSED, 0, 0, 0, [reason.encode()]))
                self.is_closed, self._torn_bytes = True, 0
        finally:
            with self._changed:
                self._close_unsynced()
                if self._file is not None:
                    self._file.close()
                self._file = None
            self.wake()

    def recover(self) -> None:
        """Cut a torn tail off a journal that was left behind, and learn whether it was closed.

        The tail begins behind the last whole frame; damaged ones before it stay, for the shipper to skip and count.
        """
        if not self._segments:
            return
        start = self._segments[-1]
        data = self._path(start).read_bytes()
        end, last_kind = 0, 0
        while (following := find_frame(data, end)) >= 0:
            decoder = FrameDecoder()
            with contextlib.suppress(FrameError):
                for frame in decoder.feed(data[following:]):
                    last_kind = frame.kind
            end = following + decoder.consumed
        self._torn_bytes = len(data) - end
        os.truncate(self._path(start), end)
        self._end = start + end
        self.is_closed = last_kind == Kind.CLOSED

    def wait_beyond(self, offset: int, timeout_s: float) -> int:
        """Wait until there are bytes behind `offset`; returns how many there are, 0 after the timeout or a wake()."""
        with self._changed:
            if self._end <= offset:
                self._changed.wait(timeout_s)
            return max(0, self._end - offset)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def open_at(self, offset: int) -> tuple[BinaryIO, int, int]:
        """The segment file that holds `offset`, the position in it, and how many bytes it holds from there on."""
        place = max(i for i, start in enumerate(self._segments) if start <= offset)
        start = self._segments[place]
        behind = self._segments[place + 1] if place + 1 < len(self._segments) else self._end
        return self._path(start).open("rb"), offset - start, behind - offset

    def behind_damage(self, offset: int) -> int:
        """Where whole frames begin again behind the damaged one at `offset`: at the next segment at the latest."""
        file, position, held = self.open_at(offset)
        with file:
            file.seek(position)
            data = file.read(held)
        following = find_frame(data, max(0, frame_end(data, 0)))  # a whole one that is refused has a malformed payload
        return offset + (following if following > 0 else held)

    def delete_below(self, offset: int) -> None:
        """What lies below `offset` is stored: delete the whole segments there, never the one being written."""
        self._stored = min(offset, self._end)
        while len(self._marks) > 1 and self._marks[1][0] <= self._stored:
            self._marks.popleft()
        while len(self._segments) > 1 and self._segments[1] <= offset:
            self._path(self._segments[0]).unlink(missing_ok=True)
            del self._segments[0]

    def delete(self) -> None:
        """Remove the whole journal: everything in it is stored."""
        for start in self._segments:
            self._path(start).unlink(missing_ok=True)
        self.folder.rmdir()
        self._segments = []

    def _mark(self) -> None:
        """Note when the byte at `end` came; about once a second, so that a long outage costs no memory."""
        now_s = time.monotonic()
        if not self._marks or now_s - self._marks[-1][1] >= MARK_INTERVAL_S:
            if len(self._marks) == MARKS_MAX:
                self._marks = deque(list(self._marks)[::2])
            self._marks.append((self._end, now_s))

    def _left_behind_marks(self) -> "deque[tuple[int, float]]":
        """The oldest segment's bytes are no younger than its last change."""
        if not self._segments:
            return deque()
        age_s = max(0.0, time.time() - self._path(self._segments[0]).stat().st_mtime)
        return deque([(self._segments[0], time.monotonic() - age_s)])

    def _open_segment(self, offset: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(self._path(offset), flags, 0o600), "wb", buffering=0)
        with self._changed:
            if self._file is not None:
                self._unsynced.append(self._file)
            if not self.keeps_unsynced:
                self._close_unsynced()
            self._file = file
        if offset not in self._segments:
            self._segments.append(offset)

    def _close_unsynced(self) -> None:
        for file in self._unsynced:
            file.close()
        self._unsynced = []

    def _path(self, start: int) -> Path:
        return self.folder / f"{start:020d}.seg"

    def _file_end(self) -> int:
        return self._segments[-1] + self._path(self._segments[-1]).stat().st_size if self._segments else 0


def _write_all(file: BinaryIO, buffers: Sequence[bytes]) -> int:
    total = sum(map(len, buffers))
    written = os.writev(file.fileno(), buffers) if hasattr(os, "writev") else 0
    if written < total:  # a short write, or a system without writev
        rest = memoryview(b"".join(buffers))[written:]
        while rest:
            rest = rest[file.write(rest) :]
    return total


def _lock_file(file: BinaryIO) -> None:
    if os.name == "nt":
        import msvcrt  # noqa: PLC0415 exists on Windows alone

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl  # noqa: PLC0415 exists on POSIX alone

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
