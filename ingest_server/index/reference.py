"""Finds the exchange that a person means: by its id, by an id's first digits as git does, or as `last`, `last~2`.

Called by the API for its paths, and by the commands that work on a folder.
"""

import re
import sqlite3
from typing import Final, NamedTuple

from ingest_server.index.problems import NotFoundError
from ingest_server.index.row import started_at

_CANDIDATES_MAX: Final = 5
_last = re.compile(r"last(?:~(\d{1,9}))?", re.ASCII).fullmatch
_is_beginning = re.compile(r"[0-9a-f-]{4,36}").fullmatch


class Found(NamedTuple):
    at: int
    id: str
    stem: str  # of its files, relative to log_dir


def resolve(database: sqlite3.Connection, reference: str) -> Found:
    """Raises NotFoundError, which names what may have been meant."""
    shown = reference[:100].encode("utf-8", "replace").decode()
    if match := _last(reference):
        return _from_the_newest(database, int(match[1] or 0), shown)
    beginning = reference.lower()
    if not _is_beginning(beginning):
        raise NotFoundError(f"{shown}: expected an exchange's id, four or more of its first digits, last or last~2")
    found = _select(database, f"id >= ? AND id < ? ORDER BY id LIMIT {_CANDIDATES_MAX + 1}", beginning, f"{beginning}g")
    if not found:
        raise _unknown(database, beginning)
    if len(found) > 1:
        raise _ambiguous(database, beginning, found)
    return found[0]


def _from_the_newest(database: sqlite3.Connection, steps: int, shown: str) -> Found:
    found = _select(database, "1 ORDER BY at DESC LIMIT 1 OFFSET ?", steps)
    if not found:
        (count,) = database.execute("SELECT count(*) FROM exchanges").fetchone()
        there = {0: "nothing is recorded yet", 1: "only one exchange is recorded"}
        raise NotFoundError(f"{shown}: {there.get(count, f'only {count:,} exchanges are recorded')}")
    return found[0]


def _unknown(database: sqlite3.Connection, beginning: str) -> NotFoundError:
    """With the id that agrees longest."""
    near = _select(database, "id < ? ORDER BY id DESC LIMIT 1", beginning)
    near += _select(database, "id > ? ORDER BY id LIMIT 1", beginning)
    nearest = max(near, key=lambda each: _agreeing(each.id, beginning), default=None)
    problem = f"{beginning}: no exchange's id begins so"
    if nearest is None or _agreeing(nearest.id, beginning) < 2:
        return NotFoundError(problem)
    return NotFoundError(f"{problem}; the nearest is {_describe(database, nearest)}", (nearest.id,))


def _ambiguous(database: sqlite3.Connection, beginning: str, found: list[Found]) -> NotFoundError:
    shown = found[:_CANDIDATES_MAX]
    lines = [f"{beginning}: several exchanges' ids begin so", *(f"  {_describe(database, each)}" for each in shown)]
    if len(found) > len(shown):
        lines.append("  and more")
    return NotFoundError("\n".join(lines), tuple(each.id for each in shown))


def _describe(database: sqlite3.Connection, found: Found) -> str:
    method, url = database.execute("SELECT method, url FROM exchanges WHERE at = ?", (found.at,)).fetchone()
    return f"{found.id} ({started_at(found.at)[:19]}Z {method} {url[:80]})"


def _agreeing(one: str, other: str) -> int:
    """How many first characters are the same."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))


def _select(database: sqlite3.Connection, where: str, *values: str | int) -> list[Found]:
    rows = database.execute(f"SELECT at, id, stem FROM exchanges WHERE {where}", values)
    return [Found(*row) for row in rows]
