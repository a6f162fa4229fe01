"""recorder/capture/queue.py: real loop, thread and files: the order of frames and forwarded bytes."""

import asyncio
import errno
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from recorder.capture import queue as queue_module
from recorder.capture.journal import Journal
from recorder.capture.queue import FLUSH_BYTES, Frame, FrameQueue
from recorder.settings import Capture
from traffic.capture.frames import HEADER, FrameDecoder, Kind

OpenQueue = Callable[..., FrameQueue]
HEADER_BYTES = HEADER.size


def frame(number: int, size: int = 10) -> tuple[Frame, int]:
    return (Kind.REQUEST, number, 0, 0, (b"x" * size,)), size


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    folder = tmp_path / "journal"
    folder.mkdir()
    return Journal(folder)


@pytest.fixture
async def open_queue(journal: Journal) -> AsyncIterator[OpenQueue]:
    opened: list[FrameQueue] = []

    def open_one(other_bytes: Callable[[], int] = lambda: 0, **settings: Any) -> FrameQueue:
        opened.append(FrameQueue(Capture(**settings), journal, other_bytes))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.stop(5.0)
    journal.close("shutdown")


def stored(journal: Journal) -> list[int]:
    """The numbers of the frames that are in the journal's files at this moment."""
    found: list[int] = []
    decoder = FrameDecoder()
    for path in sorted(journal.folder.glob("*.seg")):
        found += [frame.number for frame in decoder.feed(path.read_bytes())]
    return found


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 a file and a thread tell nobody when they change
            await asyncio.sleep(0.005)


async def test_batched_forwards_at_once_and_writes_within_the_flush_interval(
    journal: Journal, open_queue: OpenQueue
) -> None:
    queue = open_queue()
    left: list[list[int]] = []
    queue.put(*frame(1))
    queue.forward(lambda: left.append(stored(journal)))
    assert left == [[]]
    await until(lambda: stored(journal) == [1])
    await until(lambda: queue.waiting_bytes == 0)


async def test_batched_hands_over_early_when_many_bytes_wait(journal: Journal, open_queue: OpenQueue) -> None:
    """Before the timer: the loop does not run between put() and the file's growth."""
    queue = open_queue()
    queue.put(*frame(1, FLUSH_BYTES))
    queue.put(*frame(2))
    while journal.end == 0:
        journal.wait_beyond(0, 1.0)
    assert stored(journal) == [1, 2]
    assert queue.waiting_bytes == FLUSH_BYTES + 10 + 2 * HEADER_BYTES


async def test_write_ahead_forwards_in_order_once_the_frames_are_in_the_file(
    journal: Journal, open_queue: OpenQueue
) -> None:
    queue = open_queue(durability="write_ahead")
    left: list[tuple[str, list[int]]] = []
    queue.forward(lambda: left.append(("before", stored(journal))))
    queue.put(*frame(1))
    queue.forward(lambda: left.append(("a", stored(journal))))
    queue.put(*frame(2))
    queue.forward(lambda: left.append(("b", stored(journal))))
    assert left == [("before", [])]
    await asyncio.sleep(0)
    assert left == [("before", []), ("a", [1, 2]), ("b", [1, 2])]
    queue.forward(lambda: left.append(("after", stored(journal))))
    assert left[-1] == ("after", [1, 2])
    assert queue.waiting_bytes == 0


async def test_write_ahead_stops_with_the_frames_written_before_the_bytes_leave(
    journal: Journal, open_queue: OpenQueue
) -> None:
    queue = open_queue(durability="write_ahead")
    left: list[list[int]] = []
    queue.put(*frame(1))
    queue.forward(lambda: left.append(stored(journal)))
    assert await queue.stop(5.0) == []
    assert left == [[1]]


async def test_write_ahead_gets_past_a_transport_that_is_gone(open_queue: OpenQueue) -> None:
    queue = open_queue(durability="write_ahead")
    left: list[str] = []

    def fail() -> None:
        raise ConnectionResetError

    queue.put(*frame(1))
    queue.forward(fail)
    queue.forward(left.append, "second")
    await asyncio.sleep(0)
    assert left == ["second"]


