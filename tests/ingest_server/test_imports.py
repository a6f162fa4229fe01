"""ingest_server/imports.py: exchanges of others get into a folder whole, once, and in nobody's place."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings

from ingest_server import files
from ingest_server.imports import Imports, Outcome
from replay.log_folder import list_folder
from replay.recordings import exchanges_in
from replay.verify import verify
from tests.ingest_server.recorder_side import recordings
from tests.traffic.export.stored import CHUNKED, REQUEST, VARIED, exchanges, stored
from traffic.capture import names
from traffic.capture.exchange import RecordedExchange

STEM = "2026-09-13_02-11-10.123_00000001"
ONE = stored(1, REQUEST, CHUNKED)


def imports(folder: Path, *, daily: bool = False) -> Imports:
    stems = list_folder(folder, None).stems if folder.exists() else []
    return Imports(folder, stems, daily=daily)


def put(folder: Path, *recorded: RecordedExchange, daily: bool = False) -> list[Outcome]:
    into = imports(folder, daily=daily)
    return [into.put(each) for each in recorded]


@settings(deadline=None, max_examples=30)
@given(exchanges())
def test_whatever_is_put_there_is_read_back(recorded: list[RecordedExchange]) -> None:
    with TemporaryDirectory() as folder:
        assert put(Path(folder), *recorded) == [Outcome.STORED] * len(recorded)
        assert (list(exchanges_in(Path(folder))) if recorded else []) == recorded


@pytest.mark.parametrize("daily", [False, True])
def test_names_modes_and_layout_are_the_ingest_server_s_own(tmp_path: Path, *, daily: bool) -> None:
    folder = tmp_path / "new" / "logs"
    put(folder, *VARIED[:4], daily=daily)
    stem = f"{'2026-09-13/' * daily}{STEM}"
    assert {f"{stem}{part}" for part in names.PARTS} <= set(recordings(folder))
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_dir()} == {0o700}
    report = verify(folder)
    assert (report.exchanges, report.faults) == (4, ())
    assert list((folder / ".ingest").iterdir()) == []


def test_what_is_here_already_is_left_alone_and_another_with_its_id_is_refused(tmp_path: Path) -> None:
    put(tmp_path, ONE)
    before = recordings(tmp_path)
    later = ONE._replace(metadata=msgspec.structs.replace(ONE.metadata, started_at="2026-09-13T09:00:00.000000Z"))
    for other in (stored(1, REQUEST, CHUNKED + b"x"), later):
        assert put(tmp_path, ONE, other, ONE) == [Outcome.HERE, Outcome.OTHER, Outcome.HERE]
    assert recordings(tmp_path) == before


def test_the_same_twice_in_one_import_is_stored_once(tmp_path: Path) -> None:
    assert put(tmp_path, ONE, ONE) == [Outcome.STORED, Outcome.HERE]


def test_a_name_that_another_exchange_has_is_not_taken(tmp_path: Path) -> None:
    twin = ONE._replace(metadata=msgspec.structs.replace(ONE.metadata, id=ONE.metadata.id[:-1] + "c"))
    assert put(tmp_path, ONE, twin) == [Outcome.STORED] * 2
    assert put(tmp_path, twin, ONE) == [Outcome.HERE] * 2, "found under its other digits"
    assert sorted(each.metadata.id for each in exchanges_in(tmp_path)) == [twin.metadata.id, ONE.metadata.id][::-1]
    assert verify(tmp_path).faults == ()


@pytest.mark.parametrize("kept_bytes", [0, 10, len(REQUEST)])
def test_what_an_interrupted_import_left_is_finished_by_the_next(tmp_path: Path, kept_bytes: int) -> None:
    (tmp_path / f"{STEM}_request.bin").write_bytes(REQUEST[:kept_bytes])
    assert put(tmp_path, ONE) == [Outcome.STORED]
    assert list(exchanges_in(tmp_path)) == [ONE]
    assert len(recordings(tmp_path)) == 3


def test_files_that_are_not_its_own_leftovers_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / f"{STEM}_response.bin").write_bytes(b"someone's")
    outside = tmp_path / "outside"
    outside.write_bytes(b"")
    (tmp_path / f"{STEM[:-8]}8b1c4e5f_request.bin").symlink_to(outside)
    assert put(tmp_path, ONE) == [Outcome.STORED]
    assert (tmp_path / f"{STEM}_response.bin").read_bytes() == b"someone's"
    assert not (tmp_path / f"{STEM}_request.bin").exists()
    assert outside.read_bytes() == b""
    (path,) = tmp_path.glob("*_metadata.json")
    assert path.name == "2026-09-13_02-11-10.123_9a2b3c4d_metadata.json"


def test_where_the_disk_is_full_nothing_of_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, _data: bytes) -> None:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(files, "write_over", refuse)
    with pytest.raises(OSError, match="No space left"):
        put(tmp_path, ONE)
    assert recordings(tmp_path) == {}


def test_at_every_moment_a_reader_finds_the_whole_exchange_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index looks for metadata; when that is there, everything is."""
    seen: list[bool] = []
    replace = os.replace

    def look_around(source: str, target: str) -> None:
        seen.append(any(tmp_path.glob("*_metadata.json")))
        replace(source, target)
        seen.append(list(exchanges_in(tmp_path)) == [ONE])

    monkeypatch.setattr(os, "replace", look_around)
    put(tmp_path, ONE)
    assert seen == [False, True]


def test_a_start_that_is_no_moment_is_refused(tmp_path: Path) -> None:
    odd = ONE._replace(metadata=msgspec.structs.replace(ONE.metadata, started_at="2026-99-13T02:11:09.123456Z"))
    with pytest.raises(ValueError, match="is no date and time"):
        put(tmp_path, odd)
    assert recordings(tmp_path) == {}
