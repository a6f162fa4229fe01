"""Reads what a recorder left in its `log_dir`, from the outside: counts records, awaits open ones, hashes files.

Knows the file names and the metadata's fields as `docs/format.md` has them, and nothing of the code that writes them.
Called by the cases.
"""

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.plan import Figures

ERROR_PREFIX = "ended_by_"
SUFFIX = "_metadata.json"
_DRAIN_TIMEOUT_S = 180.0
_POLL_S = 0.25


@dataclass(slots=True)
class Recordings:
    """The records found, by state; `open_names` have neither been completed nor ended with an error yet."""

    complete: int = 0
    errors: Counter[str] = field(default_factory=Counter)  # records that ended incomplete, by their error's name
    open_names: set[str] = field(default_factory=set)

    @property
    def incomplete(self) -> int:
        return self.errors.total() + len(self.open_names)

    @property
    def total(self) -> int:
        return self.complete + self.incomplete

    def figures(self, *, warm_ups: int) -> Figures:
        """What a case reports of them, its warm-up exchanges not counted."""
        named = {f"{ERROR_PREFIX}{name}": float(count) for name, count in self.errors.items()}
        return {"complete": self.complete - warm_ups, "incomplete": self.incomplete, **named}


def await_drained(log_dir: Path, expected: int) -> Recordings:
    """Wait until `expected` records exist, none is open and no more came; or return what there is after a long time."""
    found = Recordings()
    seen: set[str] = set()
    limit_s = time.monotonic() + _DRAIN_TIMEOUT_S
    while time.monotonic() < limit_s:
        names = set(_metadata_names(log_dir)) - seen
        if len(seen) + len(names) >= expected:  # reading them earlier would only disturb the writer
            if seen and not names and not found.open_names:
                break
            seen |= names
            _sort(log_dir, names | found.open_names, found)
        time.sleep(_POLL_S)
    return found


def metadata_files(log_dir: Path) -> list[Path]:
    return [log_dir / name for name in _metadata_names(log_dir)]


def body_is_whole(metadata: Path, side: str, size: int, sha256: str) -> bool:
    """Whether the stored file of `side` matches its metadata, and ends with the body of `size` bytes and `sha256`."""
    record: dict[str, Any] = json.loads(metadata.read_text())
    stored = metadata.with_name(metadata.name.removesuffix(SUFFIX) + f"_{side}.bin")
    head_bytes = stored.stat().st_size - size
    whole, body = hashlib.sha256(), hashlib.sha256()
    with stored.open("rb") as file:
        head = file.read(max(head_bytes, 0))
        whole.update(head)
        while block := file.read(1024 * 1024):
            whole.update(block)
            body.update(block)
    facts = record[side]
    return (
        bool(record["completed"])
        and head.endswith(b"\r\n\r\n")
        and body.hexdigest() == sha256
        and facts["bytes"] == head_bytes + size
        and facts["sha256"] == whole.hexdigest()
    )


def _metadata_names(log_dir: Path) -> Iterator[str]:
    with os.scandir(log_dir) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                yield entry.name


def _sort(log_dir: Path, names: set[str], into: Recordings) -> None:
    into.open_names = set()
    for name in names:
        record = json.loads((log_dir / name).read_bytes())
        if record["completed"]:
            into.complete += 1
        elif record["error"] is not None:
            into.errors[record["error"]["name"]] += 1
        else:
            into.open_names.add(name)
