"""replay/archives.py: files are known by what they hold, whatever they are called."""

import gzip
import os
from pathlib import Path

import pytest

from ingest_server.imports import Imports
from replay.archives import exchanges_from, is_archive
from replay.recordings import RecordingError
from tests.traffic.export.made import export
from tests.traffic.export.stored import VARIED

RECORDED = list(VARIED[:3])


@pytest.mark.parametrize("name", ["bundle", "warc", "har"])
def test_a_file_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / "anything"
    path.write_bytes(export(name, *RECORDED)[0])
    found = list(exchanges_from(path, pytest.fail))
    assert [each.metadata.id for each in found] == [each.metadata.id for each in RECORDED]
    assert (found == RECORDED) is (name != "har")


def test_parts_of_one_exchange_are_no_archives(tmp_path: Path) -> None:
    for name, content in (
        ("a_metadata.json", b"{}"),
        ("a_request.bin", b"{}"),
        ("x", b"POST / HTTP/1.1"),
        ("y", b"{}"),
    ):
        (tmp_path / name).write_bytes(content)
    names = ("a_metadata.json", "a_request.bin", "x", "nowhere", "y")
    assert [is_archive(tmp_path / name) for name in names] == [False, False, False, False, True]


def test_a_packed_warc_and_a_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(export("warc", *RECORDED)[0]))
    assert list(exchanges_from(tmp_path / "x", pytest.fail)) == RECORDED
    into = Imports(tmp_path / "logs", [], daily=True)
    for each in RECORDED:
        into.put(each)
    assert list(exchanges_from(tmp_path / "logs", pytest.fail)) == RECORDED


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no HAR file, no WARC file, no bundle and no folder of recordings"),
        (b"POST / HTTP/1.1\r\n", "is no HAR file, no WARC file, no bundle and no folder of recordings"),
        (gzip.compress(b"{}", mtime=0), "is no HAR file, no WARC file, no bundle and no folder of recordings"),
        (b"\x1f\x8bnonsense", "is no HAR file, no WARC file, no bundle and no folder of recordings"),
        (b"{}", ": it is no HAR file: it has no log.entries"),
        (b"PK\x03\x04", ": it is no zip that can be read: File is not a zip file"),
    ],
)
def test_what_is_none_of_them_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(RecordingError) as raised:
        list(exchanges_from(path, pytest.fail))
    assert str(raised.value) == f"{path}{'' if problem.startswith(':') else ' '}{problem}"


def test_what_cannot_be_opened_is_told_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (("pipe", "is not a regular file"), ("nowhere", "is missing")):
        with pytest.raises(RecordingError) as raised:
            list(exchanges_from(tmp_path / name, pytest.fail))
        assert str(raised.value) == f"{tmp_path / name} {problem}"


def test_what_is_wrong_with_one_exchange_is_told_with_the_file_s_name(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b'{"log": {"entries": [{}]}}')
    problems: list[str] = []
    assert list(exchanges_from(path, problems.append)) == []
    assert problems == [f"{path}: entry 1: Object missing required field `startedDateTime`"]
