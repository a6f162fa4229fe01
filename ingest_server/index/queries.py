"""Answers questions about what is recorded, from the index: the one door for the API and for commands on a folder.

Each call opens the index anew, read-only, and sees it as it is at one moment, whatever is written meanwhile; so calls
may come from any thread, and an index that was deleted and made anew is simply the one that is read. A call that takes
longer than `timeout_s` is interrupted. Raises problems.QueryError, and filters.FilterError for a wrong cursor.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ingest_server.index import audit, exchange_pages, reference, session_pages, stats
from ingest_server.index.audit import AuditRecord
from ingest_server.index.exchange_pages import ExchangePage
from ingest_server.index.filters import Filters
from ingest_server.index.problems import NoIndexError, TooSlowError
from ingest_server.index.reference import Found
from ingest_server.index.schema import open_reader
from ingest_server.index.session_pages import SessionPage, SessionTree
from ingest_server.index.stats import By, Stats
from ingest_server.index.summary import ExchangeSummary

LIMIT_MAX: Final = 1_000
_STEPS_BETWEEN_LOOKS: Final = 100_000  # of SQLite's machine: a few milliseconds


class Queries:
    def __init__(self, path: Path, timeout_s: float = 10.0) -> None:
        """`path`: schema.index_path of the folder."""
        self._path = path
        self._timeout_s = timeout_s

    def exchanges(self, filters: Filters, limit: int = 50, cursor: str | None = None) -> ExchangePage:
        """Those that pass, newest first; `limit` is at most LIMIT_MAX."""
        with self._reading() as database:
            return exchange_pages.page(database, filters, min(limit, LIMIT_MAX), cursor)

    def resolve(self, text: str) -> Found:
        """By id, by an id's beginning, `last`, `last~N`."""
        with self._reading() as database:
            return reference.resolve(database, text)

    def exchange(self, text: str) -> ExchangeSummary:
        """As `resolve`."""
        with self._reading() as database:
            return exchange_pages.one(database, reference.resolve(database, text).at)

    def sessions(self, filters: Filters, limit: int = 50, cursor: str | None = None) -> SessionPage:
        """Those with an exchange that passes, the one that was active last first."""
        with self._reading() as database:
            return session_pages.page(database, filters, min(limit, LIMIT_MAX), cursor)

    def session(self, name: str, limit: int = LIMIT_MAX, cursor: str | None = None) -> SessionTree:
        """By its name, or the beginning of one."""
        with self._reading() as database:
            return session_pages.tree(database, name, min(limit, LIMIT_MAX), cursor)

    def stats(self, by: By, filters: Filters) -> Stats:
        with self._reading() as database:
            return stats.stats(database, by, filters)

    def audit(self, filters: Filters, limit: int = 100) -> list[AuditRecord]:
        """Calls to LLMs that have ended, newest first."""
        with self._reading() as database:
            return audit.audit(database, filters, min(limit, LIMIT_MAX))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        end_s = time.monotonic() + self._timeout_s
        try:
            with closing(open_reader(self._path)) as database:
                database.set_progress_handler(lambda: time.monotonic() > end_s, _STEPS_BETWEEN_LOOKS)
                database.execute("BEGIN")
                yield database
        except FileNotFoundError as error:
            raise NoIndexError(f"{error}; an ingest server makes it, or `recorder reindex`") from None
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise TooSlowError(
                    f"the query took longer than {self._timeout_s:g} s; narrow it down, as by since and until"
                ) from None
            raise NoIndexError(f"the index cannot be read: {error}") from error
