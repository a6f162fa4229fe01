"""The store: journals' bytes become files, each byte once, whatever repeats, is cut, is lost, or crashes."""

import os
import stat
import time
from pathlib import Path
from typing import Literal

import pytest

from ingest_server.ledger import JournalFigures
from ingest_server.settings import IngestSettings
from ingest_server.store import OffsetMismatchError, Store
from tests.ingest_server.recorder_side import (
    JOURNAL,
    REQUEST,
    RESPONSE,
    closed,
    described,
    exchange_id,
    finished,
    frame,
    gap,
    gap_lines,
    recordings,
    request,
    response,
    started,
    whole,
)
from traffic.capture.events import ExchangeError
from traffic.capture.frames import FrameError, Kind
from traffic.capture.status import Dropped, RecorderStatus

STEM = "2026-09-13_02-11-09.123_"


def open_store(folder: Path) -> Store:
    return Store(IngestSettings(log_dir=folder))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def send(store: Store, data: bytes, offset: int = 0, *, flush: bool = True) -> int:
    """Apply and settle; returns where the journal continues."""
    applied = store.apply(JOURNAL, offset, [data])
    store.settle(flush=flush)
    return applied.next


def test_an_exchange_becomes_three_files_with_the_bytes_as_sent(tmp_path: Path) -> None:
    send(open_store(tmp_path), whole(1))
    files = recordings(tmp_path)
    assert list(files) == [f"{STEM}00000001_{end}" for end in ("metadata.json", "request.bin", "response.bin")]
    assert files[f"{STEM}00000001_request.bin"] == REQUEST
    assert files[f"{STEM}00000001_response.bin"] == RESPONSE
    facts = described(tmp_path, 1)
    assert facts["completed"] is True
    assert facts["durations_ms"] == {"connect": 0.1, "first_byte": 2.0, "total": 2.5}
    assert facts["response"] == {
        "status": 200,
        "headers": [["Content-Length", "5"]],
        "bytes": len(RESPONSE),
        "sha256": facts["response"]["sha256"],  # type: ignore[index] # it was compared with the file
        "arrivals": [[0, 2.0]],
    }


def test_an_exchange_within_one_batch_leaves_nothing_else_behind(tmp_path: Path) -> None:
    send(open_store(tmp_path), whole(1))
    assert names_in(tmp_path / ".ingest" / "open") == []
    assert names_in(tmp_path / ".ingest") == ["door", "journals", "open"]


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    send(open_store(folder), whole(1) + started(2) + request(2) + gap(3, 3))
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_layout_daily_has_a_folder_per_utc_day(tmp_path: Path) -> None:
    store = Store(IngestSettings(log_dir=tmp_path, layout="daily"))
    send(store, whole(1))
    assert list(recordings(tmp_path))[1] == f"2026-09-13/{STEM}00000001_request.bin"


def test_bytes_may_come_one_by_one_and_continue_where_the_last_whole_frame_ended(tmp_path: Path) -> None:
    data = whole(1)
    store = open_store(tmp_path)
    end = at = 0
    while at < len(data):
        end += 1
        at = send(store, data[at:end], at, flush=False)
    send(store, b"", at)
    assert described(tmp_path, 1)["completed"] is True
    assert recordings(tmp_path)[f"{STEM}00000001_response.bin"] == RESPONSE


