"""recorder/capture/tap.py: each exchange becomes its frames, or is counted where the journal had no room."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.capture.journal import Journal
from recorder.capture.queue import Frame, FrameQueue
from recorder.capture.tap import Ledger, Recording, Tap, Unrecorded
from recorder.settings import Capture
from traffic.capture.events import (
    ExchangeError,
    Finished,
    Gap,
    Received,
    Redaction,
    Started,
    decode_finished,
    decode_gap,
    decode_started,
    encode,
)
from traffic.capture.frames import FrameDecoder, Kind
from traffic.capture.status import Dropped

STARTED = Started(
    "0" * 36, 1, "a", "/a/", "GET", "http://h/a/", None, "127.0.0.1:1", Received("GET /a/ HTTP/1.1", None, [])
)
SECRET = Redaction("request.header.cookie", "[secret:00000000]")
Fact = tuple[int, int, int, int, object]


class Bench:
    """A tap over a real queue and journal; `facts` are the frames in the journal's file."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder)
        self.queue = FrameQueue(Capture(), self.journal, lambda: 0)
        self.tap = Tap(self.queue)

    async def facts(self) -> list[Fact]:
        assert await self.queue.stop(5.0) == []
        decode = {Kind.STARTED: decode_started, Kind.FINISHED: decode_finished, Kind.GAP: decode_gap}
        file, _, count = self.journal.open_at(0)
        with file:
            frames = FrameDecoder().feed(file.read(count))
            return [(f.kind, f.number, f.offset, f.at_us, decode.get(Kind(f.kind), bytes)(f.payload)) for f in frames]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.queue.stop(5.0)
    bench.journal.close("shutdown")


def finished(error: ExchangeError | None, request: int, response: int, dropped: int = 0) -> Finished:
    because = "queue_full" if dropped else ""
    return Finished(error is None, error, "upstream", 5, 7, 9, request, response, dropped, [SECRET, SECRET], because)


async def test_an_exchange_becomes_its_frames_in_order(bench: Bench) -> None:
    """Pieces of one call are one frame, offsets are those of the stored file, times count from the exchange's start."""
    recording = bench.tap.begin(STARTED, 1_000_000, [SECRET])
    recording.request(1_000_000, b"head", b"body")
    recording.response(3_000_000, b"HTTP")
    recording.request(4_000_000, b"more")
    recording.add_redactions([SECRET])
    recording.response(4_500_999, b"/1.1")
    recording.finish(None, "upstream", 5, 7, 9)
    assert (recording.request_bytes, recording.response_bytes) == (12, 8)
    assert bench.tap.ledger == Ledger(begun=1, finished=1, recorded_bytes=20)
    assert await bench.facts() == [
        (Kind.STARTED, 1, 0, 0, STARTED),
        (Kind.REQUEST, 1, 0, 0, b"headbody"),
        (Kind.RESPONSE, 1, 0, 2000, b"HTTP"),
        (Kind.REQUEST, 1, 8, 3000, b"more"),
        (Kind.RESPONSE, 1, 4, 3500, b"/1.1"),
        (Kind.FINISHED, 1, 0, 9, finished(None, 12, 8)),
    ]


async def test_an_exchange_that_finds_no_room_loses_its_rest_and_says_so(bench: Bench) -> None:
    """Also bytes that would find room again: a record with a hole in its middle is never made."""
    recording = bench.tap.begin(STARTED, 0, [SECRET, SECRET])
    recording.request(0, b"head")
    bench.queue.drops = "queue_full"
    recording.request(0, b"12345")
    bench.queue.drops = None
    recording.response(0, b"123")
    reset = ExchangeError("upstream_reset", "response_body", "upstream", "the upstream reset its connection")
    recording.finish(reset, "upstream", 5, 7, 9)
    detail = "8 bytes were dropped because the queue to the journal was full"
    gap = ExchangeError("capture_gap", "capture", "recorder", detail)
    ledger = bench.tap.ledger
    assert ledger == Ledger(1, 1, recorded_bytes=4, dropped={"queue_full": Dropped(cut=1, bytes=8)})
    assert (ledger.recorded, ledger.lost, ledger.in_flight) == (0, 1, 0)
    assert (await bench.facts())[-1] == (Kind.FINISHED, 1, 0, 9, finished(gap, 4, 0, 8))


