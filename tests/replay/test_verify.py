"""`verify`: what the store makes has no faults, and every damage to it is found and named."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ingest_server.lock import FolderLock
from ingest_server.settings import IngestSettings
from ingest_server.store import Store
from replay.verify import Fault, Report, verify
from tests.ingest_server.recorder_side import (
    JOURNAL,
    REQUEST,
    RESPONSE,
    STARTED_NS,
    closed,
    exchange_id,
    finished,
    gap,
    request,
    response,
    started,
    whole,
)
from traffic.capture.events import ExchangeError

STEM = "2026-09-13_02-11-09.123_00000001"
OTHER = "2026-09-13_02-11-09.123_00000002"
CUT = ExchangeError("upstream_reset", "response_body", "upstream", "the upstream reset its connection")


def record(folder: Path, *frames: bytes, layout: Any = "flat") -> None:
    store = Store(IngestSettings(log_dir=folder, layout=layout))
    store.apply(JOURNAL, 0, [b"".join(frames)])
    store.settle(flush=True)


def exchange(number: int, sent: bytes, got: bytes, error: ExchangeError | None = None) -> bytes:
    end = finished(number, request_bytes=len(sent), response_bytes=len(got), error=error)
    return started(number) + request(number, sent) + response(number, got) + end


def faults(folder: Path, **options: Any) -> list[tuple[str, str]]:
    return [(fault.file, fault.problem) for fault in verify(folder, **options).faults]


def change(folder: Path, apply: Callable[[dict[str, Any]], object], stem: str = STEM) -> None:
    """Edit a metadata file."""
    path = folder / f"{stem}_metadata.json"
    facts = json.loads(path.read_bytes())
    apply(facts)
    path.write_text(json.dumps(facts))


def replace(folder: Path, part: str, data: bytes, **told: object) -> None:
    """Put other bytes into a file, and let the metadata tell of them."""
    (folder / f"{STEM}_{part}.bin").write_bytes(data)
    arrivals = [[0, 2.0]] if data else []
    fields = {"bytes": len(data), "sha256": sha256(data).hexdigest(), "arrivals": arrivals, **told}
    change(folder, lambda facts: facts[part].update(fields))


@pytest.mark.parametrize("layout", ["flat", "daily"])
def test_what_the_store_makes_has_no_faults_and_is_counted(tmp_path: Path, layout: str) -> None:
    record(tmp_path, whole(1), exchange(2, REQUEST, RESPONSE[:9], CUT), gap(3, 5), closed(), layout=layout)
    assert verify(tmp_path) == Report(
        exchanges=2,
        complete=1,
        incomplete=1,
        open=0,
        gaps=1,
        lost_exchanges=3,
        bytes=2 * len(REQUEST) + len(RESPONSE) + 9,
        faults=(),
    )


def test_progress_tells_exchanges_done_and_found(tmp_path: Path) -> None:
    record(tmp_path, whole(1), whole(2))
    told: list[tuple[int, int]] = []
    verify(tmp_path, progress=lambda done, found: told.append((done, found)))
    assert told == [(1, 2), (2, 2)]


HEAD = b"HTTP/1.1 200 OK\r\n"
GOOD_ANSWERS = {
    "1xx before the final head": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + RESPONSE,
    "until the connection ends": HEAD + b"\r\nas long as it likes",
    "chunks and trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified, with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
    "a large body": HEAD + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000,
    "a head larger than a block": HEAD + b"X: " + b"y" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("answer", GOOD_ANSWERS.values(), ids=GOOD_ANSWERS)
def test_answers_of_every_framing_have_no_faults(tmp_path: Path, answer: bytes) -> None:
    record(tmp_path, exchange(1, REQUEST, answer))
    assert faults(tmp_path) == []


def test_an_answer_to_head_and_a_tunnel_have_no_faults(tmp_path: Path) -> None:
    head = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02ho"
    record(tmp_path, exchange(1, head, HEAD + b"Content-Length: 99\r\n\r\n"), exchange(2, upgrade, switched))
    assert faults(tmp_path) == []


def test_the_framing_of_what_was_cut_is_not_judged(tmp_path: Path) -> None:
    record(tmp_path, exchange(1, REQUEST[:5], b"\0nothing of HTTP", CUT))
    assert faults(tmp_path) == []


def test_the_framing_of_what_came_through_the_simple_door_is_not_judged(tmp_path: Path) -> None:
    record(tmp_path, whole(1))
    change(tmp_path, lambda facts: facts.update(upstream_url=None))
    replace(tmp_path, "response", b"only a body, as the program had it")
    assert faults(tmp_path) == []


# What is done to the recording of STEM; the file in which the fault is found, and the exact text.
DIGEST = sha256(RESPONSE).hexdigest()
FLIPPED = RESPONSE[:-1] + b"O"
BAD_METADATA = "is no valid metadata: "


def _edit(**fields: object) -> Callable[[Path], object]:
    return lambda folder: change(folder, lambda facts: facts.update(fields))


def _edit_response(**fields: object) -> Callable[[Path], object]:
    return lambda folder: change(folder, lambda facts: facts["response"].update(fields))


def _write(part: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / f"{STEM}_{part}").write_bytes(data)


def _unlink(part: str) -> Callable[[Path], object]:
    return lambda folder: (folder / f"{STEM}_{part}").unlink()


def _message(part: str, data: bytes, **told: object) -> Callable[[Path], object]:
    return lambda folder: replace(folder, part, data, **told)


DAMAGE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a flipped bit": (
        _write("response.bin", FLIPPED),
        "_response.bin",
        f"has the SHA-256 {sha256(FLIPPED).hexdigest()}, where the metadata says {DIGEST}",
    ),
    "a missing end": (
        _write("response.bin", RESPONSE[:-1]),
        "_response.bin",
        "has 42 bytes, where the metadata says 43",
    ),
    "bytes too many": (
        _write("request.bin", REQUEST + b"x"),
        "_request.bin",
        "has 59 bytes, where the metadata says 58",
    ),
    "no request": (_unlink("request.bin"), "_request.bin", "is missing"),
    "no response": (_unlink("response.bin"), "_response.bin", "is missing"),
    "no metadata": (_unlink("metadata.json"), "_metadata.json", "is missing"),
    "empty metadata": (_write("metadata.json", b""), "_metadata.json", BAD_METADATA + "Input data was truncated"),
    "metadata that is no JSON": (
        _write("metadata.json", b"{'"),
        "_metadata.json",
        BAD_METADATA + "JSON is malformed: object keys must be strings (byte 1)",
    ),
    "deeply nested metadata": (
        _write("metadata.json", b'{"x":' * 100_000),
        "_metadata.json",
        BAD_METADATA + "it is nested too deeply",
    ),
    "huge metadata": (
        _write("metadata.json", b" " * (16 * 1024 * 1024 + 1)),
        "_metadata.json",
        "has more than 16,777,216 bytes, which is not read",
    ),
    "metadata without a field": (
        lambda folder: change(folder, lambda facts: facts.pop("answered_by")),
        "_metadata.json",
        BAD_METADATA + "Object missing required field `answered_by`",
    ),
    "another schema": (_edit(schema=2), "_metadata.json", BAD_METADATA + "Invalid enum value 2 - at `$.schema`"),
    "no UUID": (
        _edit(id="../../etc/passwd"),
        "_metadata.json",
        BAD_METADATA + r"Expected `str` matching regex '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\\Z' - at `$.id`",
    ),
    "complete and failed": (
        _edit(error={"name": "shutdown", "phase": "capture", "by": "recorder", "detail": ""}),
        "_metadata.json",
        BAD_METADATA + "it says `completed: true` beside an error",
    ),
    "complete without a hash": (
        _edit_response(sha256=None),
        "_response.bin",
        "has no SHA-256 in the metadata, although the exchange has ended",
    ),
    "a negative count": (
        _edit_response(bytes=-1),
        "_metadata.json",
        BAD_METADATA + "Expected `int` >= 0 - at `$.response.bytes`",
    ),
    "another start": (
        _edit(started_at="2026-09-13T02:11:09.124456Z"),
        "_metadata.json",
        "it says that the exchange started at 2026-09-13T02:11:09.124456Z, its name says 2026-09-13_02-11-09.123",
    ),
    "another id": (
        _edit(id="ffffffff-ffff-4fff-8fff-ffffffffffff"),
        "_metadata.json",
        "it is of the exchange ffffffff-ffff-4fff-8fff-ffffffffffff, whose digits are not in its name",
    ),
    "arrivals that do not begin at 0": (
        _edit_response(arrivals=[[1, 2.0]]),
        "_response.bin",
        "has arrivals in the metadata whose offsets do not begin at 0 and rise",
    ),
    "arrivals behind the end": (
        _edit_response(arrivals=[[0, 2.0], [43, 2.0]]),
        "_response.bin",
        "has arrivals in the metadata that lie behind its end",
    ),
    "arrivals back in time": (
        _edit_response(arrivals=[[0, 2.0], [1, 1.9]]),
        "_response.bin",
        "has arrivals in the metadata whose times fall",
    ),
    "another status": (
        _edit_response(status=404),
        "_response.bin",
        "answers with status 200, where the metadata says 404",
    ),
    "a request without a head": (_message("request", b""), "_request.bin", "holds no message"),
    "a request cut in its head": (_message("request", REQUEST[:20]), "_request.bin", "ends inside its head"),
    "a request cut in its body": (_message("request", REQUEST[:-1]), "_request.bin", "ends inside its body"),
    "a second request": (_message("request", REQUEST * 2), "_request.bin", "holds 58 bytes behind the end of its body"),
    "a response that is no HTTP": (
        _message("response", b"SSH-2.0-x\r\n\r\n"),
        "_response.bin",
        "malformed head: Expected HTTP/, RTSP/ or ICE/",
    ),
    "a broken chunk": (
        _message("response", HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        "_response.bin",
        "malformed chunk size line",
    ),
    "a missing last chunk": (
        _message("response", HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"),
        "_response.bin",
        "ends inside its body",
    ),
    "only an interim response": (
        _message("response", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "_response.bin",
        "holds no message",
    ),
    "a response without an end of its head": (
        _message("response", HEAD + b"X: " + b"y" * 2**24),
        "_response.bin",
        "the head has more than 16,777,216 bytes",
    ),
}


@pytest.mark.parametrize(("damage", "part", "problem"), DAMAGE.values(), ids=DAMAGE)
def test_each_damage_is_the_one_fault_found(
    tmp_path: Path, damage: Callable[[Path], object], part: str, problem: str
) -> None:
    record(tmp_path, whole(1), whole(2))
    damage(tmp_path)
    assert faults(tmp_path) == [(STEM + part, problem)]


def _link_outside(folder: Path) -> None:
    target = folder.parent / "outside"
    target.write_bytes(RESPONSE)
    (folder / f"{STEM}_response.bin").unlink()
    (folder / f"{STEM}_response.bin").symlink_to(target)


def _pipe(folder: Path) -> None:
    (folder / f"{STEM}_request.bin").unlink()
    os.mkfifo(folder / f"{STEM}_request.bin")


def _folder(folder: Path) -> None:
    (folder / f"{STEM}_response.bin").unlink()
    (folder / f"{STEM}_response.bin").mkdir()


def _twin(folder: Path) -> None:
    for part in ("request.bin", "response.bin", "metadata.json"):
        data = (folder / f"{STEM}_{part}").read_bytes()
        (folder / f"{STEM[:-8]}40008000_{part}").write_bytes(data)


NO_NAME = "no recording has such a name"
ODD: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a link out of the folder": (_link_outside, f"{STEM}_response.bin", "is a symbolic link, which is not followed"),
    "a pipe": (_pipe, f"{STEM}_request.bin", "is not a regular file"),
    "a folder": (_folder, f"{STEM}_response.bin", "is not a regular file"),
    "a second set of the same exchange": (
        _twin,
        f"{STEM[:-8]}40008000_metadata.json",
        f"has the id {exchange_id(1)}, which {STEM} has as well",
    ),
    "a leftover": (lambda folder: (folder / "x.tmp").touch(), "x.tmp", NO_NAME),
    "a name that does not fit": (
        lambda folder: (folder / "2026-09-13_x_request.bin").touch(),
        "2026-09-13_x_request.bin",
        NO_NAME,
    ),
    "a name of no encoding": (
        lambda folder: os.mkfifo(os.fsencode(folder) + b"/\xff\x1b_request.bin"),
        "\\xff\x1b_request.bin",
        NO_NAME,
    ),
    "a file where a day's folder would be": (
        lambda folder: (folder / "2026-09-13").touch(),
        "2026-09-13",
        "a day's folder is expected there",
    ),
    "a gap record cut": (
        lambda folder: (folder / "gaps.ndjson").write_bytes(b'{"at":'),
        "gaps.ndjson",
        "line 1 is no gap record",
    ),
    "gap records through a link": (
        lambda folder: (folder / "gaps.ndjson").symlink_to("/dev/zero"),
        "gaps.ndjson",
        "is a symbolic link, which is not followed",
    ),
    "a half-written metadata file": (
        lambda folder: (folder / ".ingest" / "new.tmp").touch(),
        ".ingest/new.tmp",
        "is left of an ingest server that was killed; its next start removes it",
    ),
}


@pytest.mark.parametrize(("damage", "file", "problem"), ODD.values(), ids=ODD)
def test_what_does_not_belong_there_is_a_fault_and_hurts_nobody(
    tmp_path: Path, damage: Callable[[Path], object], file: str, problem: str
) -> None:
    folder = tmp_path / "logs"
    record(folder, whole(1), whole(2))
    damage(folder)
    assert faults(folder) == [(file, problem)]


def test_a_recording_in_the_folder_of_another_day_is_a_fault(tmp_path: Path) -> None:
    record(tmp_path, whole(1), layout="daily")
    (tmp_path / "2026-09-13").rename(tmp_path / "2026-09-14")
    assert faults(tmp_path) == [
        (f"2026-09-14/{STEM}_{part}", NO_NAME) for part in ("metadata.json", "request.bin", "response.bin")
    ]


def test_since_leaves_out_what_began_before(tmp_path: Path) -> None:
    record(tmp_path, whole(1), started(2, at_ns=STARTED_NS + 10**9), finished(2, request_bytes=0, response_bytes=0))
    (tmp_path / f"{STEM}_request.bin").unlink()
    assert verify(tmp_path, since_ns=STARTED_NS + 10**9).exchanges == 1
    assert verify(tmp_path, since_ns=STARTED_NS + 10**9).faults == verify(tmp_path).faults[1:]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "nowhere")


ENDLESS = "is still open, but nothing can end it: no ingest server is running and its journal is closed or gone"


def test_an_open_exchange_is_a_fault_only_where_nothing_can_end_it(tmp_path: Path) -> None:
    logs, journals = tmp_path / "logs", tmp_path / "journal"
    record(logs, started(1), request(1))
    journals.mkdir()
    assert verify(logs, journals).faults == (Fault(f"{STEM}_metadata.json", ENDLESS),)
    assert verify(logs).faults == ()  # where the journals are is not known: one may still be there
    (journals / JOURNAL).mkdir()
    assert verify(logs, journals).faults == ()
    (journals / JOURNAL).rmdir()
    lock = FolderLock(logs)
    try:
        assert verify(logs, journals).faults == ()
        assert verify(logs, journals).open == 1
    finally:
        lock.release()


def test_an_open_exchange_that_lost_bytes_is_a_fault(tmp_path: Path) -> None:
    record(tmp_path, started(1), request(1))
    (tmp_path / f"{STEM}_request.bin").write_bytes(b"")
    assert faults(tmp_path) == [(f"{STEM}_request.bin", "has 0 bytes, where the metadata says 58 or more")]


def journal_of(folder: Path, data: bytes) -> None:
    (folder / JOURNAL).mkdir(parents=True)
    (folder / JOURNAL / f"{0:020d}.seg").write_bytes(data)


def test_a_journal_that_is_not_stored_waits_for_a_running_recorder_and_is_a_fault_without(tmp_path: Path) -> None:
    logs, journals = tmp_path / "logs", tmp_path / "journal"
    record(logs, whole(1))
    journal_of(journals, whole(1) + whole(2) + whole(3)[:-1])
    more = len(whole(2)) + len(whole(3)) - len(finished(3))
    report = verify(logs, journals)
    assert report.waiting_bytes == more
    assert report.faults == (
        Fault(
            JOURNAL, f"{more:,} bytes of this journal are not stored, and no recorder is running that would send them"
        ),
        Fault(
            JOURNAL,
            f"{len(finished(3)) - 1} bytes at the end of this journal are no whole frame; "
            "the recorder's next start cuts them off",
        ),
    )
    with (journals / "lock").open("w") as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        report = verify(logs, journals)
    assert (report.waiting_bytes, report.faults) == (more, ())


def test_a_journal_that_is_stored_is_no_fault(tmp_path: Path) -> None:
    logs, journals = tmp_path / "logs", tmp_path / "journal"
    record(logs, whole(1), closed())
    journal_of(journals, whole(1) + closed())
    assert verify(logs, journals).faults == ()
    assert verify(logs, tmp_path / "nowhere").faults == ()
