"""Pages of exchanges: which pass the filters, in what order, by what index, and that none is lost between two pages."""

import sqlite3
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_server.index.filters import FilterError, Filters
from ingest_server.index.plan import Plan, keys_of
from ingest_server.index.queries import Queries
from ingest_server.index.schema import open_index
from tests.ingest_server.index.filled import put, take
from tests.ingest_server.index.kept import Kept, any_filters, kept, many, on_an_index, passes
from tests.ingest_server.index.moments import NOW_US


def _ids(exchanges: list[Kept]) -> list[str]:
    return [each.row.id for each in sorted(exchanges, key=lambda each: -each.row.at)]


@on_an_index
@given(many(), any_filters(), st.sampled_from([1, 5_000]))
def test_a_page_holds_those_that_pass_newest_first(exchanges: list[Kept], filters: Filters, count_max: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest_server.index.plan.COUNT_MAX", count_max)
        path = Path(folder) / "index.sqlite"
        database = open_index(path)
        put(database, exchanges)
        page = Queries(path).exchanges(filters)
        database.close()
    assert [each.id for each in page.exchanges] == _ids([each for each in exchanges if passes(filters, each)])
    assert page.next is None


@on_an_index
@given(many(), any_filters(1), st.integers(1, 4), st.data())
def test_pages_show_each_exchange_once_while_others_come_and_go(
    exchanges: list[Kept], filters: Filters, limit: int, data: st.DataObject
) -> None:
    added = [kept(number) for number in range(100, 200)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite"
        database = open_index(path)
        put(database, exchanges)
        shown: list[str] = []
        removed: set[str] = set()
        cursor = None
        while True:
            page = Queries(path).exchanges(filters, limit, cursor)
            shown += [each.id for each in page.exchanges]
            cursor = page.next
            if cursor is None:
                break
            put(database, [added.pop(0)])
            victim = data.draw(st.sampled_from(exchanges))
            if victim.row.id not in removed:
                take(database, victim)
                removed.add(victim.row.id)
        database.close()
    expected = _ids([each for each in exchanges if passes(filters, each)])
    assert len(set(shown)) == len(shown)
    assert [each for each in expected if each not in removed] == [each for each in shown if each not in removed]
    assert set(shown) <= set(expected)


_ONE_OF_EACH: dict[str, tuple[Any, str]] = {
    "route": ("local", "by_route"),
    "provider": ("openai", "by_provider"),
    "model": ("gpt-4o", "by_model"),
    "status": (range(404, 405), "by_status"),
    "error": ("upstream_timeout", "by_error"),
    "session": ("s1", "by_session"),
    "key": ("alice", "by_key"),
    "method": ("POST", "by_method"),
    "path": ("/v1/chat", "by_path"),
    "since_us": (NOW_US, "at>? AND at<?"),
    "until_us": (NOW_US, "at>? AND at<?"),
    "min_latency_ms": (1.0, "by_time"),
    "max_latency_ms": (1.0, "by_time"),
    "min_tokens": (1, "by_time"),
    "max_tokens": (1, "by_time"),
    "min_cost_usd": (1.0, "by_time"),
    "max_cost_usd": (1.0, "by_time"),
    "q": ("dark", "VIRTUAL TABLE INDEX"),
    "tool": ("search", "t USING PRIMARY KEY"),
}


def _plan(index: sqlite3.Connection, filters: Filters) -> str:
    statement = Plan(index, filters, keys_of(filters)).newest(50)
    return "; ".join(row[3] for row in index.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.values))


@pytest.mark.parametrize("field", [each.name for each in fields(Filters)])
def test_each_filter_walks_an_index_in_the_order_of_time(index: sqlite3.Connection, field: str) -> None:
    value, expected = _ONE_OF_EACH[field]
    plan = _plan(index, Filters(**{field: value}))
    assert expected in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    "filters", [Filters(status=range(400, 500)), Filters(error="any"), Filters(path="/openai/*")], ids=str
)
def test_a_range_is_sorted_where_few_are_in_it_and_else_walked_by_time(
    index: sqlite3.Connection, filters: Filters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest_server.index.plan.COUNT_MAX", 3)
    columns: dict[str, Any] = {"status": 404, "error": "upstream_timeout", "path": "/openai/x"}
    put(index, [kept(1, **columns), kept(2, **columns)])
    assert "TEMP B-TREE" in _plan(index, filters)
    put(index, [kept(3, **columns)])
    plan = _plan(index, filters)
    assert "TEMP B-TREE" not in plan
    assert "(at>? AND at<?)" in plan or "(rowid>? AND rowid<?)" in plan


def test_of_two_filters_the_one_that_fewer_pass_is_walked(index: sqlite3.Connection) -> None:
    put(index, [kept(1, route="local", key="alice"), kept(2, route="local", key="bob"), kept(3, key="bob")])
    put(index, [kept(4, key="alice"), kept(5, key="alice")])
    assert "by_route" in _plan(index, Filters(route="local", key="alice"))
    assert "by_key" in _plan(index, Filters(method="POST", key="alice"))


def test_a_page_says_how_to_ask_for_the_next(queries: Queries, index: sqlite3.Connection) -> None:
    exchanges = [kept(number) for number in range(5)]
    put(index, exchanges)
    first = queries.exchanges(Filters(), 3)
    second = queries.exchanges(Filters(), 3, first.next)
    assert [len(first.exchanges), len(second.exchanges), second.next] == [3, 2, None]
    assert [each.id for each in first.exchanges + second.exchanges] == _ids(exchanges)


def test_a_page_has_at_most_a_thousand(queries: Queries, index: sqlite3.Connection) -> None:
    put(index, [kept(number) for number in range(1_001)])
    page = queries.exchanges(Filters(), 5_000)
    assert len(page.exchanges) == 1_000
    assert page.next is not None


@pytest.mark.parametrize("cursor", ["", "x", "-1", "10000000000000000f"])
def test_a_cursor_of_ones_own_is_refused(queries: Queries, cursor: str) -> None:
    with pytest.raises(FilterError) as raised:
        queries.exchanges(Filters(), 3, cursor)
    assert str(raised.value) == f"cursor={cursor}: expected the `next` of an earlier page"


def test_what_was_looked_for_is_shown_where_it_was_said(queries: Queries, index: sqlite3.Connection) -> None:
    put(index, [kept(1, "how do I get dark mode", "set darkMode"), kept(2, "x", "use a dark theme")])
    page = queries.exchanges(Filters(q="dark"))
    assert [each.snippet for each in page.exchanges] == ["use a «dark» theme", "how do I get «dark» mode"]
    assert queries.exchanges(Filters()).exchanges[0].snippet is None


@on_an_index
@given(st.text(max_size=40))
def test_any_text_can_be_looked_for(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite"
        database = open_index(path)
        put(database, [kept(1, text)])
        printable = text.encode("utf-8", "replace").decode()
        found = Queries(path).exchanges(Filters(q=printable)).exchanges
        database.close()
    assert all(each.id == kept(1).row.id for each in found)
