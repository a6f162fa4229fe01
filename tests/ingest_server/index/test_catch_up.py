"""The index is brought up to the files: what is missing, was open, has gone, or is to be read again."""

from pathlib import Path

import pytest

from ingest_server.index import catch_up
from ingest_server.index.catch_up import CatchUp, Scope
from ingest_server.index.entry import Entry
from ingest_server.index.writer import IndexWriter
from tests.ingest_server.index.exchanges import DECODED_BY, FIRST_NS, chat, entry, exchange_id, plain, stem_of
from tests.ingest_server.index.tables import check, row, rows
from traffic.capture import names
from traffic.capture.exchange import RecordedExchange


class Folder:
    """A log_dir of exchanges, and what was read of it."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path = path
        self.decoder = DECODED_BY
        self.was_read: list[int] = []
        self._exchanges: dict[str, RecordedExchange] = {}

    def add(self, *exchanges: RecordedExchange, day: bool = False) -> list[str]:
        """Their stems."""
        stems = []
        for each in exchanges:
            stem = stem_of(each.metadata)
            stem = f"{stem[:10]}/{stem}" if day else stem
            for part in names.PARTS:
                path = self.path / f"{stem}{part}"
                path.parent.mkdir(exist_ok=True)
                path.touch()
            self._exchanges[stem] = each
            stems.append(stem)
        return stems

    def delete(self, stem: str) -> None:
        for part in names.PARTS:
            (self.path / f"{stem}{part}").unlink()

    def read(self, stem: str) -> Entry | None:
        exchange = self._exchanges.get(stem)
        if exchange is None:
            return None
        self.was_read.append(int(exchange.metadata.id[:8], 16))
        made = entry(exchange, self.decoder)
        return made._replace(row=made.row._replace(stem=stem))

    def catch_up(self, writer: IndexWriter, scope: Scope = Scope()) -> CatchUp:  # noqa: B008 (frozen)
        self.was_read = []
        job = CatchUp(self.path, writer, self.read, scope)
        while job.step():
            assert job.done <= job.total or job.total == 0
        check(writer.database)
        return job


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "logs")


def indexed(writer: IndexWriter) -> list[str]:
    return [each.stem for each in rows(writer.database)]


def test_what_is_in_the_folder_is_in_the_index_then_oldest_first(folder: Folder, writer: IndexWriter) -> None:
    stems = [*folder.add(plain(1), plain(90_000_000)), *folder.add(plain(2), plain(90_000_001), day=True)]
    job = folder.catch_up(writer)
    assert indexed(writer) == sorted(stems, key=lambda stem: stem[-32:])
    assert folder.was_read == [1, 2, 90_000_000, 90_000_001]
    assert (job.done, job.total, job.indexed, job.removed, job.refused) == (4, 4, 4, 0, 0)


def test_what_is_indexed_is_not_read_again_but_what_was_open(folder: Folder, writer: IndexWriter) -> None:
    folder.add(plain(1), plain(2, completed=False), plain(3))
    folder.catch_up(writer)
    folder.add(plain(2), plain(4))
    folder.catch_up(writer)
    assert folder.was_read == [2, 4]
    assert row(writer.database, 2).is_open == 0


def test_what_has_no_files_any_more_is_removed(folder: Folder, writer: IndexWriter) -> None:
    stems = folder.add(*(plain(number) for number in range(5)))
    folder.catch_up(writer)
    for stem in (stems[0], stems[2], stems[4]):
        folder.delete(stem)
    assert folder.catch_up(writer).removed == 3
    assert indexed(writer) == [stems[1], stems[3]]


def test_an_emptied_folder_empties_the_index(folder: Folder, writer: IndexWriter) -> None:
    for stem in folder.add(plain(1), plain(2)):
        folder.catch_up(writer)
        folder.delete(stem)
    folder.catch_up(writer)
    assert indexed(writer) == []


def test_with_a_beginning_what_is_older_is_left_alone(folder: Folder, writer: IndexWriter) -> None:
    stems = [*folder.add(plain(90_000_001), plain(90_000_002)), *folder.add(plain(1), day=True)]
    folder.catch_up(writer)
    folder.delete(stems[0])
    folder.add(plain(90_000_000), plain(90_000_003))
    folder.add(plain(2), day=True)
    since_us = FIRST_NS // 1000 + 90_000_002_000
    folder.catch_up(writer, Scope(since_us, everything=True))
    assert folder.was_read == [90_000_002, 90_000_003]
    assert stems[0] in indexed(writer)


def test_everything_is_read_again_when_told_so(folder: Folder, writer: IndexWriter) -> None:
    folder.add(plain(1), plain(2))
    folder.catch_up(writer)
    folder.decoder = "decoder 2"
    job = folder.catch_up(writer, Scope(everything=True))
    assert (folder.was_read, job.indexed) == ([1, 2], 2)
    assert {each.decoder for each in rows(writer.database)} == {"decoder 2"}


def test_with_another_decoder_only_what_it_has_not_decoded_is_read_again(folder: Folder, writer: IndexWriter) -> None:
    folder.add(plain(1))
    folder.catch_up(writer)
    folder.decoder = "decoder 2"
    folder.add(plain(2))
    folder.catch_up(writer)
    folder.catch_up(writer, Scope(other_than="decoder 2"))
    assert folder.was_read == [1]
    folder.catch_up(writer, Scope(other_than="decoder 2"))
    assert folder.was_read == []


def test_one_that_cannot_be_read_costs_that_one_alone(folder: Folder, writer: IndexWriter) -> None:
    folder.add(plain(1), plain(3))
    (folder.path / f"{stem_of(plain(2).metadata)}{names.METADATA}").touch()
    job = folder.catch_up(writer)
    assert (job.indexed, job.refused, job.done, job.total) == (2, 1, 3, 3)
    assert folder.catch_up(writer).refused == 1


def test_other_things_in_the_folder_are_passed_over(folder: Folder, writer: IndexWriter, tmp_path: Path) -> None:
    folder.add(plain(1))
    elsewhere = Folder(tmp_path / "elsewhere")
    elsewhere.add(plain(2))
    (folder.path / "2026-09-14").symlink_to(elsewhere.path)
    (folder.path / ".ingest" / "deleting").mkdir(parents=True)
    (folder.path / "notes.txt").touch()
    (folder.path / f"2026-13-33_02-11-09.123_00000001{names.METADATA}").touch()
    (folder.path / f"{stem_of(plain(4).metadata)}{names.REQUEST}").touch()
    (folder.path / "2026-09-12").mkdir()
    (folder.path / "2026-09-12" / f"{stem_of(plain(5).metadata)}{names.METADATA}").touch()
    job = folder.catch_up(writer)
    assert (job.total, job.indexed, job.refused) == (1, 1, 0)


def test_many_are_compared_in_pieces_and_none_is_missed_between(
    folder: Folder, writer: IndexWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "CHUNK", 3)
    monkeypatch.setattr(catch_up, "ENTRIES_PER_STEP", 2)
    monkeypatch.setattr(catch_up, "STEP_S", 0.0)
    stems = folder.add(*(plain(number) for number in range(40)))
    folder.catch_up(writer)
    for stem in stems[::3]:
        folder.delete(stem)
    folder.add(*(plain(number) for number in range(40, 50)))
    job = folder.catch_up(writer)
    assert (job.indexed, job.removed) == (10, 14)
    assert len(rows(writer.database)) == 36


def test_what_others_put_in_between_stays(folder: Folder, writer: IndexWriter) -> None:
    folder.add(plain(1), plain(2))
    job = CatchUp(folder.path, writer, folder.read, Scope())
    folder.add(plain(7))
    number = 10
    while job.step():
        (live,) = folder.add(plain(number))
        made = folder.read(live)
        assert made is not None
        writer.put([made])
        number += 1
    assert [each.id for each in rows(writer.database)] == [exchange_id(each) for each in (1, 2, 7, *range(10, number))]
    check(writer.database)


def test_conversations_are_found_together_again_from_the_files(folder: Folder, writer: IndexWriter) -> None:
    folder.add(chat(1, ["Hi"], "Hello"), chat(3, ["Hi", "Hello", "Thanks"], "Welcome"))
    folder.catch_up(writer)
    before = rows(writer.database)
    folder.catch_up(writer, Scope(everything=True))
    assert rows(writer.database) == before
    assert row(writer.database, 3).parent == exchange_id(1)


def test_a_pass_ends_where_the_folder_cannot_be_read(writer: IndexWriter, tmp_path: Path) -> None:
    job = CatchUp(tmp_path / "absent", writer, lambda _: None, Scope())
    with pytest.raises(FileNotFoundError):
        job.step()
    assert not job.step()