@pytest.mark.parametrize("durability", ["batched", "write_ahead"])
async def test_a_journal_that_cannot_be_written_holds_frames_back_and_no_bytes(
    journal: Journal, open_queue: OpenQueue, tmp_path: Path, durability: str
) -> None:
    """Its folder is gone, then back: what was forwarded went on at once, and all frames follow in their order."""
    queue = open_queue(durability=durability)
    gone = tmp_path / "gone"
    journal.folder.rename(gone)
    queue.put(*frame(1))
    await until(lambda: queue.failure is not None)
    assert queue.failure == f"[Errno 2] No such file or directory: '{journal.folder / ('0' * 20 + '.seg')}'"
    queue.put(*frame(2))
    left: list[str] = []
    queue.forward(left.append, "now")
    assert left == ["now"]
    assert queue.waiting_bytes == 2 * (10 + HEADER_BYTES)
    gone.rename(journal.folder)
    await until(lambda: stored(journal) == [1, 2])
    await until(lambda: queue.failure is None and queue.waiting_bytes == 0)


async def test_stop_tells_how_many_frames_could_not_be_written(journal: Journal, tmp_path: Path) -> None:
    queue = FrameQueue(Capture(), journal, lambda: 0)
    journal.folder.rename(tmp_path / "gone")
    for number in (1, 2):
        queue.put(*frame(number))
    await until(lambda: queue.failure is not None)
    queue.put(*frame(3))
    assert len(await queue.stop(0.01)) == 3
    queue._thread.join()


FULL_DISK = """
    import asyncio, resource, sys
    from pathlib import Path
    from recorder.capture.journal import Journal
    from recorder.capture.queue import FrameQueue
    from recorder.settings import Capture
    from traffic.capture.frames import FrameDecoder

    async def main(folder, durability):
        journal = Journal(folder)
        queue = FrameQueue(Capture(durability=durability), journal, lambda: 0)
        async def until(condition):
            async with asyncio.timeout(10):
                while not condition():
                    await asyncio.sleep(0.005)
        def put(number):
            queue.put((2, number, 0, 0, (b"x" * 100,)), 100)
        put(1)
        await until(lambda: journal.end == 133)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
        put(2)
        await until(lambda: queue.failure)
        size = (folder / ("0" * 20 + ".seg")).stat().st_size
        print(queue.failure, journal.end, size)
        put(3)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await until(lambda: journal.end == 399)
        await until(lambda: queue.failure is None)
        print([frame.number for frame in FrameDecoder().feed((folder / ("0" * 20 + ".seg")).read_bytes())])
        print(len(await queue.stop(5)))

    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are those of POSIX")
@pytest.mark.parametrize("durability", ["batched", "write_ahead"])
def test_a_write_that_a_full_disk_cut_short_is_done_again_whole(tmp_path: Path, durability: str) -> None:
    script = [sys.executable, "-W", "error", "-c", textwrap.dedent(FULL_DISK), str(tmp_path), durability]
    result = subprocess.run(script, capture_output=True, text=True, timeout=30, check=False)
    assert result.stdout.splitlines() == ["[Errno 27] File too large 133 200", "[1, 2, 3]", "0"], result.stderr


@pytest.mark.parametrize(("when_full", "drops", "blocks"), [("drop", "journal_full", False), ("block", None, True)])
async def test_a_full_journal_drops_or_blocks_until_there_is_room_again(
    open_queue: OpenQueue, when_full: str, drops: str | None, *, blocks: bool
) -> None:
    """The bytes of earlier journals count; and the flag falls although nothing is put any more."""
    other = 1000
    queue = open_queue(lambda: other, when_full=when_full, journal_bytes_max=900)
    queue.put(*frame(1))
    assert (queue.drops, queue.blocks) == (None, False)
    await until(lambda: queue.drops is not None or queue.blocks)
    assert (queue.drops, queue.blocks) == (drops, blocks)
    resumed = asyncio.Event()

    class Connection:
        def resume_after_full_queue(self) -> None:
            resumed.set()

    if blocks:
        queue.resume_later(Connection())
    other = 0
    await until(lambda: not queue.drops and (resumed.is_set() or not blocks))
    assert (queue.drops, queue.blocks) == (None, False)


async def test_blocked_connections_wait_as_long_as_the_journal_is_full(
    open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "RETRY_INTERVAL_S", 0.005)
    asked: list[int] = []

    def other_bytes() -> int:
        asked.append(1)
        return 1000 if len(asked) < 20 else 0

    queue = open_queue(other_bytes, when_full="block", journal_bytes_max=900)
    resumed: list[str] = []

    class Connection:
        def __init__(self, name: str) -> None:
            self.name = name

        def resume_after_full_queue(self) -> None:
            resumed.append(self.name)

    queue.put(*frame(1))
    queue.resume_later(Connection("a"))
    queue.resume_later(Connection("b"))
    await until(lambda: resumed == ["a", "b"])
    assert len(asked) >= 20


async def test_too_many_bytes_in_memory_are_noticed_at_once(
    open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "BUSY_BYTES", 500)
    queue = open_queue()
    queue.bytes_max = 1000
    queue.put(*frame(1, 400))
    assert (queue.drops, queue.blocks) == (None, False)
    queue.put(*frame(2, 600))
    assert (queue.drops, queue.blocks) == ("queue_full", False)
    await until(lambda: not queue.drops)


async def test_transfers_wait_for_a_disk_that_writes_and_not_for_one_that_stalls(
    journal: Journal, open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "BUSY_BYTES", 500)
    monkeypatch.setattr(queue_module, "RETRY_INTERVAL_S", 0.01)
    monkeypatch.setattr(queue_module, "STALL_S", 0.2)
    disk = threading.Event()
    append = journal.append
    monkeypatch.setattr(journal, "append", lambda buffers: (disk.wait(10), append(buffers)))
    queue = open_queue(when_full="drop")
    queue.put(*frame(1, 400))
    queue.put(*frame(2, 400))
    assert (queue.drops, queue.blocks) == (None, True)
    await until(lambda: not queue.blocks)  # nothing was written for STALL_S: forwarding goes on, the queue may fill
    assert queue.waiting_bytes > 500
    disk.set()
    await until(lambda: queue.waiting_bytes == 0)
    assert (queue.drops, queue.blocks) == (None, False)


async def test_what_a_failing_disk_makes_it_drop_is_told_apart(
    journal: Journal, open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(queue_module, "BUSY_BYTES", 500)
    queue = open_queue()
    queue.bytes_max = 1000
    with monkeypatch.context() as full:
        full.setattr(journal, "append", no_room)
        queue.put(*frame(1, 400))
        await until(lambda: queue.failure is not None)
        queue.put(*frame(2, 600))
        assert queue.drops == "journal_failed"
    await until(lambda: queue.drops is None)


async def test_fsync_happens_only_where_it_is_asked_for(
    journal: Journal, open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(journal, "sync", lambda: synced.append(journal.end))
    quiet = open_queue()
    quiet.put(*frame(1))
    assert await quiet.stop(5.0) == []
    assert synced == []
    queue = open_queue(fsync="interval")
    queue.put(*frame(2))
    assert await queue.stop(5.0) == []
    assert synced == [2 * (10 + HEADER_BYTES)]


async def test_fsync_begins_and_ends_with_the_settings(journal: Journal, open_queue: OpenQueue) -> None:
    """Full segments' files stay open for it, and no longer."""
    queue = open_queue()
    assert not journal.keeps_unsynced
    queue.configure(Capture(fsync="interval"), queue.bytes_max)
    assert journal.keeps_unsynced
    queue.configure(Capture(fsync="off"), queue.bytes_max)
    assert not journal.keeps_unsynced


