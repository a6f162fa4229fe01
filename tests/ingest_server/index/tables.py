"""Reads an index's tables, and checks that what is derived in them belongs to the rows."""

import sqlite3
from typing import Any

from ingest_server.index import rollup
from ingest_server.index.row import COLUMNS, Row
from ingest_server.index.totals import Hours, Sessions
from tests.ingest_server.index.exchanges import exchange_id


def rows(database: sqlite3.Connection) -> list[Row]:
    return [Row(*each) for each in database.execute(f"SELECT {COLUMNS} FROM exchanges ORDER BY at")]


def row(database: sqlite3.Connection, number: int) -> Row:
    return next(each for each in rows(database) if each.id == exchange_id(number))


def found(database: sqlite3.Connection, text: str) -> list[int]:
    """The numbers of the exchanges that have these words."""
    query = "SELECT id FROM words JOIN exchanges ON at = words.rowid WHERE words MATCH ? ORDER BY at"
    return [int(each[:8], 16) for (each,) in database.execute(query, (text,))]


def sessions(database: sqlite3.Connection) -> list[Any]:
    return database.execute("SELECT * FROM sessions ORDER BY session").fetchall()


def hours(database: sqlite3.Connection) -> dict[Any, rollup.Figures]:
    found = database.execute("SELECT by, hour, value, figures FROM hours").fetchall()
    return {place: rollup.decode(figures) for *place, figures in found for place in [tuple(place)]}


def check(database: sqlite3.Connection) -> None:
    """Hours, sessions and tools are what a count of the rows gives; each call has its words."""
    counted = sqlite3.connect(":memory:")
    tables = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name IN ('exchanges', 'hours', 'sessions')"
    for (statement,) in database.execute(tables).fetchall():
        counted.execute(statement)
    in_hours, in_sessions = Hours(), Sessions()
    stand = rows(database)
    for each in stand:
        counted.execute(f"INSERT INTO exchanges VALUES ({', '.join('?' * len(each))})", each)
        in_hours.count(each, 1)
        in_sessions.count(each, 1)
    in_hours.write(counted)
    in_sessions.write(counted)
    assert hours(database) == hours(counted)
    assert sessions(database) == sessions(counted)
    counted.close()
    tools = [(name, each.at) for each in stand if each.tools is not None for name in each.tools.split("\n")]
    assert database.execute("SELECT name, at FROM tools ORDER BY name, at").fetchall() == sorted(tools)
    calls = [(each.at,) for each in stand if each.dialect is not None]
    assert database.execute("SELECT rowid FROM words ORDER BY rowid").fetchall() == calls
    database.execute("INSERT INTO words (words) VALUES ('integrity-check')")
