"""The loss ledger: every number of a journal is recorded, open, dropped for a reason, or found missing."""

from pathlib import Path

import aiohttp
import pytest

from ingest_server.ledger import UNNAMED, JournalFigures, Ledger, RecorderFigures
from ingest_server.settings import IngestSettings
from ingest_server.store import Store
from tests.ingest_server.recorder_side import (
    JOURNAL,
    RESPONSE,
    closed,
    finished,
    frame,
    gap,
    gap_lines,
    request,
    response,
    started,
    whole,
)
from traffic.capture import events
from traffic.capture.events import ExchangeError, Finished
from traffic.capture.frames import Kind
from traffic.capture.status import HEADER, Dropped, RecorderStatus, encode

OTHER = JOURNAL.replace("1", "7")
NOW_NS = 1_789_265_469_000_000_000


def figures(store: Store) -> JournalFigures:
    (recorder,) = store.ledger.report(NOW_NS).recorders
    (journal,) = recorder.journals
    return journal


def take(store: Store, data: bytes, at: int = 0, oldest: int | None = None) -> int:
    applied = store.apply(JOURNAL, at, [data], oldest)
    store.settle(flush=True)
    return applied.next


def test_numbers_that_no_gap_record_explains_are_counted(tmp_path: Path) -> None:
    store = Store(IngestSettings(log_dir=tmp_path))
    at = take(store, whole(1) + gap(2, 3) + started(4))
    assert (figures(store).numbered, figures(store).unexplained) == (4, 0)
    take(store, whole(7), at)
    found = figures(store)
    assert (found.complete, found.open, found.numbered, found.unexplained) == (2, 1, 7, 2)
    assert store.ledger.report(NOW_NS).recorders[0].problems[-1] == (
        "2 exchanges are missing, and no gap record says why"
    )
    assert figures(Store(IngestSettings(log_dir=tmp_path))).unexplained == 2


def test_what_was_lost_with_a_part_of_the_journal_is_counted_once_the_journal_goes_on(tmp_path: Path) -> None:
    """Exchange 2 ends behind the lost part, 3 and 4 were in it, 5 comes after it."""
    store = Store(IngestSettings(log_dir=tmp_path))
    at = take(store, whole(1))
    take(store, response(2) + whole(5) + finished(2), at + 500, oldest=at + 500)
    found = figures(store)
    assert (found.complete, found.open, found.unexplained) == (2, 0, 0)
    assert found.dropped == {
        "start_lost": Dropped(exchanges=1, bytes=len(RESPONSE)),
        "store_lost": Dropped(exchanges=2, bytes=500),
    }
    assert sum(int(str(line["exchanges"])) for line in gap_lines(tmp_path)) == 3


def test_an_exchange_that_lost_bytes_is_counted_as_cut(tmp_path: Path) -> None:
    store = Store(IngestSettings(log_dir=tmp_path))
    error = ExchangeError("capture_gap", "capture", "recorder", "")
    lost = Finished(False, error, "upstream", 1, 2, 3, 0, 0, 77, [], "journal_failed")
    take(store, started(1) + frame(Kind.FINISHED, 1, events.encode(lost)) + started(2) + request(2) + finished(2))
    assert figures(store).incomplete == 2
    assert figures(store).dropped == {
        "journal_failed": Dropped(cut=1, bytes=77),
        "store_lost": Dropped(cut=1),
    }


def status(journal: str = JOURNAL, **fields: object) -> RecorderStatus:
    return RecorderStatus("host:5601", 7, "0.1.0", "2026-09-13T00:00:00.000000Z", journal, **fields)  # type: ignore[arg-type]


def journal_figures(
    journal: str = JOURNAL, *, is_closed: bool = False, dropped: dict[str, Dropped] | None = None
) -> JournalFigures:
    return JournalFigures(journal, "host:5601", is_closed, 9, 4, 2, 1, dropped or {}, 0)


def recorder_of(ledger: Ledger, at_ns: int = NOW_NS) -> RecorderFigures:
    (recorder,) = ledger.report(at_ns).recorders
    return recorder