async def test_a_slow_fsync_holds_up_no_byte_of_write_ahead(
    journal: Journal, open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs beside the event loop, and once at a time."""
    disk, calls = threading.Event(), 0

    def sync() -> None:
        nonlocal calls
        calls += 1
        disk.wait(10)

    monkeypatch.setattr(journal, "sync", sync)
    monkeypatch.setattr(queue_module, "FSYNC_INTERVAL_S", 0.0)
    queue = open_queue(durability="write_ahead", fsync="interval")
    sent: list[int] = []
    for number in range(5):
        queue.put(*frame(number))
        queue.forward(sent.append, number)
        await until(lambda: len(sent) == number + 1)  # noqa: B023 awaited here
    assert calls == 1
    disk.set()
    assert await queue.stop(5.0) == []


async def test_what_was_deferred_goes_first_whatever_fails_meanwhile(open_queue: OpenQueue) -> None:
    """The order of a connection's bytes does not depend on the journal."""
    queue = open_queue(durability="write_ahead")
    sent: list[int] = []
    queue.put(*frame(1))
    queue.forward(sent.append, 1)
    queue.failure = "an fsync failed"
    queue.forward(sent.append, 2)
    await until(lambda: len(sent) == 2)
    assert sent == [1, 2]


async def test_many_tiny_frames_fill_the_queue_by_the_memory_that_they_take(
    journal: Journal, open_queue: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = threading.Event()
    append = journal.append
    monkeypatch.setattr(journal, "append", lambda buffers: (disk.wait(10), append(buffers)))
    queue = open_queue()
    queue.bytes_max = 200_000
    for number in range(1000):
        queue.put(*frame(number, 1))
    assert queue.waiting_bytes < 50_000
    await until(lambda: queue.drops == "queue_full")
    disk.set()
    await until(lambda: queue.drops is None)
