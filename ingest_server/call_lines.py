"""Prints a line per call on stdout (`logging.metrics`): from a thread of its own, because stdout may be slow.

What waits is bounded; lines beyond are left out. A line goes out by one write and is as short as the indexer makes it
(index/call_line.py), so that a pipe takes it in one piece: lines of several processes do not mix. Called by indexer.py.
"""

import contextlib
import logging
import os
import queue
import threading

WAITING_MAX = 10_000
END_S = 1.0  # for what waits at the end
_STDOUT = 1

log = logging.getLogger(__name__)


class CallLines:
    def __init__(self) -> None:
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING_MAX)
        self._left_out = 0
        self._thread: threading.Thread | None = None

    def put(self, lines: list[bytes]) -> None:
        """Each with its line end."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="call lines", daemon=True)
            self._thread.start()
        for line in lines:
            try:
                self._waiting.put_nowait(line)
            except queue.Full:
                if not self._left_out:
                    log.warning("stdout is too slow for a line per call: some are left out")
                self._left_out += 1

    def end(self) -> None:
        """Blocks for END_S at most, where stdout takes nothing."""
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._thread.join(END_S)
            self._thread = None

    def _run(self) -> None:
        while (line := self._waiting.get()) is not None:
            with contextlib.suppress(OSError):  # nobody reads any more
                os.write(_STDOUT, line)
