"""What the recorder tells the ingest server of itself, beside its journal: made in the shipper's thread, for each PUT.

It reads counters that the event loop writes and takes no lock: a figure may be a moment older than the next one.
"""

import contextlib
import os
import shutil
import socket
import time
from importlib.metadata import PackageNotFoundError, version

from traffic.capture import names
from traffic.capture.status import RecorderStatus

from .journal import Journal
from .queue import FrameQueue
from .shipper import Shipper
from .tap import Ledger


class Reporter:
    """`disk_free_bytes`: on the journal's disk, as of the last report; None: not known yet."""

    def __init__(self, port: int, journal: Journal, ledger: Ledger, queue: FrameQueue, shipper: Shipper) -> None:
        self._name = f"{socket.gethostname()}:{port}"
        self._started_at = names.iso(time.time_ns())
        self._version: str | None = None
        self._journal = journal
        self._ledger = ledger
        self._queue = queue
        self._shipper = shipper
        self.disk_free_bytes: int | None = None

    def status(self) -> RecorderStatus:
        if self._version is None:
            self._version = _version()
        with contextlib.suppress(OSError):
            self.disk_free_bytes = shutil.disk_usage(self._journal.folder).free
        ledger, shipper = self._ledger, self._shipper
        return RecorderStatus(
            name=self._name,
            pid=os.getpid(),
            version=self._version,
            started_at=self._started_at,
            journal=self._journal.id,
            begun=ledger.begun,
            finished=ledger.finished,
            dropped=dict(ledger.dropped),
            waiting_bytes=shipper.waiting_bytes,
            oldest_waiting_s=shipper.oldest_waiting_s,
            queue_bytes=self._queue.waiting_bytes,
            problem=self._queue.failure or shipper.failure,
        )


def _version() -> str:
    try:
        return version("llm-flight-recorder")
    except PackageNotFoundError:  # a checkout that is not installed
        return ""
