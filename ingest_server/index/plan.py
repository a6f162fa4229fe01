"""How the rows that filters ask for are found, newest first: which index is walked, and what is checked of each row.

Each filter can be checked of a row; most can also be walked: an index that holds only rows which pass it, in the order
of time. The one with the fewest rows is walked, the others are checked. They are counted up to COUNT_MAX, which takes
a millisecond; beyond it rows that pass come so thick that walking any of them finds a page soon.

    walked in order    equality with an indexed column: its index goes on by `at`
    sorted             a range of an indexed column, where it holds fewer than COUNT_MAX rows
    neither            the figures: rows are walked by time, in an index that has these columns alone

Pure but for the counting. Called by queries.py and what it is made of.
"""

import sqlite3
from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from ingest_server.index.filters import Filters
from ingest_server.index.match import match_expression, words_beginning
from ingest_server.index.row import key_range

COUNT_MAX: Final = 5_000
KEY_MAX: Final = 2**63 - 1

Values = tuple[str | int | float, ...]


class Keys(NamedTuple):
    """The keys `at` of a stretch of time: from `low` to below `high`."""

    low: int = 0
    high: int = KEY_MAX


class Statement(NamedTuple):
    sql: str
    values: Values


class Walk(NamedTuple):
    """What to go through, and the condition by which it has only rows that pass."""

    source: str
    where: str
    values: Values
    at: str = "e.at"
    join: str = ""  # how the row `e` is found, where the source is not `e` itself


class Criterion(NamedTuple):
    """One filter. `walks`: together they give each row that passes, none twice; () where there is no index for it."""

    check: str  # a condition on `e`
    values: Values
    walks: tuple[Walk, ...] = ()
    is_sorted: bool = True  # the walks go by `at`
    is_of_by_time: bool = False  # the check needs no column that the index by_time lacks


def keys_of(filters: Filters, cursor: int | None = None) -> Keys:
    """What may pass by its time, and, behind a cursor, was not on an earlier page."""
    low, high = key_range(filters.since_us or 0, filters.until_us or 0)
    return Keys(low, min(KEY_MAX if filters.until_us is None else high, KEY_MAX if cursor is None else cursor))


class Plan:
    """`is_few`: fewer than COUNT_MAX rows are to be looked at, as far as was counted. `words`: the query of FTS5."""

    def __init__(self, database: sqlite3.Connection, filters: Filters, keys: Keys, besides: str = "") -> None:
        """`besides`: one more condition on `e`."""
        self._keys = keys
        self.words = None if filters.q is None else match_expression(filters.q, partial(words_beginning, database))
        words = () if filters.q is None else (_words(self.words),)
        self._criteria = [*words, *_criteria(filters), *([Criterion(besides, ())] if besides else [])]
        counted = [(_count(database, each, keys), each) for each in self._criteria if each.walks]
        usable = [(count, each) for count, each in counted if each.is_sorted or count < COUNT_MAX]
        count, driver = min(usable, key=lambda pair: pair[0], default=(COUNT_MAX, None))
        self.is_few = count < COUNT_MAX
        self._walks = driver.walks if driver is not None else (_by_time(self._criteria),)
        self._checked = [each for each in self._criteria if each is not driver]

    def newest(self, limit: int) -> Statement:
        """Selects the keys of the newest rows that pass."""
        sql, values = self._union(None)
        return Statement(f"{sql} ORDER BY 1 DESC LIMIT ?", (*values, limit))

    def select(self, columns: str) -> Statement:
        """Selects columns of `e` of all rows that pass, in no order."""
        return self._union(columns)

    def check(self) -> Statement:
        """A condition on `e` that holds for the rows that pass."""
        checks = [*(each.check for each in self._criteria), "e.at >= ? AND e.at < ?"]
        return Statement(
            " AND ".join(checks), (*(value for each in self._criteria for value in each.values), *self._keys)
        )

    def _union(self, columns: str | None) -> Statement:
        parts = [_select(walk, self._checked, self._keys, columns) for walk in self._walks]
        return Statement(
            " UNION ALL ".join(part.sql for part in parts), tuple(value for part in parts for value in part.values)
        )


def _select(walk: Walk, checked: list[Criterion], keys: Keys, columns: str | None = None) -> Statement:
    """`columns` None: the key."""
    source = f"{walk.source} {walk.join}" if checked or columns else walk.source
    conditions = [walk.where, f"{walk.at} >= ? AND {walk.at} < ?", *(each.check for each in checked)]
    values = (*walk.values, *keys, *(value for each in checked for value in each.values))
    return Statement(f"SELECT {columns or walk.at} FROM {source} WHERE {' AND '.join(conditions)}", values)


