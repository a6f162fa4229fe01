"""Sessions, the one that was active last first, and one session as a tree of its exchanges. Called by queries.py.

Filters choose sessions of which at least one exchange passes; their figures are those of all their exchanges. A session
that goes on while somebody turns pages moves to the first page. A session may have any number of exchanges (one that is
named by its user has): they come in pages too, each a tree of its own.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import msgspec

from ingest_server.index.cursor import read_cursor, write_cursor
from ingest_server.index.filters import Filters
from ingest_server.index.plan import KEY_MAX, Plan, Statement, keys_of
from ingest_server.index.problems import NotFoundError
from ingest_server.index.row import COLUMNS, Row, started_at, summary_of
from ingest_server.index.summary import ExchangeSummary

_COLUMNS: Final = "session, first_at, last_at, exchanges, errors, input_tokens, output_tokens, cost_nano_usd, priced"
_LOOKED_AT: Final = 1_000  # exchanges of a session, for the models in it
_CANDIDATES_MAX: Final = 5


class SessionSummary(msgspec.Struct, frozen=True):
    """Tokens that nobody reported count as 0."""

    session: str
    started_at: str
    last_at: str  # when its newest exchange began
    exchanges: int
    errors: int
    models: list[str]  # asked for, of its newest exchanges
    input_tokens: int
    output_tokens: int
    cost_usd: float | None  # of those of which it is known; None: of none
    preview: str  # of its first prompt


class SessionPage(msgspec.Struct, frozen=True):
    sessions: list[SessionSummary]
    next: str | None  # the cursor of the next page; None: this is the last


class Node(msgspec.Struct, frozen=True):
    depth: int  # below its root: one without a parent on this page
    exchange: ExchangeSummary


class SessionTree(msgspec.Struct, frozen=True):
    """A parent stands before those that continue it, each with what continues it before the next, by time."""

    session: SessionSummary
    exchanges: list[Node]
    next: str | None  # the cursor of earlier exchanges


def page(database: sqlite3.Connection, filters: Filters, limit: int, cursor: str | None) -> SessionPage:
    before = read_cursor(cursor)
    chosen = _chosen(database, filters)
    sql = f"SELECT {_COLUMNS} FROM sessions AS s WHERE s.last_at < ? AND {chosen.sql} ORDER BY s.last_at DESC LIMIT ?"
    values = (KEY_MAX if before is None else before, *chosen.values, limit + 1)
    rows = database.execute(sql, values).fetchall()
    shown = rows[:limit]
    sessions = [_summary(database, *row) for row in shown]
    return SessionPage(sessions, write_cursor(shown[-1][2]) if len(rows) > limit and shown else None)


def tree(database: sqlite3.Connection, name: str, limit: int, cursor: str | None) -> SessionTree:
    """Its newest exchanges, or those before the cursor. Raises NotFoundError."""
    summary = _one(database, name)
    found = Filters(session=summary.session)
    keys = Plan(database, found, keys_of(found, read_cursor(cursor))).newest(limit + 1)
    sql = f"SELECT {COLUMNS} FROM exchanges WHERE at IN ({keys.sql}) ORDER BY at DESC"
    rows = [Row(*row) for row in database.execute(sql, keys.values)]
    shown = rows[:limit]
    nodes = list(_nodes([summary_of(row) for row in reversed(shown)]))
    return SessionTree(summary, nodes, write_cursor(shown[-1].at) if len(rows) > limit and shown else None)


def _chosen(database: sqlite3.Connection, filters: Filters) -> Statement:
    """A condition on `s`."""
    if filters == Filters():
        return Statement("1", ())
    if filters == Filters(session=filters.session):
        return Statement("s.session = ?", (filters.session or "",))
    plan = Plan(database, filters, keys_of(filters))
    if plan.is_few:
        of_each = plan.select("e.session")
        return Statement(f"s.session IN ({of_each.sql})", of_each.values)
    check = plan.check()
    walk = "exchanges AS e INDEXED BY by_session"
    return Statement(f"EXISTS (SELECT 1 FROM {walk} WHERE e.session = s.session AND {check.sql})", check.values)


def _summary(database: sqlite3.Connection, name: str, first_at: int, last_at: int, *figures: int) -> SessionSummary:
    exchanges, errors, input_tokens, output_tokens, cost_nano_usd, priced = figures
    newest = "SELECT at FROM exchanges WHERE session = ? ORDER BY at DESC LIMIT ?"
    models = database.execute(
        f"SELECT DISTINCT model FROM exchanges WHERE at IN ({newest}) AND model IS NOT NULL ORDER BY model",
        (name, _LOOKED_AT),
    )
    first = database.execute("SELECT preview FROM exchanges WHERE at = ?", (first_at,)).fetchone()
    return SessionSummary(
        session=name,
        started_at=started_at(first_at),
        last_at=started_at(last_at),
        exchanges=exchanges,
        errors=errors,
        models=[model for (model,) in models],
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd=cost_nano_usd / 1e9 if priced else None,
        preview=first[0] if first is not None else "",
    )


def _one(database: sqlite3.Connection, name: str) -> SessionSummary:
    """By its name, or by the beginning of one that no other begins with."""
    sql = f"SELECT {_COLUMNS} FROM sessions AS s WHERE s.session "
    exact = database.execute(f"{sql} = ?", (name,)).fetchone()
    if exact is not None:
        return _summary(database, *exact)
    shown = name[:100]
    rows = database.execute(
        f"{sql} >= ? AND s.session < ? ORDER BY s.session LIMIT ?", (name, f"{name}\U0010ffff", _CANDIDATES_MAX + 1)
    ).fetchall()
    if not rows:
        raise NotFoundError(f"{shown}: no session's name begins so")
    if len(rows) > 1:
        names = tuple(row[0] for row in rows[:_CANDIDATES_MAX])
        more = ", and more" if len(rows) > len(names) else ""
        raise NotFoundError(f"{shown}: several sessions' names begin so: {', '.join(names)}{more}", names)
    return _summary(database, *rows[0])


def _nodes(exchanges: list[ExchangeSummary]) -> Iterator[Node]:
    """`exchanges` by time. Whatever their parents say, each comes once: a parent is earlier than what continues it."""
    seen: set[str] = set()
    continuing: dict[str | None, list[ExchangeSummary]] = defaultdict(list)
    for each in exchanges:
        continuing[each.parent if each.parent in seen else None].append(each)
        seen.add(each.id)
    waiting = [(0, each) for each in reversed(continuing[None])]
    while waiting:
        depth, exchange = waiting.pop()
        yield Node(depth, exchange)
        waiting += [(depth + 1, each) for each in reversed(continuing[exchange.id])]
