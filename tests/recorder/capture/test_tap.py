"""recorder/capture/tap.py: each exchange becomes its frames, or is counted where the journal had no room."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.capture.journal import Journal
from recorder.capture.queue import FrameQueue
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
)
from traffic.capture.frames import FrameDecoder, Kind

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
        assert await self.queue.stop(5.0) == 0
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
    return Finished(error is None, error, "upstream", 5, 7, 9, request, response, dropped, [SECRET, SECRET])


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
    bench.queue.drops = True
    recording.request(0, b"12345")
    bench.queue.drops = False
    recording.response(0, b"123")
    reset = ExchangeError("upstream_reset", "response_body", "upstream", "the upstream reset its connection")
    recording.finish(reset, "upstream", 5, 7, 9)
    detail = "8 bytes were dropped because the queue to the journal was full"
    gap = ExchangeError("capture_gap", "capture", "recorder", detail)
    ledger = bench.tap.ledger
    assert ledger == Ledger(begun=1, finished=1, recorded_bytes=4, gapped_exchanges=1, lost_bytes=8)
    assert (ledger.recorded, ledger.lost, ledger.in_flight) == (0, 1, 0)
    assert (await bench.facts())[-1] == (Kind.FINISHED, 1, 0, 9, finished(gap, 4, 0, 8))


async def test_exchanges_that_find_no_room_are_counted_in_one_gap_before_the_next(bench: Bench) -> None:
    assert isinstance(bench.tap.begin(STARTED, 0, []), Recording)
    bench.queue.drops = True
    for _ in range(3):
        lost = bench.tap.begin(STARTED, 0, [])
        assert isinstance(lost, Unrecorded)
        lost.add_redactions([SECRET])
        lost.request(0, b"12", b"3")
        lost.response(0, b"4567")
        lost.finish(None, None, None, None, 0)
    bench.queue.drops = False
    bench.tap.begin(STARTED, 0, [])
    assert bench.tap.ledger == Ledger(begun=2, lost_exchanges=3, lost_bytes=21)
    assert (bench.tap.ledger.lost, bench.tap.ledger.in_flight) == (3, 2)
    kinds = [(kind, number, event) for kind, number, _, _, event in await bench.facts()]
    assert kinds == [
        (Kind.STARTED, 1, STARTED),
        (Kind.GAP, 0, Gap(2, 4, 3, 21, "queue_full")),
        (Kind.STARTED, 5, STARTED),
    ]


async def test_a_gap_at_the_end_is_still_written(bench: Bench) -> None:
    bench.queue.drops = True
    bench.tap.begin(STARTED, 0, [])
    bench.tap.end()
    bench.tap.end()
    assert [(kind, event) for kind, _, _, _, event in await bench.facts()] == [
        (Kind.GAP, Gap(1, 1, 1, 0, "queue_full"))
    ]
