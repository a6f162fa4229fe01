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
        self._done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run(self, work: Callable[[], None]) -> None:
        """Returns when it is done, or raises what it raises."""
        self._work.put(work)
        if (error := self._done.get()) is not None:
            raise error

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
            except BaseException as error:  # noqa: BLE001 (the caller's)
                self._done.put(error)
            else:
                self._done.put(None)
