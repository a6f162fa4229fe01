"""Which exchange an exchange continues, and with it the session it belongs to; looked up among those in the index.

    its client named the session        that is its session
    it names a response it continues    the exchange with that response is its parent
    else it repeats a conversation      its parent is the earlier exchange whose messages are the longest proper
                                        beginning of its own, before an answer of the assistant: of several the newest
                                        with that answer, else the newest. A name goes with its own kind only,
                                        and so does a client's key where there is no name
    none of these                       it is the first of a session of its own, which has its id for a name

An unnamed exchange is in its parent's session. Usually parents come first; `children` finds those that came before
theirs. Called by writer.py, which keeps what is found here.
"""

import sqlite3
from typing import Final, NamedTuple

from ingest_server.index.entry import Entry
from ingest_server.index.origin import hash_of
from ingest_server.index.row import Row
from traffic.llm.sessions import Prefix

_CANDIDATES_MAX: Final = 64  # with the same messages: the newest of them are looked at
_CHILDREN_MAX: Final = 64
_WITH_RESPONSES: Final = "openai.responses"  # the dialect in which a call may name a response


class Placed(NamedTuple):
    row: Row  # with its key, its session and its parent
    known: int  # how many of its messages, from the first, stand in earlier exchanges


class Child(NamedTuple):
    at: int
    id: str
    session: str | None


def place(database: sqlite3.Connection, entry: Entry, at: int) -> Placed:
    """`at`: its key."""
    row, origin = entry.row, entry.origin
    if entry.call is None:
        return Placed(row._replace(at=at), 0)
    parent, session, known = None, None, 0
    if origin.previous_response_id is not None:
        found = database.execute(_BY_RESPONSE, (origin.previous_response_id, at)).fetchone()
        parent, session = found or (None, None)
    if parent is None:
        parent, session, known = _repeated(database, at, origin.prefixes)
    return Placed(row._replace(at=at, parent=parent, session=row.session or session or row.id), known)


def children(database: sqlite3.Connection, row: Row) -> list[Child]:
    """Exchanges that are in the index already, continue this one, and have no parent or one farther away."""
    found: list[Child] = []
    if row.request_hash is not None:
        by_messages = (row.request_hash, row.at, row.id, row.request_hash, _CHILDREN_MAX)
        found += map(Child._make, database.execute(_CHILDREN_BY_MESSAGES, by_messages))
    if row.dialect == _WITH_RESPONSES and row.response_id is not None:
        by_response = (hash_of(row.response_id), row.at, row.id, row.response_id, _CHILDREN_MAX)
        found += map(Child._make, database.execute(_CHILDREN_BY_RESPONSE, by_response))
    return found


def _repeated(
    database: sqlite3.Connection, at: int, prefixes: tuple[Prefix, ...]
) -> tuple[str | None, str | None, int]:
    """Parent, session, known."""
    for prefix in prefixes:
        candidates = database.execute(_BY_MESSAGES, (prefix.request_hash, at, _CANDIDATES_MAX)).fetchall()
        if candidates:
            best = next((each for each in candidates if each[1] == prefix.answer_hash), candidates[0])
            parent, session = database.execute(_PARENT, (best[0],)).fetchone()
            return parent, session, prefix.answered if best[1] == prefix.answer_hash else prefix.messages
    return None, None, 0


_BY_RESPONSE: Final = (
    f"SELECT id, session FROM exchanges WHERE dialect = '{_WITH_RESPONSES}' AND response_id = ? AND at < ?"
    " ORDER BY at DESC LIMIT 1"
)
_BY_MESSAGES: Final = "SELECT at, answer_hash FROM exchanges WHERE request_hash = ? AND at < ? ORDER BY at DESC LIMIT ?"
_PARENT: Final = "SELECT id, session FROM exchanges WHERE at = ?"
_CHILDREN: Final = """
SELECT each.at, each.id, each.session FROM exchanges AS each LEFT JOIN exchanges AS parents ON parents.id = each.parent
WHERE each.base_hash = ? AND each.at > ? AND each.parent IS NOT ? AND (parents.at IS NULL OR parents.{} IS NOT ?)
ORDER BY each.at LIMIT ?
"""
_CHILDREN_BY_MESSAGES: Final = _CHILDREN.format("request_hash")
_CHILDREN_BY_RESPONSE: Final = _CHILDREN.format("response_id")
