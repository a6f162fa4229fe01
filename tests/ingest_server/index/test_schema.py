"""The database's file: what becomes of an absent, foreign, older or damaged one, and who may read it."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from ingest_server.index.row import Row
from ingest_server.index.schema import OtherVersionError, is_damage, open_index, open_reader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


def _put_something(path: Path) -> None:
    database = open_index(path)
    database.execute("INSERT INTO tools VALUES ('search', 1)")
    database.close()


def _count(path: Path) -> int:
    database = open_index(path)
    (count,) = database.execute("SELECT count(*) FROM tools").fetchone()
    database.close()
    return int(count)


def test_a_row_has_the_columns_of_its_table_in_their_order(path: Path) -> None:
    database = open_index(path)
    assert tuple(name for _, name, *_ in database.execute("PRAGMA table_info(exchanges)")) == Row._fields
    database.close()


def test_what_is_in_an_index_is_there_when_it_is_opened_again(path: Path) -> None:
    _put_something(path)
    assert _count(path) == 1


@pytest.mark.parametrize("pragma", ["user_version = 7", "application_id = 7"])
def test_an_index_of_another_version_is_made_anew(path: Path, pragma: str, caplog: pytest.LogCaptureFixture) -> None:
    _put_something(path)
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA {pragma}")
    database.close()
    with pytest.raises(OtherVersionError, match="it is of another version"):
        open_reader(path)
    assert _count(path) == 0
    assert caplog.messages == ["the index is made anew from the recordings: it is of another version"]


def test_a_file_that_is_no_database_is_made_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"no database" * 1000)
    assert _count(path) == 0
    assert caplog.messages == ["the index is made anew from the recordings: file is not a database"]


def test_only_the_owner_reads_an_index_and_the_files_beside_it(path: Path) -> None:
    database = open_index(path)
    database.execute("INSERT INTO tools VALUES ('search', 1)")
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    database.close()
    assert modes == {"index.sqlite": 0o600, "index.sqlite-wal": 0o600, "index.sqlite-shm": 0o600}


def test_no_index_is_written_through_a_link(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=os.strerror(40)):
        open_index(path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_reader_sees_what_was_committed_and_changes_nothing(path: Path) -> None:
    writer = open_index(path)
    reader = open_reader(path)
    writer.execute("INSERT INTO tools VALUES ('search', 1)")
    assert reader.execute("SELECT name FROM tools").fetchall() == [("search",)]
    with pytest.raises(sqlite3.OperationalError, match="attempt to write a readonly database"):
        reader.execute("DELETE FROM tools")
    writer.close()
    reader.close()


def test_where_no_index_is_a_reader_says_so_and_makes_none(path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        open_reader(path)
    assert str(caught.value) == f"there is no index at {path}"
    assert not path.exists()


def test_damage_is_told_from_a_disk_that_is_full_or_busy(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    database = sqlite3.connect(path)
    with pytest.raises(sqlite3.DatabaseError) as damaged:
        database.execute("SELECT * FROM sqlite_master")
    with pytest.raises(sqlite3.OperationalError) as other:
        sqlite3.connect(path.parent / "absent" / "index.sqlite")
    database.close()
    assert is_damage(damaged.value)
    assert not is_damage(other.value)
