"""Retention: a thread that looks at the recordings each minute and deletes those beyond the limits, gradually.

It works beside the writer, on the disk alone (selection.py says why that is safe, deletion.py how a recording
goes). It holds nobody up: it rests after each thousand names and each few deletions, and spends at most a twentieth of
a processor. An error of the disk ends a pass; the next one goes on. Started and stopped by the server.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ingest_server import deletion
from ingest_server.selection import CHUNK, Selection
from ingest_server.settings import Retention
from traffic.capture import names

PASS_S = 60.0
REST_FACTOR = 20  # a pass that took a second of processor time is followed by that many seconds of rest
SCAN_REST_S = 0.005
DELETIONS_PER_S = 250  # exchanges: faster, and the file system makes new files more slowly

log = logging.getLogger(__name__)


class _StoppedError(Exception):
    """The server stops in the middle of a pass."""


class Sweeper:
    """`policy` may be replaced while it runs."""

    def __init__(self, log_dir: Path, policy: Retention, tell: Callable[[list[str]], object]) -> None:
        """`tell` is called in its thread with the stems of what has been deleted, a few at a time."""
        self.policy = policy
        self._log_dir = log_dir
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends within milliseconds, between two deletions."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        rest_s = 0.0
        while not self._stop.wait(rest_s):
            began_s = time.thread_time()
            try:
                self._sweep()
            except _StoppedError:
                return
            except OSError as error:
                log.warning("old recordings cannot be deleted: %s", error)
            rest_s = max(PASS_S, REST_FACTOR * (time.thread_time() - began_s))

    def _sweep(self) -> None:
        root = f"{self._log_dir}{os.sep}"
        selection = Selection(self._log_dir, self.policy, lambda: self._rest(SCAN_REST_S))
        count = freed_bytes = 0
        deleted: list[str] = []
        try:
            for count, victim in enumerate(selection.victims(time.time()), 1):
                if deletion.delete(root, victim.stem):
                    freed_bytes += victim.bytes
                    deleted.append(victim.stem)
                if count % CHUNK == 0:
                    self._tell(deleted)
                    deleted = []
                    self._rest(CHUNK / DELETIONS_PER_S)
        finally:
            self._tell(deleted)
        if count:
            deletion.remove_empty_days(root, names.day(time.time_ns() - 86_400 * 10**9))
            log.info("deleted %d old recordings, %d bytes", count, freed_bytes)

    def _rest(self, duration_s: float) -> None:
        if self._stop.wait(duration_s):
            raise _StoppedError