def test_what_a_recorder_tells_stands_beside_what_is_counted() -> None:
    ledger = Ledger()
    ledger.publish(journal_figures(dropped={"queue_full": Dropped(2, 0, 10), "start_lost": Dropped(1)}))
    ledger.publish(journal_figures(OTHER, is_closed=True, dropped={"queue_full": Dropped(1, 1, 1)}))
    told = {"queue_full": Dropped(3, 1, 9), "journal_full": Dropped(5)}
    ledger.hear(JOURNAL, status(begun=8, finished=5, dropped=told, waiting_bytes=6, oldest_waiting_s=1.5), NOW_NS)
    recorder = recorder_of(ledger, NOW_NS + 2_000_000_000)
    assert (recorder.state, recorder.last_contact_s, recorder.pid) == ("running", 2.0, 7)
    assert (recorder.complete, recorder.incomplete, recorder.open, recorder.in_flight) == (8, 4, 2, 3)
    assert (recorder.waiting_bytes, recorder.oldest_waiting_s) == (6, 1.5)
    assert recorder.dropped == {
        "journal_full": Dropped(5),
        "queue_full": Dropped(4, 2, 11),
        "start_lost": Dropped(1),
    }
    assert recorder.problems[0] == "dropped: 5 exchanges, parts of 0, 0 bytes in all (journal_full)"


@pytest.mark.parametrize(
    ("heard", "is_closed", "age_s", "state", "problems"),
    [
        (status(), False, 14, "running", []),
        (status(problem="disk full"), False, 1, "running", ["disk full"]),
        (
            status(),
            False,
            100,
            "silent",
            ["no contact for 100 s: start it again, then it sends what is left in its journal"],
        ),
        (status(waiting_bytes=5, begun=1, problem="x"), True, 100, "stopped", []),
        (
            None,
            False,
            0,
            "silent",
            ["no contact since the ingest server started: start it again, then it sends what is left in its journal"],
        ),
        (None, True, 0, "stopped", []),
    ],
)
def test_what_is_wrong_with_a_recorder_is_said_in_words(
    heard: RecorderStatus | None, is_closed: bool, age_s: int, state: str, problems: list[str]
) -> None:
    """One that has closed its journal is stopped: what it told before is over."""
    ledger = Ledger()
    ledger.publish(journal_figures(is_closed=is_closed))
    if heard is not None:
        ledger.hear(JOURNAL, heard, NOW_NS)
    recorder = recorder_of(ledger, NOW_NS + age_s * 1_000_000_000)
    assert (recorder.state, recorder.problems) == (state, problems)
    assert ledger.report(NOW_NS + age_s * 1_000_000_000).is_fine == (not problems)
    if state == "stopped":
        assert (recorder.in_flight, recorder.waiting_bytes) == (0, 0)


async def put(client: aiohttp.ClientSession, at: int, data: bytes, told: RecorderStatus | None) -> None:
    headers = {HEADER: encode(told).decode()} if told else {}
    async with client.put(f"/v1/journals/{JOURNAL}/{at}", data=data, headers=headers) as reply:
        assert reply.status == 200


async def test_the_ledger_is_asked_for_by_http(client: aiohttp.ClientSession) -> None:
    await put(client, 0, whole(1) + started(2), status(begun=2, finished=1, queue_bytes=3))
    async with client.get("/v1/ledger") as reply:
        found = await reply.json()
    assert found["is_fine"] is True
    assert found["totals"] == {
        "complete": 1,
        "incomplete": 0,
        "open": 1,
        "in_flight": 1,
        "waiting_bytes": 0,
        "oldest_waiting_s": None,
        "queue_bytes": 3,
        "dropped": {},
        "unexplained": 0,
    }
    (recorder,) = found["recorders"]
    assert (recorder["name"], recorder["state"], recorder["journals"][0]["numbered"]) == ("host:5601", "running", 2)


async def test_a_recorder_that_tells_nothing_has_its_exchanges_counted_all_the_same(
    client: aiohttp.ClientSession,
) -> None:
    await put(client, 0, whole(1), None)
    await put(client, len(whole(1)), closed(), None)
    async with client.get("/v1/ledger") as reply:
        (recorder,) = (await reply.json())["recorders"]
    assert (recorder["name"], recorder["state"], recorder["complete"]) == (UNNAMED, "stopped", 1)


def test_the_recorders_name_outlasts_a_restart(tmp_path: Path) -> None:
    store = Store(IngestSettings(log_dir=tmp_path))
    store.ledger.hear(JOURNAL, status(), NOW_NS)
    take(store, whole(1))
    assert figures(Store(IngestSettings(log_dir=tmp_path))).recorder == "host:5601"
