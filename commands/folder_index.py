"""The index of a folder of recordings, brought up to its files before it is asked.

    the folder's own                   and it stays: the next command finds most of it done
    in a temporary folder              where the folder's cannot be written
    the folder's own, as it is         where an ingest server is at work on the folder: it keeps the index itself

Called by folder_api.py.
"""

import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from commands.api_client import AskError
from commands.progress import progress
from ingest_server import files
from ingest_server.index.catch_up import CatchUp, Scope
from ingest_server.index.entry import Entry
from ingest_server.index.reading import read_one
from ingest_server.index.row import Row
from ingest_server.index.schema import FILE_NAME, index_path
from ingest_server.index.writer import IndexLostError, IndexWriter
from ingest_server.settings import IndexSettings
from replay.locks import is_locked
from traffic.llm.decode import Decoder
from traffic.llm.registry import find_dialects

_MISSING = Scope()

log = logging.getLogger(__name__)


class FolderIndex:
    """`catch_up` reads what has come since the last time."""

    def __init__(self, log_dir: Path, path: Path, settings: IndexSettings) -> None:
        """Raises OSError or sqlite3.Error where the index cannot be written."""
        self.path = path
        self._log_dir = log_dir
        self._writer = IndexWriter(path)
        self._root = f"{log_dir}{os.sep}"
        registry = find_dialects(log.warning)
        self._decoder = Decoder(registry.dialects, settings.prices, registry.registered)

    @property
    def fingerprint(self) -> str:
        """Of the decoder."""
        return self._decoder.fingerprint

    @property
    def count(self) -> int:
        """Of the exchanges in it."""
        return self._writer.count()

    def catch_up(self, tell_of: Callable[[Row], None] | None = None, scope: Scope = _MISSING) -> None:
        """`tell_of` is called for each exchange that is read; `scope`: which are, beside those that are missing.

        Raises AskError where the folder cannot be read, or the index not written.
        """

        def read(stem: str) -> Entry | None:
            found = read_one(self._root, stem, self._decoder)
            if found is None:
                return None
            if tell_of is not None:
                tell_of(found.entry.row)
            return found.entry

        work = CatchUp(self._log_dir, self._writer, read, scope)
        try:
            with progress("reading recordings") as tell:
                while work.step():
                    if tell is not None and work.total:
                        tell(work.done, work.total)
        except (OSError, sqlite3.Error, IndexLostError) as error:
            raise AskError(f"the index of {self._log_dir} cannot be brought up to its files: {error}") from None

    def row(self, stem: str) -> Row | None:
        """As it is in the index: with its session and its parent."""
        return self._writer.row(stem)

    def close(self) -> None:
        self._writer.close()


@contextmanager
def open_index(log_dir: Path, settings: IndexSettings) -> Iterator[tuple[Path, FolderIndex | None]]:
    """Where the index is, and what brings it up to the files; None: an ingest server does."""
    own = index_path(log_dir)
    try:
        if not log_dir.is_dir():
            raise AskError(f"{log_dir}: no such folder")
        is_kept_by_another = own.is_file() and is_locked(own.with_name("lock"))
    except OSError as error:
        raise AskError(f"{log_dir}: {error.strerror}; --server asks an ingest server instead") from None
    if is_kept_by_another:
        yield own, None
        return
    with ExitStack() as stack:
        index = _index(log_dir, own, stack, settings)
        stack.callback(index.close)
        index.catch_up()
        yield index.path, index


def _index(log_dir: Path, own: Path, stack: ExitStack, settings: IndexSettings) -> FolderIndex:
    try:
        files.make_folder(str(own.parent))
        return FolderIndex(log_dir, own, settings)
    except (OSError, sqlite3.Error) as error:
        log.info("the index of %s cannot be written: %s", log_dir, error)
    try:
        folder = tempfile.TemporaryDirectory(prefix="recorder-index-", ignore_cleanup_errors=True)
        return FolderIndex(log_dir, Path(stack.enter_context(folder)) / FILE_NAME, settings)
    except (OSError, sqlite3.Error) as error:
        raise AskError(f"no index of {log_dir} can be made in {tempfile.gettempdir()}: {error}") from None
