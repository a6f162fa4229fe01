"""Makes an entry of an exchange's files: reads, decodes, and lets nothing that is in them stop the indexer.

Anybody may have changed them: nothing but regular files is read, no link is followed, no more than decoders take. Of
what cannot be read the log names the exchange. Called by the worker and by commands.
"""

import errno
import logging
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from ingest_server.index.attempts import Attempts
from ingest_server.index.entry import Entry, entry_of
from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.llm.built_in_prices import built_in_rates
from traffic.llm.decode import BODY_BYTES_MAX, Decoded, Decoder

SPENT: Final = "reading it ended the indexer twice: it is not decoded"

_READ: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})  # errors that are no exchange's

log = logging.getLogger(__name__)


class Read(NamedTuple):
    entry: Entry
    facts: Metadata
    decoded: Decoded | None


class Reader:
    def __init__(self, root: str, decoder: Decoder, attempts: Attempts) -> None:
        """`root` ends with a separator."""
        self._root = root
        self._decoder = decoder
        self._attempts = attempts
        self._is_warm = False

    def read(self, stem: str) -> Read | None:
        """None: there is no such exchange, or none that can be told from its files. Raises OSError where no file at all
        could be read.
        """
        if not self._is_warm:
            built_in_rates("openai", "gpt-4o", datetime.now(UTC))  # loads all: no exchange is to be blamed for the time
            self._is_warm = True
        if self._attempts.are_spent(stem):
            return self._passed_over(stem)
        with self._attempts.at(stem):
            return read_one(self._root, stem, self._decoder)

    def _passed_over(self, stem: str) -> Read | None:
        """With what its metadata says."""
        log.warning("%s: %s", stem, SPENT)
        try:
            facts = metadata.decode(_read_file(self._root + stem + names.METADATA, metadata.BYTES_MAX))
            entry = entry_of(stem, facts, None, self._decoder.fingerprint)
        except (OSError, ValueError):
            return None
        return Read(entry._replace(row=entry.row._replace(problems=SPENT)), facts, None)


def read_one(root: str, stem: str, decoder: Decoder) -> Read | None:
    """As Reader.read(), but that nothing stops a decoder that does not end."""
    try:
        raw = _read_raw(root + stem)
        decoded = decoder.decode(raw)
        return Read(entry_of(stem, raw.metadata, decoded, decoder.fingerprint), raw.metadata, decoded)
    except OSError as error:
        if error.errno in _OURS:
            raise
        if os.path.lexists(root + stem + names.METADATA):  # else it has been deleted
            log.warning("%s cannot be indexed: %s: %s", stem, Path(error.filename or "").name, error.strerror)
    except ValueError as error:
        log.warning("%s cannot be indexed: %s", stem, error)
    return None


def _read_raw(path: str) -> RecordedExchange:
    return RecordedExchange(
        metadata.decode(_read_file(path + names.METADATA, metadata.BYTES_MAX)),
        _read_file(path + names.REQUEST, BODY_BYTES_MAX),
        _read_file(path + names.RESPONSE, BODY_BYTES_MAX),
    )


def _read_file(path: str, size_max: int) -> bytes:
    descriptor = os.open(path, _READ)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is no regular file", path)
        size = min(status.st_size, size_max)
        blocks = [os.read(descriptor, size)]
        while (size := size - len(blocks[-1])) > 0 and blocks[-1]:
            blocks.append(os.read(descriptor, size))
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)
    finally:
        os.close(descriptor)
