"""recorder/capture/queue.py: connections that go on after a full queue are bound by write_ahead like all others."""

import asyncio
from pathlib import Path

from recorder.capture.journal import Journal
from recorder.capture.queue import FrameQueue
from recorder.settings import Capture
from traffic.capture.frames import Kind


async def test_what_a_resumed_connection_forwards_waits_for_its_frames(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    queue = FrameQueue(Capture(durability="write_ahead", when_full="block"), journal, lambda: 0)
    left_at: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    class Connection:
        def resume_after_full_queue(self) -> None:
            queue.put((Kind.REQUEST, 2, 0, 0, (b"y" * 10,)), 10)
            queue.forward(lambda: left_at.set_result(journal.end))

    queue.put((Kind.REQUEST, 1, 0, 0, (b"x" * 10,)), 10)
    queue.resume_later(Connection())
    assert await left_at == 2 * (33 + 10)
    await queue.stop(5.0)
    journal.close("shutdown")
