"""What the tables hold after any changes: a row per exchange, and totals, tools and words that belong to the rows."""

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_server.index.entry import Entry
from ingest_server.index.row import KEYS_PER_US
from ingest_server.index.schema import open_reader
from ingest_server.index.writer import IndexLostError, IndexWriter
from tests.ingest_server.index.exchanges import chat, entry, exchange_id, plain
from tests.ingest_server.index.tables import check, found, hours, row, rows
from traffic.capture.metadata import ErrorFields

GONE = ErrorFields("client_disconnect", "response_body", "client", "the client went away")


def _with_tool(number: int, name: str) -> Entry:
    one = entry(chat(number, ["Hi"], "Hello"))
    return one._replace(row=one.row._replace(tools=f"{name}\nsearch"))


# One exchange in several versions each, of which three continue each other in some.
_VERSIONS: list[list[Entry]] = [
    [entry(chat(1, ["Hi"], "Hello")), entry(chat(1, ["Hi"], "Hello", user="ann")), _with_tool(1, "look")],
    [entry(chat(2, ["Hi", "Hello", "Weather?"], "Sunny")), entry(chat(2, ["Hi", "Hello", "Weather?"]))],
    [entry(chat(3, ["Hi", "Hello", "Weather?", "Sunny", "Thanks"], "Welcome", model="gpt-4o-mini"))],
    [entry(plain(4)), entry(plain(4, completed=False)), entry(plain(4, completed=False, error=GONE))],
    [entry(plain(5_000_000, key="ann")), entry(chat(5_000_000, ["Hi"], "Hello"))],
    [entry(plain(6, headers=(("X-Session-Id", "s"),))), entry(chat(6, ["Hi"], "Hi", (("x-session-id", "s"),)))],
]
_entries = st.sampled_from([version for versions in _VERSIONS for version in versions])
_changes = st.lists(st.tuples(st.just("put"), st.lists(_entries)) | st.tuples(st.just("remove"), st.lists(_entries)))


@given(_changes)
@settings(deadline=None)
def test_after_any_changes_everything_derived_is_what_counting_the_rows_gives(
    changes: list[tuple[str, list[Entry]]],
) -> None:
    expected: dict[str, Entry] = {}
    with tempfile.TemporaryDirectory() as folder:
        writer = IndexWriter(Path(folder) / "index.sqlite")
        for change, entries in changes:
            if change == "put":
                writer.put(entries)
                expected |= {each.row.stem: each for each in entries}
            else:
                gone = {each.row.stem for each in entries}
                writer.remove(gone)
                expected = {stem: each for stem, each in expected.items() if stem not in gone}
            check(writer.database)
        own = {each.stem: each._replace(session=None, parent=None) for each in rows(writer.database)}
        writer.close()
    assert own.keys() == expected.keys()
    for stem, each in expected.items():
        put = each.row._replace(session=None, parent=None)
        assert own[stem][:15] == put[:15]
        assert own[stem].tools == put.tools


@given(st.permutations([versions[0] for versions in _VERSIONS]), st.integers(1, 6))
@settings(deadline=None)
def test_in_whatever_order_exchanges_come_the_index_is_the_same(order: list[Entry], size: int) -> None:
    found = []
    for entries in (order, sorted(order, key=lambda each: each.row.at)):
        with tempfile.TemporaryDirectory() as folder:
            writer = IndexWriter(Path(folder) / "index.sqlite")
            for start in range(0, len(entries), size):
                writer.put(entries[start : start + size])
            check(writer.database)
            found.append((rows(writer.database), hours(writer.database)))
            writer.close()
    assert found[0] == found[1]


def test_an_exchange_that_is_put_again_replaces_what_was_said_in_it(writer: IndexWriter) -> None:
    writer.put([entry(chat(1, ["Tell of whales"], "They sing"))])
    writer.put([entry(chat(1, ["Tell of sharks"], "They bite"), decoder="decoder 2")])
    assert (found(writer.database, "whales"), found(writer.database, "sharks")) == ([], [1])
    assert [each.decoder for each in rows(writer.database)] == ["decoder 2"]


