"""Puts made-up exchanges into an index, for the tests of what reads it."""

import sqlite3
from collections.abc import Iterable

from ingest_server.index.row import Row
from tests.ingest_server.index.kept import Kept

_PLACES = ", ".join("?" * len(Row._fields))


def put(database: sqlite3.Connection, exchanges: Iterable[Kept]) -> None:
    for each in exchanges:
        row = each.row
        database.execute(f"INSERT INTO exchanges VALUES ({_PLACES})", row)
        database.execute(
            "INSERT INTO words (rowid, prompt, answer) VALUES (?, ?, ?)", (row.at, each.prompt, each.answer)
        )
        names = row.tools.split("\n") if row.tools else []
        database.executemany("INSERT INTO tools VALUES (?, ?)", [(name, row.at) for name in names])


def take(database: sqlite3.Connection, one: Kept) -> None:
    at = one.row.at
    database.execute("DELETE FROM exchanges WHERE at = ?", (at,))
    database.execute("DELETE FROM words WHERE rowid = ?", (at,))
    database.execute("DELETE FROM tools WHERE at = ?", (at,))
