"""Puts made-up exchanges into an index as they are, for the tests of what reads it."""

import sqlite3
from collections.abc import Iterable

from ingest_server.index.row import Row
from ingest_server.index.totals import Hours, Sessions
from tests.ingest_server.index.kept import Kept

_PLACES = ", ".join("?" * len(Row._fields))


def put(database: sqlite3.Connection, exchanges: Iterable[Kept]) -> None:
    hours, sessions = Hours(), Sessions()
    database.execute("BEGIN")
    for each in exchanges:
        row = each.row
        database.execute(f"INSERT INTO exchanges VALUES ({_PLACES})", row)
        database.execute(
            "INSERT INTO words (rowid, prompt, answer) VALUES (?, ?, ?)", (row.at, each.prompt, each.answer)
        )
        names = row.tools.split("\n") if row.tools else []
        database.executemany("INSERT INTO tools VALUES (?, ?)", [(name, row.at) for name in names])
        hours.count(row, 1)
        sessions.count(row, 1)
    hours.write(database)
    sessions.write(database)
    database.execute("COMMIT")


def take(database: sqlite3.Connection, one: Kept) -> None:
    at = one.row.at
    database.execute("DELETE FROM exchanges WHERE at = ?", (at,))
    database.execute("DELETE FROM words WHERE rowid = ?", (at,))
    database.execute("DELETE FROM tools WHERE at = ?", (at,))
    hours, sessions = Hours(), Sessions()
    hours.count(one.row, -1)
    sessions.count(one.row, -1)
    hours.write(database)
    sessions.write(database)
