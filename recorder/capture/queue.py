"""The way of frames from the event loop into the journal, and of forwarded bytes past it.

    durability    frames are written              forwarded bytes leave
    batched       by a thread, each <= 5 ms or    at once
                  256 KiB; a stalling disk never
                  reaches the event loop
    write_ahead   by the event loop, once per     once the frames are in the journal's file
                  iteration

Frames that the journal cannot take (disk full, I/O error) stay in the queue and are tried again: a failing disk is a
queue that does not drain. `drops` and `blocks` tell who brings bytes to throw them away, or to stop reading until it is
called back:

    blocks    more than BUSY_BYTES wait for a disk that writes them: transfers go at its speed
              the queue or the journal is full, under `when_full: block`
    drops     the queue or the journal is full, under `when_full: drop`; a disk that stalls comes to that
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from recorder.settings import Capture
from traffic.capture.frames import HEADER, encode_frame

from .journal import Journal

FLUSH_INTERVAL_S = 0.005
FLUSH_BYTES = 256 * 1024
BUSY_BYTES = 8 * 1024 * 1024
STALL_S = 0.5  # a disk that has written nothing for so long holds no transfer up
RETRY_INTERVAL_S = 0.2
FSYNC_INTERVAL_S = 1.0

_HEADER_BYTES = HEADER.size
_FRAME_BYTES = 256  # of memory for a frame that waits, beside its pieces' bytes: CPython's tuples, numbers and headers

log = logging.getLogger(__name__)

Frame = tuple[int, int, int, int, Sequence[bytes]]  # the arguments of encode_frame


class Pausable(Protocol):
    """A connection that can stop reading while the queue is full."""

    def resume_after_full_queue(self) -> None: ...


class FrameQueue:
    """`bytes_max`: of frames in memory; may be changed at any time."""

    def __init__(
        self,
        settings: Capture,
        journal: Journal,
        other_journals_bytes: Callable[[], int],
        bytes_max: int = 32 * 1024 * 1024,
    ) -> None:
        self.bytes_max = bytes_max
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._journal = journal
        self._other_journals_bytes = other_journals_bytes
        self._writes_ahead = settings.durability == "write_ahead"
        self._frames: list[Frame] = []
        self._bytes = 0  # in _frames
        self._handed_bytes = 0  # with the writer thread
        self._handed: deque[list[Frame]] = deque()
        self._timer: asyncio.Handle | None = None
        self._deferred: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self._waiting: list[Pausable] = []
        self._synced_at = 0.0
        self._syncing: asyncio.Future[None] | None = None
        self._room_timer: asyncio.TimerHandle | None = None
        self._progress_s = 0.0  # when the writer last wrote, or had little to write
        self.drops: str | None = None  # the reason, as in a Gap
        self.blocks = False
        self.failure: str | None = None  # why the journal takes nothing at the moment
        self._batches: queue.SimpleQueue[list[Frame] | None] = queue.SimpleQueue()
        journal.keeps_unsynced = settings.fsync == "interval"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def configure(self, settings: Capture, bytes_max: int) -> None:
        """From now on, `durability` apart."""
        self._settings = settings
        self._journal.keeps_unsynced = settings.fsync == "interval"
        self.bytes_max = bytes_max

    @property
    def waiting_bytes(self) -> int:
        return self._bytes + self._handed_bytes

    def put(self, frame: Frame, size: int) -> None:
        """Queue a frame whose pieces have `size` bytes together."""
        if not self._bytes and not self._handed_bytes:
            self._progress_s = time.monotonic()
        self._frames.append(frame)
        self._bytes += _HEADER_BYTES + size
        if self._bytes + self._handed_bytes > BUSY_BYTES:
            self._look_for_room()
        if self._timer is None:
            if self._writes_ahead:
                self._timer = self._loop.call_soon(self._write_now)
            else:
                self._timer = self._loop.call_later(FLUSH_INTERVAL_S, self._hand_over)
        elif self._bytes >= FLUSH_BYTES and not self._writes_ahead:
            self._timer.cancel()
            self._hand_over()

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Forward bytes: `forward` for the case that matters."""
        if self._writes_ahead:
            self.forward(_write_if_open, transport, data)
        elif not transport.is_closing():
            transport.write(data)

    def forward(self, action: Callable[..., Any], *args: Any) -> None:
        """Do a transport's write, write_eof or close now, or once the frames put before it are in the journal."""
        if self._deferred or (self._writes_ahead and not self.failure and self._frames):
            self._deferred.append((action, args))
        else:
            action(*args)

    def resume_later(self, connection: Pausable) -> None:
        """Remember a connection that paused because of `blocks`."""
        self._waiting.append(connection)

    @property
    def is_stuck(self) -> bool:
        """After `stop`: whether the thread is still inside the journal, so that nobody else may write there."""
        return self._thread.is_alive()

    async def stop(self, deadline_s: float) -> list[Frame]:
        """Write what is left; returns the frames that could not be written in time."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writes_ahead and self._frames:
            self._write_now()
            if self._timer is not None:
                self._timer.cancel()
        if self._syncing is not None:
            await asyncio.wait([self._syncing], timeout=deadline_s)
        self._hand_over()
        self._batches.put(None)
        await self._loop.run_in_executor(None, self._thread.join, deadline_s)
        self._stopping.set()
        await self._loop.run_in_executor(None, self._thread.join, RETRY_INTERVAL_S)
        if self._room_timer is not None:
            self._room_timer.cancel()
        return [frame for frames in self._handed for frame in frames]

    # --- batched: the writer thread

    def _hand_over(self) -> None:
        self._timer = None
        self._look_for_room()
        self._handed_bytes += self._bytes
        self._bytes = 0
        if self._frames:
            self._handed.append(self._frames)
            self._batches.put(self._frames)
            self._frames = []

    def _run(self) -> None:
        while (frames := self._batches.get()) is not None:
            buffers = [buffer for frame in frames for buffer in encode_frame(*frame)]
            if not self._append_until_done(buffers):
                return
            self._sync_if_due()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody counts any more
                self._loop.call_soon_threadsafe(self._written, sum(map(len, buffers)))

    def _append_until_done(self, buffers: list[bytes]) -> bool:
        """False: the stop's deadline came first."""
        while not self._stopping.is_set():
            try:
                self._journal.append(buffers)
            except OSError as error:
                self._note_failure(error)
                self._stopping.wait(RETRY_INTERVAL_S)
            else:
                self.failure = None
                return True
        return False

    def _written(self, count: int) -> None:
        self._handed_bytes -= count
        self._handed.popleft()
        self._progress_s = time.monotonic()
        self._look_for_room()

    # --- write_ahead: the event loop

    def _write_now(self) -> None:
        self._timer = None
        frames, self._frames = self._frames, []
        try:
            self._journal.append([buffer for frame in frames for buffer in encode_frame(*frame)])
        except OSError as error:
            self._note_failure(error)
            self._frames = frames
            self._timer = self._loop.call_later(RETRY_INTERVAL_S, self._write_now)
        else:
            self.failure = None
            self._bytes = 0
            self._sync_if_due()
        self._look_for_room()
        self._flush_deferred()

    def _flush_deferred(self) -> None:
        deferred, self._deferred = self._deferred, []
        for action, args in deferred:
            try:
                action(*args)
            except (OSError, RuntimeError):  # that transport is gone; the others' bytes go on
                log.debug("a connection was closed before its bytes left", exc_info=True)

    # --- both

    def _look_for_room(self) -> None:
        waiting, now_s = self._bytes + self._handed_bytes, time.monotonic()
        if waiting <= BUSY_BYTES:
            self._progress_s = now_s
        is_busy = waiting > BUSY_BYTES and not self.failure and now_s - self._progress_s < STALL_S
        on_disk = self._journal.unstored_bytes + self._other_journals_bytes()
        full = None
        if waiting + _FRAME_BYTES * (len(self._frames) + sum(map(len, self._handed))) > self.bytes_max:
            full = "queue_full"
        elif waiting + on_disk > self._settings.journal_bytes_max:
            full = "journal_full"
        if full and self.failure:
            full = "journal_failed"
        self.drops = full if self._settings.when_full == "drop" else None
        self.blocks = self.drops is None and (is_busy or full is not None)
        if self._room_timer is not None:
            self._room_timer.cancel()
            self._room_timer = None
        if self.drops or self.blocks:  # nothing may be put any more that would make anyone look again
            self._room_timer = self._loop.call_later(RETRY_INTERVAL_S, self._look_for_room)
        if self._waiting and not self.blocks:  # in a turn of its own: those that go on put frames of theirs
            self._loop.call_soon(self._resume_waiting)

    def _note_failure(self, error: OSError) -> None:
        if self.failure is None:
            log.error("the journal cannot be written: %s; recordings wait in memory and are tried again", error)
        self.failure = str(error)

    def _sync_if_due(self) -> None:
        if self._settings.fsync == "off" or time.monotonic() - self._synced_at < FSYNC_INTERVAL_S:
            return
        self._synced_at = time.monotonic()
        if not self._writes_ahead:
            self._sync()
        elif self._syncing is None or self._syncing.done():  # a disk takes its time, which the event loop has not
            self._syncing = self._loop.run_in_executor(None, self._sync)

    def _sync(self) -> None:
        try:
            self._journal.sync()
        except OSError as error:
            self._note_failure(error)

    def _resume_waiting(self) -> None:
        if self.blocks:
            return
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.resume_after_full_queue()


def _write_if_open(transport: asyncio.WriteTransport, data: bytes) -> None:
    if not transport.is_closing():
        transport.write(data)
