"""A thread that gives way: it writes with low priority, so that the recorder on the same processor comes first.

A batch takes the writer milliseconds, and the system's scheduler shares a processor fairly: without this, the tokens of
1000 streams on one core wait for each batch, the longer the slower the disk is. Only Linux knows priorities of threads;
elsewhere this one is like any other. Called by the writer.
"""

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable

NICENESS = 10  # about a tenth of a processor that others want whole


class Background:
    """`gives_way`: for a process of its own; a thread that waits must not hold up an event loop that forwards."""

    def __init__(self, *, gives_way: bool) -> None:
        self._gives_way = gives_way
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._done = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run(self, work: Callable[[], None]) -> None:
        """Returns when it is done; `work` raises nothing."""
        self._work.put(work)
        self._done.acquire()

    def stop(self) -> None:
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        if self._gives_way and sys.platform == "linux":
            with contextlib.suppress(OSError):
                os.nice(NICENESS)  # of this thread alone, on Linux
        while (work := self._work.get()) is not None:
            try:
                work()
            finally:
                self._done.release()
