"""What a batch of changes adds to the tables `hours` and `sessions`, and takes from them; written at the batch's end.

Exact: after any changes the tables hold what counting all rows would give. Called by writer.py, within its transaction.
"""

import sqlite3
from typing import Final

import msgspec

from ingest_server.index import rollup
from ingest_server.index.rollup import Figures, measured, nano_usd, tokens
from ingest_server.index.row import KEYS_PER_US, Row

_BY: Final = ("all", "model", "route", "key", "provider")
KEYS_PER_HOUR: Final = 3_600_000_000 * KEYS_PER_US


class Hours:
    def __init__(self) -> None:
        self._changes: dict[tuple[int, str, str, str, str], Figures] = {}  # hour, model, route, key, provider

    def count(self, row: Row, times: int) -> None:
        """`times` of -1 takes the row away."""
        kind = (row.at // KEYS_PER_HOUR, row.model or "", row.route or "", row.key or "", row.provider or "")
        figures = self._changes.get(kind)
        if figures is None:
            figures = self._changes[kind] = Figures()
        figures.add(measured(row), times)

    def write(self, database: sqlite3.Connection) -> None:
        for place, figures in self._by_place().items():
            found = database.execute(_FIGURES, place).fetchone()
            if found is not None:
                figures.merge(rollup.decode(found[0]))
            if figures.count:
                database.execute(_PUT_FIGURES, (*place, rollup.encode(figures)))
            elif found is not None:
                database.execute(_REMOVE_FIGURES, place)

    def _by_place(self) -> dict[tuple[str, int, str], Figures]:
        places: dict[tuple[str, int, str], Figures] = {}
        for (hour, *values), figures in self._changes.items():
            for by, value in zip(_BY, ("", *values), strict=True):
                places.setdefault((by, hour, value), Figures()).merge(figures)
        return places


class _Session(msgspec.Struct):
    exchanges: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    priced: int = 0  # calls whose cost is known

    def add(self, other: "_Session", times: int) -> None:
        self.exchanges += times * other.exchanges
        self.errors += times * other.errors
        self.input_tokens += times * other.input_tokens
        self.output_tokens += times * other.output_tokens
        self.cost_nano_usd += times * other.cost_nano_usd
        self.priced += times * other.priced


class Sessions:
    def __init__(self) -> None:
        self._changes: dict[str, _Session] = {}

    def count(self, row: Row, times: int) -> None:
        if row.session is not None:
            one = _Session(
                exchanges=1,
                errors=int(row.failed),
                input_tokens=tokens(row.input_tokens),
                output_tokens=tokens(row.output_tokens),
                cost_nano_usd=nano_usd(row.cost_usd),
                priced=int(row.cost_usd is not None),
            )
            self._change(row.session).add(one, times)

    def move(self, database: sqlite3.Connection, old: str, new: str) -> None:
        """All exchanges that are in the session `old` go to `new`."""
        found = database.execute(_SESSION, (old,)).fetchone()
        moved = _Session(*found) if found is not None else _Session()
        moved.add(self._change(old), 1)
        self._change(old).add(moved, -1)
        self._change(new).add(moved, 1)
        database.execute(_MOVE, (new, old))

    def write(self, database: sqlite3.Connection) -> None:
        for session, change in self._changes.items():
            found = database.execute(_SESSION, (session,)).fetchone()
            if found is not None:
                change.add(_Session(*found), 1)
            if change.exchanges:
                facts = (session, session, session, *msgspec.structs.astuple(change))
                database.execute(_PUT_SESSION, facts)
            elif found is not None:
                database.execute(_REMOVE_SESSION, (session,))

    def _change(self, session: str) -> _Session:
        change = self._changes.get(session)
        if change is None:
            change = self._changes[session] = _Session()
        return change


_FIGURES: Final = "SELECT figures FROM hours WHERE by = ? AND hour = ? AND value = ?"
_PUT_FIGURES: Final = "INSERT OR REPLACE INTO hours (by, hour, value, figures) VALUES (?, ?, ?, ?)"
_REMOVE_FIGURES: Final = "DELETE FROM hours WHERE by = ? AND hour = ? AND value = ?"
_OF_SESSION: Final = "exchanges, errors, input_tokens, output_tokens, cost_nano_usd, priced"
_SESSION: Final = f"SELECT {_OF_SESSION} FROM sessions WHERE session = ?"
_PUT_SESSION: Final = f"""
INSERT OR REPLACE INTO sessions
(session, first_at, last_at, {_OF_SESSION})
VALUES (?, (SELECT min(at) FROM exchanges WHERE session = ?), (SELECT max(at) FROM exchanges WHERE session = ?),
?, ?, ?, ?, ?, ?)
"""
_REMOVE_SESSION: Final = "DELETE FROM sessions WHERE session = ?"
_MOVE: Final = "UPDATE exchanges SET session = ? WHERE session = ?"
