"""Notes on the disk which exchange is being read, and ends this process where that takes too long.

A body that no reader copes with may end the process, by the system's hand or by the alarm set here; then the note tells
the next process. An exchange that has ended ATTEMPTS_MAX processes is passed over. The note's file also keeps a second
indexer waiting until the first one has ended. Called for each exchange that is read; `interruption` bounds the time of
what may be stopped without ending the process, as observers.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ATTEMPTS_MAX = 2
EXCHANGE_S = 60.0  # beyond what the largest body takes, on a busy machine
_SLOT_BYTES = 128
_SLOTS = 16  # the first one: what is being read; the others: what ended earlier processes
_EMPTY = b"".ljust(_SLOT_BYTES)


class Attempts:
    def __init__(self, path: str, decoder: str) -> None:
        """Waits until no other process has the file; raises OSError. Only this decoder counts."""
        self._decoder = decoder
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        _wait_for_lock(self._descriptor)
        self._left = self._notes(os.read(self._descriptor, _SLOTS * _SLOT_BYTES))
        self._keep()

    def are_spent(self, stem: str) -> bool:
        return self._left.get(stem, 0) >= ATTEMPTS_MAX

    @contextmanager
    def at(self, stem: str) -> Iterator[None]:
        """While it is read."""
        self._write(self._slot(stem, self._left.get(stem, 0) + 1))
        try:
            with _time_limit():
                yield
        finally:
            self._write(_EMPTY)
            if self._left.pop(stem, 0):
                self._keep()

    def _keep(self) -> None:
        slots = [self._slot(*note) for note in self._left.items()]
        self._write(b"".join([_EMPTY, *slots, *[_EMPTY] * _SLOTS][:_SLOTS]))

    def _write(self, text: bytes) -> None:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, text)

    def _slot(self, stem: str, count: int) -> bytes:
        return f"{count}\t{stem}\t{self._decoder}".encode().ljust(_SLOT_BYTES)

    def _notes(self, data: bytes) -> dict[str, int]:
        """How often each stem has ended a process; the last one first, once more than another slot may say."""
        found: dict[str, int] = {}
        for start in range(0, len(data), _SLOT_BYTES):
            fields = data[start : start + _SLOT_BYTES].decode("utf-8", "replace").strip().split("\t")
            if len(fields) == 3 and fields[2] == self._decoder and fields[0].isdigit():
                found.setdefault(fields[1], int(fields[0]))
        return found


@contextmanager
def interruption(error: type[BaseException]) -> Iterator[None]:
    """In what takes longer than EXCHANGE_S the error is raised; as long again, and the process ends."""
    _raise_at_alarm(error)
    try:
        with _time_limit():
            yield
    finally:
        _end_at_alarm()


@contextmanager
def _time_limit() -> Iterator[None]:
    """What takes longer than EXCHANGE_S ends the process."""
    _set_alarm(EXCHANGE_S)
    try:
        yield
    finally:
        _set_alarm(0)


if sys.platform == "win32":
    import msvcrt

    def _wait_for_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

    def _set_alarm(_duration_s: float) -> None:
        """There is none: an exchange may take as long as it does."""

    def _raise_at_alarm(_error: type[BaseException]) -> None: ...

    def _end_at_alarm() -> None: ...
else:
    import fcntl

    def _wait_for_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _set_alarm(duration_s: float) -> None:
        """What it does by default, end the process, works inside a regular expression, too."""
        signal.setitimer(signal.ITIMER_REAL, duration_s, duration_s)

    def _raise_at_alarm(error: type[BaseException]) -> None:
        """At the first one."""

        def interrupt(_signal: int, _frame: object) -> None:
            _end_at_alarm()
            raise error

        signal.signal(signal.SIGALRM, interrupt)

    def _end_at_alarm() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
