"""Puts exchanges that were recorded elsewhere into a `log_dir`, also beside an ingest server that is at work there.

No file is ever replaced: where a name is taken, other digits are, as in files.py. The metadata comes last and in one
step: without it there is no recording for anybody, and what an interrupted import leaves is finished by the next one.
An id names one exchange: where another one has it, that one stays and the new one is refused. Called by `recorder
import`.
"""

import os
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

import msgspec

from ingest_server import files
from ingest_server.files import Files
from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata


class Outcome(Enum):
    STORED = "stored"
    HERE = "here already"
    OTHER = "another exchange has its id"


class Imports:
    def __init__(self, log_dir: Path, stems: Iterable[str], *, daily: bool) -> None:
        """`stems`: of what is there already. Makes the folder where it is missing; raises OSError."""
        self._files = Files(log_dir, daily=daily)
        log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.make_folder(self._files.state.removesuffix(os.sep))
        self._temporary = f"{self._files.state}import-{os.getpid()}.part"
        self._by_digits: dict[str, list[str]] = {}
        for stem in stems:
            self._know(stem)

    def put(self, exchange: RecordedExchange) -> Outcome:
        """Its metadata is true of its bytes. Raises OSError, and ValueError where its start is no moment."""
        facts = exchange.metadata
        started_ns = names.moment_ns(facts.started_at)
        here = self._of_same_id(facts.id)
        if here is not None:
            return Outcome.HERE if here == facts else Outcome.OTHER
        for stem in self._files.stems(started_ns, facts.id):
            if self._write(self._files.root + stem, exchange):
                self._know(stem)
                return Outcome.STORED
        raise FileExistsError(f"every name for exchange {facts.id} in {self._files.root} is taken")

    def _know(self, stem: str) -> None:
        self._by_digits.setdefault(stem[-8:], []).append(stem)

    def _of_same_id(self, exchange_id: str) -> Metadata | None:
        for digits in dict.fromkeys((names.short_id(exchange_id), *names.other_digits(exchange_id))):
            for stem in self._by_digits.get(digits, ()):
                facts = _facts(self._files.root + stem)
                if facts is not None and facts.id == exchange_id:
                    return facts
        return None

    def _write(self, path: str, exchange: RecordedExchange) -> bool:
        """False: the name is taken."""
        if os.path.lexists(path + names.METADATA):
            return False
        made: list[str] = []
        try:
            for part, data in ((names.REQUEST, exchange.request), (names.RESPONSE, exchange.response)):
                if not _make(path + part, data):
                    _remove(made)
                    return False
                made.append(path + part)
            files.write_over(self._temporary, metadata.encode(exchange.metadata))
            os.replace(self._temporary, path + names.METADATA)  # noqa: PTH105 (text paths, as in files.py)
        except OSError:
            _remove([*made, self._temporary])
            raise
        return True


def _make(path: str, data: bytes) -> bool:
    """Where an interrupted import began to write the same, it is written anew."""
    try:
        files.write_new(path, data)
    except FileExistsError:
        try:
            is_ours = data.startswith(files.read_regular(path, len(data)))
        except (OSError, ValueError):
            is_ours = False
        if is_ours:
            files.write_over(path, data)
        return is_ours
    return True


def _remove(paths: list[str]) -> None:
    for path in paths:
        files.remove(path)


def _facts(path: str) -> Metadata | None:
    try:
        return metadata.decode(files.read_regular(path + names.METADATA, metadata.BYTES_MAX))
    except (OSError, ValueError, msgspec.DecodeError, RecursionError):
        return None
