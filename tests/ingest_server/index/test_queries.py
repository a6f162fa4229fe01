"""What holds for every query: an index that is missing, damaged, replaced or written meanwhile, and a slow query."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest_server.index.filters import Filters
from ingest_server.index.problems import NoIndexError, TooSlowError
from ingest_server.index.queries import Queries
from ingest_server.index.schema import open_index, remove_index
from tests.ingest_server.index.filled import put
from tests.ingest_server.index.kept import kept


def test_without_an_index_it_is_said_what_makes_one(index_file: Path) -> None:
    with pytest.raises(NoIndexError) as raised:
        Queries(index_file).exchanges(Filters())
    assert str(raised.value) == f"there is no index at {index_file}; an ingest server makes it, or `recorder reindex`"
    assert not index_file.exists()


def test_a_damaged_index_is_told_as_such(index_file: Path) -> None:
    index_file.write_bytes(b"no database" * 1_000)
    with pytest.raises(NoIndexError) as raised:
        Queries(index_file).exchanges(Filters())
    assert str(raised.value) == "the index cannot be read: file is not a database"


def test_an_index_that_was_made_anew_is_the_one_that_is_read(
    index: sqlite3.Connection, index_file: Path, queries: Queries
) -> None:
    put(index, [kept(1)])
    assert len(queries.exchanges(Filters()).exchanges) == 1
    remove_index(index_file)
    new = open_index(index_file)
    put(new, [kept(2), kept(3)])
    assert len(queries.exchanges(Filters()).exchanges) == 2
    new.close()


def test_an_index_that_nobody_writes_can_be_read(index_file: Path) -> None:
    database = open_index(index_file)
    put(database, [kept(1)])
    database.close()
    assert _count(Queries(index_file)) == 1


def test_a_query_that_takes_too_long_is_interrupted(
    index: sqlite3.Connection, index_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest_server.index.queries._STEPS_BETWEEN_LOOKS", 1)
    put(index, [kept(number) for number in range(100)])
    with pytest.raises(TooSlowError) as raised:
        Queries(index_file, timeout_s=0).exchanges(Filters(min_cost_usd=1))
    assert str(raised.value) == "the query took longer than 0 s; narrow it down, as by since and until"


def test_queries_of_many_threads_read_while_another_writes(index: sqlite3.Connection, queries: Queries) -> None:
    with ThreadPoolExecutor(8) as pool:
        counts = []
        for number in range(20):
            put(index, [kept(number)])
            counts.append(pool.submit(_count, queries))
        assert all(count.result() >= number for number, count in enumerate(counts, 1))


def _count(queries: Queries) -> int:
    return len(queries.exchanges(Filters(), 1_000).exchanges)
