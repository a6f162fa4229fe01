"""replay/recordings.py: an exchange by any of its files, a folder's oldest first, and what is said of others."""

import os
from pathlib import Path

import pytest

from replay.recordings import RecordingError, exchanges_in, read_exchange
from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.foreign import describe

AT_NS = 1_789_264_269_123_000_000
REQUEST = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
RESPONSE = b"HTTP/1.1 204 No Content\r\n\r\n"


def record(folder: Path, number: int = 0, apart_ns: int = 10**9) -> RecordedExchange:
    """An exchange and its three files, so much apart from the others."""
    at_ns, request = AT_NS + number * apart_ns, REQUEST % number
    facts = describe(request, RESPONSE, at_ns)
    stem = folder / names.stem(at_ns, facts.id[:8])
    for part, data in zip(names.PARTS, (request, RESPONSE, metadata.encode(facts)), strict=True):
        Path(f"{stem}{part}").write_bytes(data)
    return RecordedExchange(facts, request, RESPONSE)


def stem_of(folder: Path, exchange: RecordedExchange, number: int = 0) -> Path:
    return folder / names.stem(AT_NS + number * 10**9, exchange.metadata.id[:8])


def test_any_of_the_three_files_and_what_they_begin_with_is_the_exchange(tmp_path: Path) -> None:
    exchange = record(tmp_path)
    stem = stem_of(tmp_path, exchange)
    for part in ("", *names.PARTS):
        assert read_exchange(Path(f"{stem}{part}")) == exchange


def test_what_another_recorder_wrote_is_described_by_its_bytes_and_its_name(tmp_path: Path) -> None:
    exchange = record(tmp_path)
    stem = stem_of(tmp_path, exchange)
    Path(f"{stem}{names.METADATA}").unlink()
    assert read_exchange(Path(f"{stem}{names.RESPONSE}")) == exchange
    Path(f"{stem}{names.RESPONSE}").unlink()
    assert read_exchange(Path(f"{stem}{names.REQUEST}")).response == b""
    lone = tmp_path / "request.txt"
    lone.write_bytes(REQUEST % 0)
    os.utime(lone, ns=(AT_NS, AT_NS))
    assert read_exchange(lone).metadata == describe(REQUEST % 0, b"", AT_NS)


def test_a_folder_gives_what_it_holds_flat_or_by_day_oldest_first(tmp_path: Path) -> None:
    for folder in (tmp_path / "flat", tmp_path / "daily" / names.day(AT_NS)):
        folder.mkdir(parents=True)
        expected = [record(folder, number) for number in (2, 0, 1)]
        (folder / "stranger.txt").write_text("")
        root = tmp_path / folder.relative_to(tmp_path).parts[0]
        assert list(exchanges_in(root)) == [expected[1], expected[2], expected[0]]


def test_of_one_millisecond_metadata_tell_which_is_older(tmp_path: Path) -> None:
    expected = [record(tmp_path, number, apart_ns=1_000) for number in range(20)]
    assert list(exchanges_in(tmp_path)) == expected


def test_what_is_being_deleted_is_left_out(tmp_path: Path) -> None:
    gone, kept = record(tmp_path, 0), record(tmp_path, 1)
    leaving = tmp_path / ".ingest" / "deleting"
    leaving.mkdir(parents=True)
    stem = stem_of(tmp_path, gone)
    Path(f"{stem}{names.METADATA}").rename(leaving / f"{stem.name}{names.METADATA}")
    assert list(exchanges_in(tmp_path)) == [kept]


def test_a_damaged_one_is_an_error_or_told_and_passed_over(tmp_path: Path) -> None:
    damaged, whole = record(tmp_path, 0), record(tmp_path, 1)
    file = Path(f"{stem_of(tmp_path, damaged)}{names.METADATA}")
    file.write_bytes(b"{")
    problem = f"{file} is no metadata of a recording: Input data was truncated"
    problems: list[str] = []
    assert list(exchanges_in(tmp_path, problems.append)) == [whole]
    assert problems == [problem]
    with pytest.raises(RecordingError) as raised:
        list(exchanges_in(tmp_path))
    assert str(raised.value) == problem


def test_what_cannot_be_read_is_told_with_its_file(tmp_path: Path) -> None:
    exchange = record(tmp_path)
    stem = stem_of(tmp_path, exchange)
    (tmp_path / "notes_request.bin").write_text("# Notes\r\n\r\n")
    (tmp_path / "link_request.bin").symlink_to(f"{stem}{names.REQUEST}")
    cases = [
        (tmp_path / "none_request.bin", f"{tmp_path}/none_request.bin: no such file"),
        (tmp_path / "none", f"{tmp_path}/none: no such file, and no recording whose files begin so"),
        (
            tmp_path / "notes_request.bin",
            f"{tmp_path}/notes_request.bin is no recorded request: malformed head: Invalid method encountered",
        ),
        (tmp_path / "link", f"{tmp_path}/link_request.bin is a symbolic link, which is not followed"),
    ]
    for path, problem in cases:
        with pytest.raises(RecordingError) as raised:
            read_exchange(path)
        assert str(raised.value) == problem


def test_a_folder_without_recordings_and_none_at_all_are_told(tmp_path: Path) -> None:
    for path, problem in (
        (tmp_path, f"{tmp_path}: no recordings are in this folder"),
        (tmp_path / "none", f"{tmp_path}/none is missing"),
    ):
        with pytest.raises(RecordingError) as raised:
            list(exchanges_in(path))
        assert str(raised.value) == problem


def test_a_name_whose_time_is_none_is_told(tmp_path: Path) -> None:
    file = tmp_path / "2026-99-13_02-11-09.123_0123abcd_request.bin"
    file.write_bytes(REQUEST % 0)
    with pytest.raises(RecordingError, match="is no recorded request: time data '2026-99-13_02-11-09' does not match"):
        read_exchange(file)


def test_half_of_an_exchange_is_none(tmp_path: Path) -> None:
    exchange = record(tmp_path)
    stem = stem_of(tmp_path, exchange)
    for part in (names.RESPONSE, names.REQUEST):
        file = Path(f"{stem}{part}")
        file.rename(tmp_path / "away")
        with pytest.raises(RecordingError) as raised:
            read_exchange(stem)
        assert str(raised.value) == f"{file} is missing: without it, this is half of an exchange"
        (tmp_path / "away").rename(file)