def _count(database: sqlite3.Connection, criterion: Criterion, keys: Keys) -> int:
    count = 0
    for walk in criterion.walks:
        part = _select(walk, [], keys)
        count += database.execute(f"SELECT count(*) FROM ({part.sql} LIMIT {COUNT_MAX})", part.values).fetchone()[0]
    return count


def _criteria(filters: Filters) -> Iterator[Criterion]:
    for column, value in (("session", filters.session), ("key", filters.key)):
        if value is not None:
            yield _equal(column, value)
    if filters.tool is not None:
        yield _tool(filters.tool)
    if filters.error is not None:
        yield _error(filters.error)
    if filters.status is not None:
        yield _status(filters.status)
    if filters.model is not None:
        yield _model(filters.model)
    if filters.path is not None:
        yield _path(filters.path)
    for column, value in (("provider", filters.provider), ("route", filters.route), ("method", filters.method)):
        if value is not None:
            yield _equal(column, value)
    yield from _figures(filters)


def _equal(column: str, value: str | int) -> Criterion:
    where = f"e.{column} = ?"
    return Criterion(where, (value,), (_indexed(f"by_{column}", where, (value,)),))


def _range(column: str, where: str, values: Values, *, is_of_by_time: bool) -> Criterion:
    return Criterion(
        where, values, (_indexed(f"by_{column}", where, values),), is_sorted=False, is_of_by_time=is_of_by_time
    )


def _indexed(index: str, where: str, values: Values) -> Walk:
    return Walk(f"exchanges AS e INDEXED BY {index}", where, values)


def _words(expression: str | None) -> Criterion:
    if expression is None:
        return Criterion("0", (), (Walk("exchanges AS e", "0", ()),))
    join = "CROSS JOIN exchanges AS e ON e.at = words.rowid"
    walk = Walk("words", "words MATCH ?", (expression,), "words.rowid", join)
    check = "EXISTS (SELECT 1 FROM words WHERE words MATCH ? AND words.rowid = e.at)"
    return Criterion(check, (expression,), (walk,))


def _tool(name: str) -> Criterion:
    walk = Walk("tools AS t", "t.name = ?", (name,), "t.at", "CROSS JOIN exchanges AS e ON e.at = t.at")
    return Criterion("EXISTS (SELECT 1 FROM tools AS t WHERE t.name = ? AND t.at = e.at)", (name,), (walk,))


def _error(name: str) -> Criterion:
    if name == "none":
        return Criterion("e.error IS NULL", (), is_of_by_time=True)
    return _range("error", "e.error > ?", ("",), is_of_by_time=True) if name == "any" else _equal("error", name)


def _status(statuses: range) -> Criterion:
    if len(statuses) == 1:
        return _equal("status", statuses.start)
    return _range("status", "e.status >= ? AND e.status < ?", (statuses.start, statuses.stop), is_of_by_time=True)


def _model(name: str) -> Criterion:
    asked = _indexed("by_model", "e.model = ?", (name,))
    served = _indexed("by_served", "e.response_model = ? AND e.response_model IS NOT e.model", (name,))
    return Criterion("? IN (e.model, e.response_model)", (name,), (asked, served))


def _path(path: str) -> Criterion:
    if not path.endswith("*"):
        return _equal("path", path)
    beginning = path[:-1]
    return _range("path", "e.path >= ? AND e.path < ?", (beginning, f"{beginning}\U0010ffff"), is_of_by_time=False)


_FIGURES: Final = (
    ("min_latency_ms", "e.duration_ms >= ?"),
    ("max_latency_ms", "e.duration_ms <= ?"),
    ("min_tokens", "coalesce(e.input_tokens + e.output_tokens, e.input_tokens, e.output_tokens) >= ?"),
    ("max_tokens", "coalesce(e.input_tokens + e.output_tokens, e.input_tokens, e.output_tokens) <= ?"),
    ("min_cost_usd", "e.cost_usd >= ?"),
    ("max_cost_usd", "e.cost_usd <= ?"),
)


def _figures(filters: Filters) -> Iterator[Criterion]:
    for field, check in _FIGURES:
        value = getattr(filters, field)
        if value is not None:
            yield Criterion(check, (value,), is_of_by_time=True)


def _by_time(criteria: list[Criterion]) -> Walk:
    """In the index of figures, where all that is checked is in it: it is a tenth of the table."""
    has_all = all(each.is_of_by_time for each in criteria)
    return Walk("exchanges AS e INDEXED BY by_time" if has_all else "exchanges AS e", "1", ())
