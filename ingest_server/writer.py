"""The one writer: everything that touches the recordings runs here, in batches, one after the other.

The event loop hands it pieces of work and awaits their results, which come after the batch's files are written, in one
call back per batch. Where a piece fails (disk full) the batch ends, and what is behind it is a batch of its own. What
waits is bounded: WAITING_MAX pieces of at most PIECE_BYTES_MAX bytes. Batches are done in the background; where
BEHIND_BYTES of a journal come at once, because it grows, by the writer's own thread, which gives way to nobody:
recordings must not pile up. Started and stopped by the server.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ingest_server.background import Background
from ingest_server.door import DoorError, HalfTakenError
from ingest_server.store import OffsetMismatchError, Store, TooManyJournalsError
from ingest_server.tally import Event
from traffic.capture.frames import FrameError
from traffic.capture.status import short

PIECE_BYTES_MAX = 1024 * 1024
WAITING_MAX = 64
BEHIND_BYTES = 4 * 1024 * 1024  # about what 1000 streams bring in a second

T = TypeVar("T")
_Work = Callable[[], object]
_Job = tuple[_Work, int, "asyncio.Future[object]"]
_Reply = tuple["asyncio.Future[object]", object, Exception | None]

log = logging.getLogger(__name__)


class Writer:
    def __init__(
        self,
        store: Store,
        publish: Callable[[list[Event]], None],
        conclude: Callable[[list[str]], None],
        *,
        gives_way: bool,
    ) -> None:
        """Called in the event loop: `publish` with what the store tells, `conclude` with stems of final files."""
        self._store = store
        self._publish = publish
        self._conclude = conclude
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(WAITING_MAX)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._background = Background(gives_way=gives_way)
        self._busy_since_s: float | None = None  # since when a batch is at work; None: none is
        self.is_sound = True  # False: memory and disk may differ, start again from the disk
        self.last_error: tuple[str, int] | None = None  # of a batch, and when (wall clock, ns)

    @property
    def waiting(self) -> int:
        """Pieces of work."""
        return self._jobs.qsize()

    @property
    def busy_s(self) -> float:
        """How long the batch at work has taken; 0: none is."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def start(self) -> None:
        self._background.start()
        self._thread.start()

    async def run(self, work: Callable[[], T], at_once: int = 0) -> T:
        """Do `work` in a thread. `at_once`: how many bytes its sender has sent together with this piece.

        Returns or raises what it does, or the OSError that kept the batch from the disk.
        """
        async with self._room:
            future: asyncio.Future[T] = self._loop.create_future()
            self._jobs.put((work, at_once, future))  # type: ignore[arg-type] # the queue does not know T
            return await future

    async def stop(self) -> None:
        """Do what waits, write everything, end the thread."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._work_off()
        finally:
            self._background.stop()

    def _work_off(self) -> None:
        running = True
        while running:
            jobs = self._next_jobs()
            running = None not in jobs
            batch = [job for job in jobs if job is not None]
            gives_way = running and all(at_once < BEHIND_BYTES for _, at_once, _ in batch)
            self._busy_since_s = time.monotonic()
            self._store.turn.begin(offers=gives_way)
            if gives_way:
                self._background.run(partial(self._do, batch))
            else:
                self._do(batch, last=not running)
            self._busy_since_s = None

    def _next_jobs(self) -> list[_Job | None]:
        """All that waits, at least one; [] when a flush is due first."""
        try:
            jobs = [self._jobs.get(timeout=self._store.due_in_s())]
        except queue.Empty:
            return []
        while not self._jobs.empty() and len(jobs) < WAITING_MAX:
            jobs.append(self._jobs.get())
        return jobs

    def _do(self, jobs: list[_Job], *, last: bool = False) -> None:
        replies = self._do_as_many_as_go(jobs, last=last)
        while len(replies) < len(jobs):
            replies += self._do_as_many_as_go(jobs[len(replies) :], last=last)
        events, concluded = self._store.tally.take_events(), self._store.tally.take_concluded()
        if replies or events or concluded:
            self._loop.call_soon_threadsafe(self._deliver, replies, events, concluded)

    def _do_as_many_as_go(self, jobs: list[_Job], *, last: bool) -> list[_Reply]:
        """The replies of all; where one fails, of those up to it, with its error: none of them counts as stored."""
        replies: list[_Reply] = []
        try:
            if not self.is_sound:
                self._store.reset()
                self.is_sound = True
            for work, _, future in jobs:
                replies.append(self._try(work, future))
            self._store.settle(flush=last)
            return replies
        except Exception as error:  # noqa: BLE001 (whatever it is, the thread goes on and the recorder sends again)
            self._note(error)
            return [(future, None, error) for *_, future in jobs[: len(replies) + 1]]

    def _try(self, work: _Work, future: "asyncio.Future[object]") -> _Reply:
        try:
            return future, work(), None
        except (OffsetMismatchError, TooManyJournalsError, FrameError, DoorError, HalfTakenError) as error:
            return future, None, error

    def _note(self, error: Exception) -> None:
        self.is_sound = False
        self._store.tally.write_errors += 1
        self.last_error = short(str(error)), time.time_ns()
        if isinstance(error, OSError):
            log.warning("recordings cannot be written: %s", error)
        else:
            log.error("the writer failed: it goes on from what is stored", exc_info=error)

    def _deliver(self, replies: list[_Reply], events: list[Event], concluded: list[str]) -> None:
        for future, result, error in replies:
            if future.done():  # its request was cancelled
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        if events:
            self._publish(events)
        if concluded:
            self._conclude(concluded)