def test_of_two_versions_in_one_batch_the_last_is_kept(writer: IndexWriter) -> None:
    writer.put([entry(plain(1, completed=False)), entry(plain(1))])
    assert [(each.is_open, each.completed) for each in rows(writer.database)] == [(0, 1)]


def test_exchanges_of_one_microsecond_have_keys_of_their_own_that_stay(writer: IndexWriter) -> None:
    one = entry(plain(1))
    others = [
        one._replace(row=one.row._replace(id=exchange_id(number), stem=f"{one.row.stem[:-8]}{number:08x}"))
        for number in (2, 3)
    ]
    writer.put([one, *others])
    keys = {each.id: each.at for each in rows(writer.database)}
    assert len(set(keys.values())) == 3
    assert {at // KEYS_PER_US for at in keys.values()} == {one.row.at // KEYS_PER_US}
    writer.put(others)
    assert {each.id: each.at for each in rows(writer.database)} == keys
    check(writer.database)


def test_removing_what_is_not_there_does_no_harm(writer: IndexWriter) -> None:
    writer.put([entry(plain(1))])
    writer.remove(["2026-09-13_02-11-09.001_0000ffff", "2026-13-33_02-11-09.001_00000001"])
    assert len(rows(writer.database)) == 1


def test_a_value_that_the_database_has_no_room_for_costs_that_exchange_alone(
    writer: IndexWriter, caplog: pytest.LogCaptureFixture
) -> None:
    one = entry(chat(1, ["Hi"], "Hello"))
    writer.put([one._replace(row=one.row._replace(input_tokens=2**70)), entry(chat(2, ["Hi"], "Hello"))])
    assert [each.id for each in rows(writer.database)] == [exchange_id(2)]
    assert caplog.messages == [f"{one.row.stem} cannot be indexed: Python int too large to convert to SQLite INTEGER"]
    check(writer.database)


def test_a_batch_that_fails_leaves_nothing(writer: IndexWriter) -> None:
    writer.put([entry(plain(1))])

    def entries() -> Any:
        yield entry(plain(2))
        raise KeyError

    with pytest.raises(KeyError):
        writer.put(entries())
    with pytest.raises(KeyError):
        writer.remove(_fails_behind(entry(plain(1)).row.stem))
    assert [each.id for each in rows(writer.database)] == [exchange_id(1)]
    check(writer.database)


def _fails_behind(stem: str) -> Any:
    yield stem
    raise KeyError


def test_readers_see_a_batch_when_it_is_whole(writer: IndexWriter, tmp_path: Path) -> None:
    reader = open_reader(tmp_path / "index.sqlite")
    writer.put([entry(plain(1)), entry(plain(2))])
    assert len(rows(reader)) == 2
    reader.close()


def test_an_index_that_somebody_deletes_is_made_anew(
    writer: IndexWriter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer.put([entry(plain(1))])
    (tmp_path / "index.sqlite").unlink()
    with pytest.raises(IndexLostError, match="it was deleted"):
        writer.put([entry(plain(2))])
    writer.put([entry(plain(2))])
    reader = open_reader(tmp_path / "index.sqlite")
    assert [each.id for each in rows(reader)] == [exchange_id(2)]
    reader.close()
    assert caplog.messages == ["the index is made anew from the recordings: it was deleted"]


def test_an_index_that_is_damaged_while_it_is_used_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    writer = IndexWriter(path)
    writer.put(entry(plain(number)) for number in range(100))
    writer.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    writer = IndexWriter(path)
    with pytest.raises(IndexLostError):
        writer.put([entry(plain(2))])
    writer.put([entry(plain(2))])
    assert row(writer.database, 2).id == exchange_id(2)
    check(writer.database)
    writer.close()


def test_a_full_disk_costs_the_batch_and_not_the_index(writer: IndexWriter) -> None:
    writer.put([entry(plain(1))])
    (pages,) = writer.database.execute("PRAGMA page_count").fetchone()
    writer.database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="database or disk is full"):
        writer.put(entry(plain(number)) for number in range(2, 500))
    writer.database.execute("PRAGMA max_page_count = 100000")
    assert len(rows(writer.database)) == 1
    writer.put([entry(plain(2))])
    check(writer.database)
