"""Sessions: which are listed, in what order, with what figures; and one of them as a tree."""

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_server.index.filters import Filters
from ingest_server.index.problems import NotFoundError
from ingest_server.index.queries import Queries
from ingest_server.index.schema import open_index
from ingest_server.index.session_pages import SessionPage, SessionSummary
from tests.ingest_server.index.filled import put
from tests.ingest_server.index.kept import Kept, any_filters, kept, many, on_an_index, passes


@on_an_index
@given(many(), any_filters(), st.sampled_from([1, 5_000]))
def test_a_session_is_listed_where_one_of_its_exchanges_passes(
    exchanges: list[Kept], filters: Filters, count_max: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest_server.index.plan.COUNT_MAX", count_max)
        path = Path(folder) / "index.sqlite"
        database = open_index(path)
        put(database, exchanges)
        page = Queries(path).sessions(filters)
        database.close()
    newest_first = [each.row.session for each in reversed(exchanges) if each.row.session is not None]
    passing = {each.row.session for each in exchanges if passes(filters, each)}
    assert [each.session for each in page.sessions] == [name for name in dict.fromkeys(newest_first) if name in passing]
    assert page.next is None


def test_a_session_tells_the_figures_of_all_its_exchanges(index: sqlite3.Connection, queries: Queries) -> None:
    first = kept(1, "plan the trip", session="s", model="gpt-4o", input_tokens=10, output_tokens=5, cost_usd=0.25)
    put(index, [first, kept(2, "go on", session="s", model="gpt-4o-mini", input_tokens=20, failed=True)])
    put(index, [kept(3, "go on", session="s", model="gpt-4o"), kept(4, session="other"), kept(5)])
    assert queries.sessions(Filters(model="gpt-4o-mini")) == SessionPage(
        [
            SessionSummary(
                session="s",
                started_at="2026-09-21T14:13:21.000000Z",
                last_at="2026-09-21T14:13:23.000000Z",
                exchanges=3,
                errors=1,
                models=["gpt-4o", "gpt-4o-mini"],
                input_tokens=30,
                output_tokens=5,
                cost_usd=0.25,
                preview="plan the trip",
            )
        ],
        None,
    )


def test_a_session_has_no_cost_where_that_of_none_of_its_exchanges_is_known(
    index: sqlite3.Connection, queries: Queries
) -> None:
    put(index, [kept(1, session="unknown"), kept(2, session="free", cost_usd=0.0), kept(3, session="free")])
    assert {each.session: each.cost_usd for each in queries.sessions(Filters()).sessions} == {
        "unknown": None,
        "free": 0,
    }


def test_sessions_come_in_pages(index: sqlite3.Connection, queries: Queries) -> None:
    put(index, [kept(number, session=f"s{number % 5}") for number in range(10)])
    first = queries.sessions(Filters(), 3)
    second = queries.sessions(Filters(), 3, first.next)
    assert [each.session for each in first.sessions + second.sessions] == ["s4", "s3", "s2", "s1", "s0"]
    assert second.next is None


@pytest.fixture
def run(index: sqlite3.Connection, queries: Queries) -> Queries:
    """0 ── 1 ── 3, 0 ── 2 ── 4, and 5, whose parent is not there."""
    parents = {1: 0, 2: 0, 3: 1, 4: 2, 5: 77}
    ids = {number: kept(number).row.id for number in range(78)}
    put(index, [kept(n, session="agent", parent=ids[parents[n]] if n in parents else None) for n in range(6)])
    put(index, [kept(6, session="agent of another")])
    return queries


def _shape(queries: Queries, limit: int, cursor: str | None) -> tuple[list[tuple[int, int]], str | None]:
    """Depth and number of each exchange."""
    numbers = {kept(number).row.id: number for number in range(6)}
    tree = queries.session("agent", limit, cursor)
    assert tree.session.exchanges == 6
    return [(node.depth, numbers[node.exchange.id]) for node in tree.exchanges], tree.next


def test_a_session_is_a_tree_of_what_continues_what(run: Queries) -> None:
    assert _shape(run, 100, None) == ([(0, 0), (1, 1), (2, 3), (1, 2), (2, 4), (0, 5)], None)


def test_a_long_session_comes_in_pages_the_newest_first(run: Queries) -> None:
    newest, cursor = _shape(run, 4, None)
    assert newest == [(0, 2), (1, 4), (0, 3), (0, 5)]
    assert _shape(run, 4, cursor) == ([(0, 0), (1, 1)], None)


def test_parents_that_point_at_each_other_lose_no_exchange(index: sqlite3.Connection, queries: Queries) -> None:
    one, two = kept(1).row.id, kept(2).row.id
    put(index, [kept(1, session="s", parent=two), kept(2, session="s", parent=one), kept(3, session="s", parent=two)])
    tree = queries.session("s")
    assert [(node.depth, node.exchange.id) for node in tree.exchanges] == [(0, one), (1, two), (2, kept(3).row.id)]


def test_a_session_is_found_by_the_beginning_of_its_name(index: sqlite3.Connection, queries: Queries) -> None:
    put(index, [kept(1, session="run-1"), kept(2, session="run-12"), kept(3, session="trip")])
    assert queries.session("tr").session.session == "trip"
    assert queries.session("run-1").session.session == "run-1"
    with pytest.raises(NotFoundError) as raised:
        queries.session("run")
    assert str(raised.value) == "run: several sessions' names begin so: run-1, run-12"
    assert raised.value.candidates == ("run-1", "run-12")
    with pytest.raises(NotFoundError) as raised:
        queries.session("x")
    assert str(raised.value) == "x: no session's name begins so"
