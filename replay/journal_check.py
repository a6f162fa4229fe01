"""Whether everything that recorders put into their journals is stored: the journals in `journal_dir`, and how far the
ingest server's state says that each is stored. Of a journal's frames only the headers are read.

What a running recorder still has to send waits; without one it is a fault. Called by verify.py.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from replay.exchange_check import Fault
from replay.locks import is_locked
from replay.log_folder import BLOCK_BYTES, open_file, read, why
from traffic.capture.frames import HEADER, PAYLOAD_BYTES_MAX
from traffic.capture.names import is_uuid

STATE_BYTES_MAX = 4096

_SEGMENT = re.compile(r"[0-9]{1,20}\.seg").fullmatch


@dataclass(frozen=True, slots=True)
class Journals:
    """`present`: their names; the next start of a recorder ends what is open in them."""

    waiting_bytes: int
    present: frozenset[str]
    faults: tuple[Fault, ...]


def check_journals(journal_dir: Path, log_dir: Path) -> Journals:
    """Raises OSError where `journal_dir` cannot be read; one that is not there holds no journals."""
    if not journal_dir.exists():
        return Journals(0, frozenset(), ())
    is_running = is_locked(journal_dir / "lock")
    waiting_bytes = 0
    present = set()
    faults = []
    for name in sorted(os.listdir(journal_dir)):  # noqa: PTH208 (names are all that is needed)
        folder = journal_dir / name
        if not is_uuid(name) or folder.is_symlink() or not folder.is_dir():
            continue
        present.add(name)
        try:
            missing, torn = _undrained(folder, stored(log_dir, name)[0])
        except OSError as error:
            missing, torn = 0, 0
            faults += [Fault(name, f"the journal {why(error)}")] * (not is_running)  # else: it was just deleted
        waiting_bytes += missing
        if not is_running:
            faults += [Fault(name, problem) for problem in _problems(missing, torn)]
    return Journals(waiting_bytes, frozenset(present), tuple(faults))


def stored(log_dir: Path, journal: str) -> tuple[int, bool]:
    """How far the ingest server has stored a journal, and whether its end was; (0, False) where it knows nothing."""
    with contextlib.suppress(OSError, ValueError):
        offset, _, word = read(str(log_dir / ".ingest" / "journals" / journal), STATE_BYTES_MAX).partition(b" ")
        return int(offset), word.startswith(b"closed")
    return 0, False


def _problems(missing: int, torn: int) -> Iterator[str]:
    if missing:
        yield f"{missing:,} bytes of this journal are not stored, and no recorder is running that would send them"
    if torn:
        yield f"{torn:,} bytes at the end of this journal are no whole frame; the recorder's next start cuts them off"


def _undrained(folder: Path, stored_bytes: int) -> tuple[int, int]:
    """Bytes of whole frames that are not stored, and bytes behind the last whole one."""
    starts = sorted(int(name.removesuffix(".seg")) for name in os.listdir(folder) if _SEGMENT(name))  # noqa: PTH208
    if not starts:
        return 0, 0
    with os.fdopen(open_file(str(folder / f"{starts[-1]:020d}.seg")), "rb", buffering=BLOCK_BYTES) as file:
        size = os.fstat(file.fileno()).st_size
        end = _frames_end(file, size)
    return max(0, starts[-1] + end - max(stored_bytes, starts[0])), size - end


def _frames_end(file: BinaryIO, size: int) -> int:
    end = 0
    while end + HEADER.size <= size:
        _, length, *_ = HEADER.unpack(file.read(HEADER.size))
        if length > PAYLOAD_BYTES_MAX or end + HEADER.size + length > size:
            break
        end += HEADER.size + length
        file.seek(length, os.SEEK_CUR)
    return end
