"""The thread that deletes: gradually, on and on, ended between two deletions, and never by an error of the disk."""

import logging
import threading
import time
from pathlib import Path

import pytest

from ingest_server import deletion, sweeper
from ingest_server.selection import CHUNK
from ingest_server.settings import Retention
from ingest_server.sweeper import Sweeper
from tests.ingest_server.recorder_side import recordings, started
from tests.ingest_server.test_selection import age, exchange, record

DEADLINE_S = 30.0


def wait_until_left(folder: Path, count: int) -> None:
    """Counts names only: the sweeper may delete a file between its listing and its opening."""
    deadline_s = time.monotonic() + DEADLINE_S
    while len(list(folder.rglob("2*_*.*"))) != count:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record(tmp_path, *map(exchange, range(1, 60)), ended_s=time.time() - 60)
    deletion.prepare_deletions(f"{tmp_path}/")
    return tmp_path


def test_it_deletes_what_is_beyond_the_limits_and_empty_days(folder: Path) -> None:
    (folder / "2020-01-01").mkdir()
    service = Sweeper(folder, Retention(max_bytes=0), lambda _: None)
    service.start()
    wait_until_left(folder, 0)
    while (folder / "2020-01-01").exists():
        time.sleep(0.01)
    service.stop()


def test_it_rests_between_a_few_deletions_and_stops_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "DELETIONS_PER_S", 0.001)
    service = Sweeper(folder, Retention(max_bytes=0), lambda _: None)
    service.start()
    wait_until_left(folder, (59 - CHUNK) * 3)
    service.stop()
    assert len(recordings(folder)) == (59 - CHUNK) * 3


def test_a_pass_follows_on_a_pass_with_the_policy_of_that_moment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "PASS_S", 0.01)
    monkeypatch.setattr(sweeper, "REST_FACTOR", 0)
    service = Sweeper(folder, Retention(), lambda _: None)
    service.start()
    service.policy = Retention(max_bytes=0)
    wait_until_left(folder, 0)
    service.stop()


def test_an_error_of_the_disk_ends_a_pass_and_not_the_thread(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sweeper, "PASS_S", 0.01)
    monkeypatch.setattr(sweeper, "REST_FACTOR", 0)
    real, failed = deletion.delete, threading.Event()

    def fail_once(root: str, stem: str) -> bool:
        if failed.is_set():
            return real(root, stem)
        failed.set()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(deletion, "delete", fail_once)
    service = Sweeper(folder, Retention(max_bytes=0), lambda _: None)
    with caplog.at_level(logging.WARNING):
        service.start()
        wait_until_left(folder, 0)
        service.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "old recordings cannot be deleted: [Errno 5] Input/output error"
    ]


def test_nothing_to_do_is_no_error(tmp_path: Path) -> None:
    record(tmp_path, started(1))
    age(tmp_path, time.time())
    service = Sweeper(tmp_path, Retention(max_age_s=1, max_bytes=1), lambda _: None)
    service.start()
    service.stop()
    assert len(recordings(tmp_path)) == 3
