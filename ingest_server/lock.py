"""Keeps a second ingest server away from a `log_dir`: two would write over each other.

The system lifts the lock when the process ends, however it ends.
"""

import os
import sys
from pathlib import Path


class FolderInUseError(OSError):
    """Another process holds the folder."""


class FolderLock:
    def __init__(self, log_dir: Path) -> None:
        """Takes the lock; raises FolderInUseError, or OSError where the folder cannot be written."""
        state = log_dir / ".ingest"
        log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.mkdir(mode=0o700, exist_ok=True)
        self._descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise FolderInUseError(
                f"{log_dir} is in use by another ingest server: stop that one, or set another ingest.log_dir"
            ) from error

    def release(self) -> None:
        os.close(self._descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