async def test_exchanges_that_find_no_room_are_counted_in_one_gap_before_the_next(bench: Bench) -> None:
    assert isinstance(bench.tap.begin(STARTED, 0, []), Recording)
    bench.queue.drops = "queue_full"
    for _ in range(3):
        lost = bench.tap.begin(STARTED, 0, [])
        assert isinstance(lost, Unrecorded)
        lost.add_redactions([SECRET])
        lost.request(0, b"12", b"3")
        lost.response(0, b"4567")
        lost.finish(None, None, None, None, 0)
    bench.queue.drops = None
    bench.tap.begin(STARTED, 0, [])
    assert bench.tap.ledger == Ledger(begun=2, dropped={"queue_full": Dropped(exchanges=3, bytes=21)})
    assert (bench.tap.ledger.lost, bench.tap.ledger.in_flight) == (3, 2)
    kinds = [(kind, number, event) for kind, number, _, _, event in await bench.facts()]
    assert kinds == [
        (Kind.STARTED, 1, STARTED),
        (Kind.GAP, 0, Gap(2, 4, 3, 21, "queue_full")),
        (Kind.STARTED, 5, STARTED),
    ]


async def test_a_gap_at_the_end_is_still_written(bench: Bench) -> None:
    bench.queue.drops = "queue_full"
    bench.tap.begin(STARTED, 0, [])
    bench.tap.end()
    bench.tap.end()
    assert [(kind, event) for kind, _, _, _, event in await bench.facts()] == [
        (Kind.GAP, Gap(1, 1, 1, 0, "queue_full"))
    ]


async def test_each_reason_has_a_gap_record_of_its_own(bench: Bench) -> None:
    """Bytes of an exchange that ends after its gap record was written are in the next one, which counts no exchange."""
    bench.queue.drops = "queue_full"
    long_one = bench.tap.begin(STARTED, 0, [])
    bench.queue.drops = "journal_failed"
    bench.tap.begin(STARTED, 0, [])
    bench.queue.drops = None
    bench.tap.begin(STARTED, 0, [])
    long_one.response(0, b"12345")
    long_one.finish(None, None, None, None, 0)
    bench.tap.end()
    gaps = [event for kind, _, _, _, event in await bench.facts() if kind == Kind.GAP]
    assert gaps == [Gap(1, 1, 1, 0, "queue_full"), Gap(2, 2, 1, 0, "journal_failed"), Gap(1, 1, 0, 5, "queue_full")]
    assert bench.tap.ledger.dropped == {
        "queue_full": Dropped(exchanges=1, bytes=5),
        "journal_failed": Dropped(exchanges=1),
    }


@pytest.mark.parametrize(
    ("reason", "because"),
    [
        ("queue_full", "the queue to the journal was full"),
        ("journal_full", "the journal was full (capture.journal_bytes_max)"),
        ("journal_failed", "the journal could not be written"),
    ],
)
async def test_the_recording_says_why_it_is_cut(bench: Bench, reason: str, because: str) -> None:
    """The first reason counts."""
    recording = bench.tap.begin(STARTED, 0, [])
    bench.queue.drops = reason
    recording.response(0, b"123")
    bench.queue.drops = "queue_full"
    recording.response(0, b"4")
    recording.finish(None, "upstream", None, None, 9)
    event = (await bench.facts())[-1][-1]
    assert isinstance(event, Finished)
    assert event.error == ExchangeError("capture_gap", "capture", "recorder", f"4 bytes were dropped because {because}")
    assert event.dropped_because == reason
    assert bench.tap.ledger.dropped == {reason: Dropped(cut=1, bytes=4)}


async def test_what_the_journal_never_took_is_counted_at_the_stop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One exchange has its start in the journal, two have nothing there, of which one had lost bytes already."""
    frames: list[Frame] = []
    first = bench.tap.begin(STARTED, 0, [])
    first.request(0, b"head")
    monkeypatch.setattr(bench.queue, "put", lambda frame, _size: frames.append(frame))
    first.finish(None, "upstream", None, None, 9)
    for drops in (None, "queue_full"):
        recording = bench.tap.begin(STARTED, 0, [])
        recording.request(0, b"12")
        bench.queue.drops = drops
        recording.request(0, b"345")
        bench.queue.drops = None
        recording.finish(None, "upstream", None, None, 9)
    assert (bench.tap.ledger.recorded, bench.tap.ledger.recorded_bytes) == (2, 11)
    assert bench.tap.give_up(frames) == [Gap(1, 3, 2, 7, "stop_too_late")]
    ledger = bench.tap.ledger
    assert ledger == Ledger(
        begun=1,
        finished=1,
        recorded_bytes=4,
        dropped={"queue_full": Dropped(bytes=3), "stop_too_late": Dropped(exchanges=2, cut=1, bytes=7)},
    )
    assert (ledger.recorded, ledger.lost, ledger.lost_bytes) == (0, 3, 10)


async def test_a_gap_record_that_the_journal_never_took_is_given_back(bench: Bench) -> None:
    lost = Gap(3, 5, 3, 90, "queue_full")
    assert bench.tap.give_up([(Kind.GAP, 0, 0, 0, (encode(lost),))]) == [lost]
    assert bench.tap.ledger == Ledger()
