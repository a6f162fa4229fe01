"""What retention would delete: the oldest beyond its limits, whole, and nothing that is still being written."""

import os
from pathlib import Path
from typing import Any, Literal

import pytest

from ingest_server import selection
from ingest_server.door import Caller, Door, Incoming
from ingest_server.selection import Selection
from ingest_server.settings import IngestSettings, Retention
from ingest_server.store import Store
from tests.ingest_server.recorder_side import (
    JOURNAL,
    REQUEST,
    RESPONSE,
    STARTED_NS,
    exchange_id,
    finished,
    request,
    response,
    started,
)
from traffic.capture.events import ExchangeError

NOW_S = STARTED_NS / 1e9 + 100
CUT = ExchangeError("upstream_reset", "response_body", "upstream", "reset")
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello"


def exchange(number: int, answer: bytes = RESPONSE, error: ExchangeError | None = None) -> bytes:
    """Begun `number` seconds after the first."""
    begun = started(number, at_ns=STARTED_NS + number * 10**9)
    return (
        begun + request(number) + response(number, answer) + finished(number, response_bytes=len(answer), error=error)
    )


def record(
    folder: Path, *frames: bytes, layout: Literal["flat", "daily"] = "flat", ended_s: float = NOW_S - 60
) -> Store:
    store = Store(IngestSettings(log_dir=folder, layout=layout))
    store.apply(JOURNAL, 0, [b"".join(frames)])
    store.settle(flush=True)
    age(folder, ended_s)
    return store


def age(folder: Path, ended_s: float) -> None:
    """Let everything look as if written then."""
    for path in folder.rglob("*_metadata.json"):
        os.utime(path, (ended_s, ended_s))


def numbers(folder: Path, now_s: float = NOW_S, **policy: Any) -> list[int]:
    chosen = Selection(folder, Retention(**policy))
    return [int(victim.stem[-8:], 16) for victim in chosen.victims(now_s)]


@pytest.mark.parametrize("layout", ["flat", "daily"])
def test_what_began_before_the_age_goes_the_oldest_first(tmp_path: Path, layout: Literal["flat", "daily"]) -> None:
    record(tmp_path, exchange(3), exchange(1), exchange(2), layout=layout)
    assert numbers(tmp_path, max_age_s=98) == [1]
    assert numbers(tmp_path, max_age_s=96.5) == [1, 2, 3]
    assert numbers(tmp_path, max_age_s=100) == []


