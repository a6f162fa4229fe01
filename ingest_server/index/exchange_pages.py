"""Pages of exchanges, newest first. The cursor is the key of the last row: rows that come or go meanwhile neither
shift what follows nor show anything twice. Called by queries.py.
"""

import sqlite3
from typing import Final

import msgspec

from ingest_server.index.cursor import read_cursor, write_cursor
from ingest_server.index.filters import Filters
from ingest_server.index.plan import Plan, keys_of
from ingest_server.index.row import COLUMNS, Row, summary_of
from ingest_server.index.summary import ExchangeSummary

SNIPPET_WORDS: Final = 24


class ExchangePage(msgspec.Struct, frozen=True):
    exchanges: list[ExchangeSummary]
    next: str | None  # the cursor of the next page; None: this is the last


def page(database: sqlite3.Connection, filters: Filters, limit: int, cursor: str | None) -> ExchangePage:
    plan = Plan(database, filters, keys_of(filters, read_cursor(cursor)))
    keys = plan.newest(limit + 1)
    sql = f"SELECT {COLUMNS} FROM exchanges WHERE at IN ({keys.sql}) ORDER BY at DESC"
    rows = [Row(*row) for row in database.execute(sql, keys.values)]
    shown = rows[:limit]
    exchanges = [summary_of(row) for row in shown]
    if plan.words is not None:
        exchanges = [
            _with_snippet(database, plan.words, row.at, each) for row, each in zip(shown, exchanges, strict=True)
        ]
    return ExchangePage(exchanges, write_cursor(shown[-1].at) if len(rows) > limit and shown else None)


def one(database: sqlite3.Connection, at: int) -> ExchangeSummary:
    row = database.execute(f"SELECT {COLUMNS} FROM exchanges WHERE at = ?", (at,)).fetchone()
    return summary_of(Row(*row))


def _with_snippet(database: sqlite3.Connection, words: str, at: int, exchange: ExchangeSummary) -> ExchangeSummary:
    sql = f"SELECT snippet(words, -1, '«', '»', '…', {SNIPPET_WORDS}) FROM words WHERE words MATCH ? AND rowid = ?"
    row = database.execute(sql, (words, at)).fetchone()
    return msgspec.structs.replace(exchange, snippet=row[0] if row is not None else None)