def test_bytes_that_do_not_continue_the_journal_are_refused_with_where_it_continues(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    end = send(store, whole(1))
    for offset in (0, end - 1, end + 1):
        with pytest.raises(OffsetMismatchError) as caught:
            store.apply(JOURNAL, offset, [whole(2)])
        assert (caught.value.next, caught.value.stored) == (end, end)
    assert store.tally.completed == 1


def test_what_a_lost_store_of_the_recorder_held_becomes_a_gap_and_the_journal_goes_on(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    end = send(store, whole(1))
    store.apply(JOURNAL, end + 500, [whole(2)], end + 500)
    store.settle(flush=True)
    assert described(tmp_path, 2)["completed"] is True
    (line,) = gap_lines(tmp_path)
    assert (line["journal"], line["bytes"], line["reason"]) == (JOURNAL, 500, "store_lost")


def test_frames_of_an_exchange_whose_start_was_lost_become_a_gap(tmp_path: Path) -> None:
    send(open_store(tmp_path), response(4) + finished(4))
    (line,) = gap_lines(tmp_path)
    assert (line["first_number"], line["exchanges"], line["bytes"]) == (4, 1, len(RESPONSE))
    assert line["reason"] == "start_lost"
    assert list(recordings(tmp_path)) == ["gaps.ndjson"]


def test_gap_frames_become_lines(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    send(store, gap(3, 5))
    (line,) = gap_lines(tmp_path)
    del line["at"], line["position"]
    assert line == {
        "journal": JOURNAL,
        "first_number": 3,
        "last_number": 5,
        "exchanges": 3,
        "bytes": 7,
        "reason": "journal_full",
    }
    assert (store.tally.gaps, store.tally.lost_exchanges, store.tally.lost_bytes) == (1, 3, 7)


@pytest.mark.parametrize(
    ("frames", "missing", "kept"),
    [
        (request(1) + response(1, RESPONSE[:9]), len(RESPONSE) - 9, RESPONSE[:9]),
        (request(1) + response(1, RESPONSE[:9]) + response(1, RESPONSE[20:], 20), len(RESPONSE) - 9, RESPONSE[:9]),
        (response(1), len(REQUEST), RESPONSE),
    ],
    ids=["the end is missing", "a hole", "no request"],
)
def test_nothing_partial_is_presented_as_complete(tmp_path: Path, frames: bytes, missing: int, kept: bytes) -> None:
    send(open_store(tmp_path), started(1) + frames + finished(1))
    facts = described(tmp_path, 1)
    assert facts["completed"] is False
    assert facts["error"] == {
        "name": "capture_gap",
        "phase": "capture",
        "by": "recorder",
        "detail": f"{missing} bytes of what was sent and received are not in the files",
    }
    assert recordings(tmp_path)[f"{STEM}00000001_response.bin"] == kept


def test_the_recorders_own_error_is_kept(tmp_path: Path) -> None:
    error = ExchangeError("upstream_reset", "response_body", "upstream", "reset")
    send(open_store(tmp_path), started(1) + request(1) + finished(1, response_bytes=0, error=error))
    facts = described(tmp_path, 1)
    assert facts["error"] == {"name": "upstream_reset", "phase": "response_body", "by": "upstream", "detail": "reset"}
    assert facts["response"]["bytes"] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    ("reason", "detail"),
    [
        ("shutdown", "the recorder was stopped before the exchange ended"),
        ("recorder_crash", "the recorder ended without being stopped"),
    ],
)
def test_a_closed_journal_ends_what_was_open_in_it(tmp_path: Path, reason: str, detail: str) -> None:
    store = open_store(tmp_path)
    at = send(store, started(1) + request(1) + started(2))
    end = send(store, closed(reason), at)
    for number in (1, 2):
        assert described(tmp_path, number)["error"] == {
            "name": reason,
            "phase": "capture",
            "by": "recorder",
            "detail": detail,
        }
    assert names_in(tmp_path / ".ingest" / "open") == []
    assert store.apply(JOURNAL, end, []).next == end


def test_a_closed_journal_is_forgotten_after_a_while_and_an_open_one_is_not(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    send(store, closed())
    other = JOURNAL.replace("1", "7")
    store.ledger.hear(other, RecorderStatus("closed.example:5601", 1, "1.0", "", other), 0)
    store.apply(other, 0, [whole(1)])
    store.settle()
    store.forget_ended(0)
    assert len(names_in(tmp_path / ".ingest" / "journals")) == 2
    store.forget_ended(2**40)
    assert names_in(tmp_path / ".ingest" / "journals") == [other]


def test_a_running_exchange_is_on_disk_after_a_flush(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    at = send(store, started(1) + request(1) + response(1, RESPONSE[:9]))
    facts = described(tmp_path, 1)
    assert (facts["completed"], facts["error"]) == (False, None)
    assert recordings(tmp_path)[f"{STEM}00000001_response.bin"] == RESPONSE[:9]
    send(store, response(1, RESPONSE[9:], 9) + finished(1), at)
    facts = described(tmp_path, 1)
    assert facts["completed"] is True
    assert facts["response"]["arrivals"] == [[0, 2.0], [9, 2.009]]  # type: ignore[index]
    assert names_in(tmp_path / ".ingest" / "open") == []


def test_nothing_is_acknowledged_that_is_only_in_memory(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    applied = store.apply(JOURNAL, 0, [started(1) + request(1)])
    store.settle()
    assert applied.journal.stored == 0
    assert store.due_in_s() is not None
    store.settle(flush=True)
    assert applied.journal.stored == applied.next


def test_an_exchange_is_in_its_files_once_its_last_frame_is_taken_and_acknowledged_by_the_next_settling(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path)
    applied = store.apply(JOURNAL, 0, [whole(1) + started(2)])
    assert described(tmp_path, 1)["completed"] is True
    assert len(recordings(tmp_path)) == 3
    assert applied.journal.stored == 0
    store.settle()
    assert applied.journal.stored == len(whole(1))


def test_much_of_one_stream_is_written_before_a_flush_is_due(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    body = RESPONSE + b"x" * 100_000
    send(store, started(1) + request(1) + response(1, body), flush=False)
    assert recordings(tmp_path)[f"{STEM}00000001_response.bin"] == body


def test_a_name_that_another_exchange_has_is_never_taken(tmp_path: Path) -> None:
    twin = exchange_id(1)[:9] + "beef" + exchange_id(1)[13:]
    store = open_store(tmp_path)
    send(store, whole(1) + started(2, exchange=twin) + request(2) + response(2, b"other") + finished(2))
    files = recordings(tmp_path)
    assert files[f"{STEM}00000001_response.bin"] == RESPONSE
    assert files[f"{STEM}{twin[9:13]}{twin[14:18]}_response.bin"] == b"other"


def test_what_a_crash_left_without_metadata_is_used_again(tmp_path: Path) -> None:
    for side in ("request", "response"):
        (tmp_path / f"{STEM}00000001_{side}.bin").write_bytes(b"half of an older attempt" * 100)
    (tmp_path / f"{STEM}00000001_metadata.json").write_bytes(b"")
    send(open_store(tmp_path), whole(1))
    assert described(tmp_path, 1)["completed"] is True
    assert len(recordings(tmp_path)) == 3


def test_a_name_of_which_another_exchange_has_but_one_file_is_left_as_it_was(tmp_path: Path) -> None:
    others = {
        f"{STEM}00000001_metadata.json": b'{"id":"%s"}' % exchange_id(2).encode(),
        f"{STEM}00000001_response.bin": b"other",
    }
    for name, data in others.items():
        (tmp_path / name).write_bytes(data)
    send(open_store(tmp_path), whole(1))
    assert described(tmp_path, 1)["completed"] is True
    assert {name: data for name, data in recordings(tmp_path).items() if name.startswith(f"{STEM}00000001")} == others


@pytest.mark.parametrize("frames", [whole(1), started(1) + request(1) + response(1, RESPONSE[:9])], ids=["all", "part"])
@pytest.mark.parametrize("call", ["write", "replace"])
def test_a_full_disk_keeps_what_it_has_of_an_exchange_that_is_applied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, frames: bytes
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    open_store(tmp_path).apply(JOURNAL, 0, [whole(1)])
    complete = recordings(tmp_path)
    store = open_store(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space left on device"):
            send(store, frames)
    assert recordings(tmp_path) == complete
    assert described(tmp_path, 1)["completed"] is True


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"no msgpack", "no valid frame at byte {at}: its payload is malformed: "),
        (started(2, exchange="../../etc")[33:], "no valid frame at byte {at}: exchange 2 has no valid id or start"),
        (started(2, at_ns=-1)[33:], "no valid frame at byte {at}: exchange 2 has no valid id or start"),
    ],
    ids=["payload", "id", "start"],
)
def test_an_invalid_frame_is_named_by_position_and_those_before_it_count(
    tmp_path: Path, payload: bytes, text: str
) -> None:
    store = open_store(tmp_path)
    with pytest.raises(FrameError) as caught:
        store.apply(JOURNAL, 0, [whole(1) + frame(Kind.STARTED, 2, payload)])
    assert str(caught.value).startswith(text.format(at=len(whole(1))))
    store.settle()
    assert described(tmp_path, 1)["completed"] is True
    assert store.apply(JOURNAL, len(whole(1)), []).next == len(whole(1))


def test_a_disk_error_moves_nothing_and_heals(tmp_path: Path) -> None:
    store = open_store(tmp_path / "logs")
    at = send(store, started(1) + request(1))
    tail = response(1) + finished(1) + whole(2)
    hidden = tmp_path / "hidden"
    (tmp_path / "logs").rename(hidden)
    (tmp_path / "logs").write_bytes(b"")  # nothing can be created below a file
    with pytest.raises(NotADirectoryError):
        store.apply(JOURNAL, at, [tail])
    (tmp_path / "logs").unlink()
    hidden.rename(tmp_path / "logs")
    store.reset()
    send(store, tail, at)
    assert described(tmp_path / "logs", 1)["completed"] is True
    assert described(tmp_path / "logs", 2)["completed"] is True


@pytest.mark.parametrize("layout", ["flat", "daily"])
def test_a_recording_removed_while_it_runs_ends_as_a_gap_and_holds_up_nothing(
    tmp_path: Path, layout: Literal["flat", "daily"]
) -> None:
    settings = IngestSettings(log_dir=tmp_path, layout=layout)
    store = Store(settings)
    at = send(store, started(1) + request(1) + response(1, RESPONSE[:9]))
    for path in tmp_path.glob("**/2026-*"):
        if path.is_file():
            path.unlink()
    if layout == "daily":
        (tmp_path / "2026-09-13").rmdir()
    tail = response(1, RESPONSE[9:], 9) + finished(1) + whole(2)
    with pytest.raises(FileNotFoundError):
        store.apply(JOURNAL, at, [tail])
    store.reset()
    send(store, tail, at)
    error = described(tmp_path, 1)["error"]
    assert isinstance(error, dict)
    assert error["name"] == "capture_gap"
    assert described(tmp_path, 2)["completed"] is True


# A journal in which everything happens, as the batches that a recorder sends.
SCRIPT = [
    started(1) + request(1),
    whole(2) + started(3) + request(3, REQUEST[:10]),
    request(3, REQUEST[10:], 10) + response(1, RESPONSE[:5]) + gap(4, 5),
    response(1, RESPONSE[5:], 5) + response(3, RESPONSE * 3000),
    finished(1) + started(6) + response(7, b"start lost") + started(8) + request(8),
    response(3, b"end", 3000 * len(RESPONSE)) + finished(3, response_bytes=3000 * len(RESPONSE) + 3),
    response(6, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20") + finished(7),
    response(6, b"4 No\r\n\r\n", 35) + whole(9) + request(8, b"more", len(REQUEST)),
    closed(),
]


def check_ledger(store: Store) -> None:
    """Each of the nine exchanges of SCRIPT is counted once; a crash forgets the bytes of one without a start."""
    (recorder,) = store.ledger.report(time.time_ns()).recorders
    (figures,) = recorder.journals
    assert figures.dropped["start_lost"].bytes in (0, 10)
    assert figures == JournalFigures(
        journal=JOURNAL,
        recorder="",
        closed=True,
        numbered=9,
        complete=4,
        incomplete=2,
        open=0,
        dropped={"journal_full": Dropped(2, 0, 7), "start_lost": Dropped(1, 0, figures.dropped["start_lost"].bytes)},
        unexplained=0,
    )


def run(folder: Path, crash_at: int | None, *, flush: bool, settle: bool = True) -> dict[str, bytes]:
    """Play SCRIPT; at one batch drop the store, before or after its settle(), and go on from what is stored."""
    store = open_store(folder)
    journal = b"".join(SCRIPT)
    ends = [sum(map(len, SCRIPT[: place + 1])) for place in range(len(SCRIPT))]
    at = 0
    for place, end in enumerate(ends):
        at = store.apply(JOURNAL, at, [journal[at:end]]).next
        if place == crash_at and not settle:
            store = open_store(folder)
        else:
            store.settle(flush=flush)
        if place == crash_at:
            store = open_store(folder)
            at = journal_position(store)
    store.apply(JOURNAL, at, [journal[at:]])
    store.settle(flush=True)
    assert names_in(folder / ".ingest" / "open") == []
    check_ledger(store)
    check_ledger(open_store(folder))
    return {name: data for name, data in recordings(folder).items() if name != "gaps.ndjson"}


def journal_position(store: Store) -> int:
    """Where a store that has just started wants the journal to continue."""
    with pytest.raises(OffsetMismatchError) as caught:
        store.apply(JOURNAL, 10**15, [])
    assert caught.value.next == caught.value.stored
    return caught.value.next


@pytest.mark.parametrize("flush", [True, False])
@pytest.mark.parametrize("settle", [True, False])
@pytest.mark.parametrize("crash_at", range(len(SCRIPT)))
def test_a_crash_between_any_two_batches_loses_and_doubles_nothing(
    tmp_path: Path, crash_at: int, settle: bool, flush: bool
) -> None:
    expected = run(tmp_path / "unharmed", None, flush=True)
    assert run(tmp_path / "crashed", crash_at, flush=flush, settle=settle) == expected
    assert [line["reason"] for line in gap_lines(tmp_path / "crashed")] == ["journal_full", "start_lost"]


def test_an_exchange_that_ended_stays_ended_where_another_holds_the_journal_back(tmp_path: Path) -> None:
    """`stored` is then behind the end of the first and before what the second has unwritten, and a crash comes."""
    store = open_store(tmp_path)
    at = send(store, started(1) + request(1) + response(1))
    at = send(store, finished(1) + started(2) + request(2), at, flush=False)
    store = open_store(tmp_path)
    assert 0 < journal_position(store) < at
    at = journal_position(store)
    send(store, started(2) + request(2) + closed(), at)
    assert described(tmp_path, 1)["completed"] is True
    assert names_in(tmp_path / ".ingest" / "open") == []


@pytest.mark.parametrize("when", ["before", "half-way", "after"])
def test_a_crash_at_any_system_call_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Each call that changes the disk fails once, in turn; the store then starts again from the disk."""
    expected = run(tmp_path / "unharmed", None, flush=True)
    calls = ("open", "write", "unlink", "replace", "truncate")
    real = {name: getattr(os, name) for name in calls}
    fuse = [0]

    def fail_when_it_is_time(name: str) -> None:
        def call(*args: object, **options: object) -> object:
            fuse[0] -= 1
            if fuse[0] == 0:
                if when == "half-way" and name == "write":
                    real[name](args[0], args[1][: len(args[1]) // 2])  # type: ignore[index, arg-type]
                elif when == "after":
                    real[name](*args, **options)
                raise OSError(5, "Input/output error")
            return real[name](*args, **options)

        monkeypatch.setattr(os, name, call)

    for name in calls:
        fail_when_it_is_time(name)
    journal = b"".join(SCRIPT)
    ends = [sum(map(len, SCRIPT[: place + 1])) for place in range(len(SCRIPT))]
    for step in range(1, 1000):
        folder = tmp_path / str(step)
        store = open_store(folder)
        fuse[0] = step
        failures = at = 0
        while at < len(journal) or store.due_in_s() is not None:
            end = next((end for end in ends if end > at), len(journal))
            try:
                at = store.apply(JOURNAL, at, [journal[at:end]]).next
                store.settle(flush=True)
            except OSError:
                failures += 1
                store = open_store(folder)
                at = journal_position(store)
        fuse[0] = 0
        check_ledger(store)
        check_ledger(open_store(folder))
        files = recordings(folder)
        assert files.pop("gaps.ndjson").count(b"\n") == 2, step
        assert files == expected, step
        if not failures:
            assert step > 100
            return
    raise AssertionError("the script makes fewer calls than that")