@pytest.mark.parametrize("layout", ["flat", "daily"])
def test_the_oldest_go_until_all_take_no_more_than_the_size(tmp_path: Path, layout: Literal["flat", "daily"]) -> None:
    record(tmp_path, *map(exchange, (4, 2, 3, 1)), layout=layout)
    sizes = [path.stat().st_size for path in tmp_path.rglob("2*") if path.is_file()]
    total = sum(sizes)
    assert numbers(tmp_path, max_bytes=total) == []
    assert numbers(tmp_path, max_bytes=total - 1) == [1]
    assert numbers(tmp_path, max_bytes=total // 2) == [1, 2]
    assert numbers(tmp_path, max_bytes=0) == [1, 2, 3, 4]
    assert sum(victim.bytes for victim in Selection(tmp_path, Retention(max_bytes=0)).victims(NOW_S)) == total


def test_either_limit_counts_and_without_one_nothing_goes(tmp_path: Path) -> None:
    record(tmp_path, *map(exchange, (1, 2, 3)))
    assert numbers(tmp_path) == []
    assert numbers(tmp_path, max_age_s=98, max_bytes=0) == [1, 2, 3]
    assert numbers(tmp_path, max_age_s=98, max_bytes=10**9) == [1]


def test_keep_spares_errors_and_statuses_from_400_on(tmp_path: Path) -> None:
    record(tmp_path, exchange(1, error=CUT), exchange(2, NOT_FOUND), exchange(3), exchange(4))
    assert numbers(tmp_path, max_bytes=0, keep_errors=True) == [3, 4]
    chosen = Selection(tmp_path, Retention(max_age_s=97, keep_errors=True))
    assert [victim.stem[-1] for victim in chosen.victims(NOW_S)] == []
    assert (chosen.kept, chosen.open) == (2, 0)


def test_an_exchange_that_is_open_in_a_journal_stays(tmp_path: Path) -> None:
    """Whatever its age: its sidecar tells."""
    open_one = started(1) + request(1)
    record(tmp_path, open_one, exchange(2), ended_s=NOW_S - 10**6)
    chosen = Selection(tmp_path, Retention(max_bytes=0))
    assert [victim.stem[-1] for victim in chosen.victims(NOW_S)] == ["2"]
    assert chosen.open == 1


def test_an_exchange_that_a_restarted_server_would_take_up_again_stays(tmp_path: Path) -> None:
    """It has ended, but another one holds the journal back: its sidecar is still there."""
    store = record(tmp_path, started(1) + request(1))
    at = len(started(1) + request(1))
    store.apply(JOURNAL, at, [started(2, at_ns=STARTED_NS + 10**9) + response(1) + finished(1)])
    store.settle()
    age(tmp_path, NOW_S - 60)
    assert numbers(tmp_path, max_bytes=0) == []


def test_an_open_exchange_without_a_sidecar_stays_for_an_hour(tmp_path: Path) -> None:
    """The server makes the files first; what is that old and has none is of no one."""
    store = record(tmp_path, started(1) + request(1))
    (sidecar,) = (tmp_path / ".ingest" / "open").iterdir()
    sidecar.unlink()
    assert numbers(tmp_path, max_bytes=0) == []
    age(tmp_path, NOW_S - 3601)
    assert numbers(tmp_path, max_bytes=0) == [1]
    del store


def test_what_ended_within_the_last_seconds_stays(tmp_path: Path) -> None:
    record(tmp_path, exchange(1), ended_s=NOW_S - 9)
    assert numbers(tmp_path, max_bytes=0) == []
    assert numbers(tmp_path, NOW_S + 2, max_bytes=0) == [1]


def test_an_exchange_of_which_the_simple_door_has_one_half_stays(tmp_path: Path) -> None:
    """Even where that half was cut, so that the metadata has an error."""
    store = Store(IngestSettings(log_dir=tmp_path))
    door = Door(store.files, store.tally, None)
    caller = Caller("127.0.0.1:1", STARTED_NS)
    first, second = Incoming("request"), Incoming("response")
    door.begin(first, exchange_id(1), caller)
    door.add(first, REQUEST)
    door.end(first, whole=False)
    age(tmp_path, NOW_S - 60)
    assert numbers(tmp_path, max_bytes=0) == []
    door.begin(second, exchange_id(1), caller)
    door.add(second, RESPONSE)
    age(tmp_path, NOW_S - 60)
    assert numbers(tmp_path, max_bytes=0) == []
    door.end(second, whole=True)
    age(tmp_path, NOW_S - 60)
    assert numbers(tmp_path, max_bytes=0) == [1]


def test_more_names_than_fit_into_memory_come_in_several_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "WINDOW", 3)
    monkeypatch.setattr(selection, "CHUNK", 2)
    order = [5, 1, 8, 3, 7, 2, 6, 4, 9]
    record(tmp_path, *(exchange(number, error=CUT if number < 5 else None) for number in order))
    assert numbers(tmp_path, max_bytes=0) == sorted(order)
    assert numbers(tmp_path, max_bytes=0, keep_errors=True) == [5, 6, 7, 8, 9]
    assert numbers(tmp_path, max_age_s=93.5, keep_errors=True) == [5, 6]


def test_what_is_no_recording_or_damaged_is_left_to_verify(tmp_path: Path) -> None:
    record(tmp_path, *map(exchange, (1, 2, 3)))
    stem = next(tmp_path.glob("*_00000001_request.bin")).name.removesuffix("_request.bin")
    (tmp_path / f"{stem}_metadata.json").write_bytes(b"{" * 100_000)
    other = next(tmp_path.glob("*_00000002_metadata.json"))
    other.rename(tmp_path / "elsewhere")
    other.symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "2026-09-13_00-00-00.000_0000000f_metadata.json")
    (tmp_path / "2020-01-01").write_bytes(b"")
    (tmp_path / "README.md").write_bytes(b"")
    age(tmp_path, NOW_S - 60)
    assert numbers(tmp_path, max_bytes=0) == [3]


def test_a_pass_pauses_again_and_again_and_can_be_ended_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "ENTRIES_PER_PAUSE", 4)
    record(tmp_path, *map(exchange, (1, 2, 3)))
    pauses: list[None] = []
    assert len(list(Selection(tmp_path, Retention(max_bytes=0), lambda: pauses.append(None)).victims(NOW_S))) == 3
    assert len(pauses) == 2  # nine files and `.ingest`

    def end() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        next(Selection(tmp_path, Retention(max_bytes=0), end).victims(NOW_S))
