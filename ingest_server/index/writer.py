"""Writes exchanges into the index: one writer per `log_dir`, in one thread. A call is one transaction: a crash leaves
all of it or nothing, and readers see all of it or nothing.

An exchange that is there already is replaced, with all that was derived from it. Rows are put in the order of time, so
that the tables grow at their ends, and a parent stands there before those that continue it; lineage.py finds it. Where
a parent comes later than its children, they are joined to it then, with their sessions.

Called by the indexer and by catch_up.py.
"""

import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ingest_server.index import lineage
from ingest_server.index.entry import Entry, key_of
from ingest_server.index.lineage import Child
from ingest_server.index.row import COLUMNS, KEYS_PER_US, Row, keys_of_millisecond
from ingest_server.index.schema import is_damage, open_index, open_reader, remove_index
from ingest_server.index.text import words_of
from ingest_server.index.totals import Hours, Sessions

log = logging.getLogger(__name__)


class IndexLostError(Exception):
    """The index was damaged or deleted. It is there again, and empty: catch up."""


class IndexWriter:
    def __init__(self, path: Path) -> None:
        """Raises OSError, or sqlite3.OperationalError where it cannot be opened or made, as on a full disk."""
        self._path = path
        self._count: int | None = None  # of exchanges; None: nobody has asked
        self._open()

    def close(self) -> None:
        self.database.close()

    def count(self) -> int:
        """Of the exchanges in the index. Raises as put() does."""
        if self._count is None:
            with self._transaction() as batch:
                found = batch.count()
            self._count = found
        return self._count

    def put(self, entries: Iterable[Entry]) -> list[Row]:
        """The rows as they are written now, one per stem; what cannot be written is left out.

        Raises IndexLostError, or sqlite3.OperationalError as on a full disk: then nothing of it is written.
        """
        batch = sorted({entry.row.stem: entry for entry in entries}.values(), key=lambda entry: entry.row.at)
        try:
            return self._put(batch)
        except (ValueError, OverflowError):  # SQLite has no room for a value: one exchange's defect costs no other
            rows: list[Row] = []
            for entry in batch:
                try:
                    rows += self._put([entry])
                except (ValueError, OverflowError) as error:
                    log.warning("%s cannot be indexed: %s", entry.row.stem, error)
            return rows

    def look(self) -> None:
        """Raises IndexLostError where it was deleted or is damaged, as far as reading a bit of it anew shows."""
        self.remove(())
        try:
            with closing(open_reader(self._path)) as reader:
                reader.execute("SELECT stem FROM exchanges ORDER BY at DESC LIMIT 1").fetchone()
        except (FileNotFoundError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
                raise
            raise self._lost(str(error)) from error

    def row(self, stem: str) -> Row | None:
        """Of an exchange that is in the index."""
        for at, each in self.database.execute(_NEIGHBOURS, keys_of_millisecond(key_of(stem))):
            if each == stem:
                return Row(*self.database.execute(_ROW, (at,)).fetchone())
        return None

    def remove(self, stems: Iterable[str]) -> None:
        """Stems that are not in the index do no harm. Raises as put() does."""
        with self._transaction() as batch:
            for stem in stems:
                batch.remove(stem)

    def _put(self, entries: list[Entry]) -> list[Row]:
        with self._transaction() as batch:
            return [batch.put(entry) for entry in entries]

    @contextmanager
    def _transaction(self) -> "Iterator[_Batch]":
        try:
            if not self._is_in_place():
                raise self._lost("it was deleted")
            self.database.execute("BEGIN IMMEDIATE")
            try:
                batch = _Batch(self.database)
                yield batch
                batch.finish()
                self.database.execute("COMMIT")
                if self._count is not None:
                    self._count += batch.added
            except BaseException:
                if self.database.in_transaction:
                    self.database.execute("ROLLBACK")
                raise
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            raise self._lost(str(error)) from error

    def _open(self) -> None:
        self.database = open_index(self._path)
        status = os.stat(self._path)  # noqa: PTH116 (the same call as in _is_in_place)
        self._file = (status.st_dev, status.st_ino)
        self._count = None

    def _is_in_place(self) -> bool:
        try:
            status = os.stat(self._path)  # noqa: PTH116 (before every batch)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == self._file

    def _lost(self, why: str) -> IndexLostError:
        log.warning("the index is made anew from the recordings: %s", why)
        self.database.close()
        remove_index(self._path)
        self._open()
        return IndexLostError(why)


class _Batch:
    """The changes of one transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.added = 0  # exchanges, less those taken away
        self._database = database
        self._hours = Hours()
        self._sessions = Sessions()

    def count(self) -> int:
        found: int = self._database.execute("SELECT count(*) FROM exchanges").fetchone()[0]
        return found

    def put(self, entry: Entry) -> Row:
        old, at = self._find(entry.row)
        if old is not None:
            self._take_away(old)
        placed = lineage.place(self._database, entry, at)
        row = placed.row
        self._database.execute(_PUT, row)
        self.added += 1
        if entry.call is not None:
            self._database.execute(_PUT_WORDS, (at, *words_of(entry.call, placed.known)))
            for name in _tools(row):
                self._database.execute(_PUT_TOOL, (name, at))
        self._hours.count(row, 1)
        self._sessions.count(row, 1)
        if old is not None and old.session == old.id:
            self._join(old.id, row.session)
        for child in lineage.children(self._database, row):
            self._adopt(row, child)
        return row

    def remove(self, stem: str) -> None:
        try:
            keys = keys_of_millisecond(key_of(stem))
        except ValueError:
            return  # no exchange has such a name
        for at, each in self._database.execute(_NEIGHBOURS, keys).fetchall():
            if each == stem:
                self._take_away(Row(*self._database.execute(_ROW, (at,)).fetchone()))

    def finish(self) -> None:
        self._hours.write(self._database)
        self._sessions.write(self._database)

    def _find(self, row: Row) -> tuple[Row | None, int]:
        """What stands there for the same exchange, and the key that is to be its own."""
        taken = dict(self._database.execute(_NEIGHBOURS, keys_of_millisecond(row.at)).fetchall())
        old = None
        for at, stem in taken.items():
            if stem == row.stem:
                old = Row(*self._database.execute(_ROW, (at,)).fetchone())
        if old is not None and old.at // KEYS_PER_US == row.at // KEYS_PER_US:
            return old, old.at
        at = row.at
        while at in taken:
            at = at - at % KEYS_PER_US + (at + 1) % KEYS_PER_US
            if at == row.at:
                raise ValueError(f"there are {KEYS_PER_US} exchanges of its microsecond already")
        return old, at

    def _take_away(self, old: Row) -> None:
        self._hours.count(old, -1)
        self._sessions.count(old, -1)
        for name in _tools(old):
            self._database.execute(_REMOVE_TOOL, (name, old.at))
        if old.dialect is not None:
            self._database.execute(_REMOVE_WORDS, (old.at,))
        self._database.execute(_REMOVE, (old.at,))
        self.added -= 1

    def _adopt(self, parent: Row, child: Child) -> None:
        self._database.execute(_SET_PARENT, (parent.id, child.at))
        if child.session == child.id:
            self._join(child.id, parent.session)

    def _join(self, old: str, new: str | None) -> None:
        """What was a session of its own is part of another one."""
        if new is not None and new != old:
            self._sessions.move(self._database, old, new)


def _tools(row: Row) -> list[str]:
    return row.tools.split("\n") if row.tools is not None else []


_NEIGHBOURS: Final = "SELECT at, stem FROM exchanges WHERE at >= ? AND at < ?"
_ROW: Final = f"SELECT {COLUMNS} FROM exchanges WHERE at = ?"
_PUT: Final = f"INSERT INTO exchanges ({COLUMNS}) VALUES ({', '.join('?' * len(Row._fields))})"
_PUT_WORDS: Final = "INSERT INTO words (rowid, prompt, answer, tools) VALUES (?, ?, ?, ?)"
_PUT_TOOL: Final = "INSERT INTO tools (name, at) VALUES (?, ?)"
_REMOVE: Final = "DELETE FROM exchanges WHERE at = ?"
_REMOVE_WORDS: Final = "DELETE FROM words WHERE rowid = ?"
_REMOVE_TOOL: Final = "DELETE FROM tools WHERE name = ? AND at = ?"
_SET_PARENT: Final = "UPDATE exchanges SET parent = ? WHERE at = ?"
