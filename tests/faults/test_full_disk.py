"""A disk that is full for real (see small_disk.py): clients notice nothing; all goes on when there is room again."""

from tests.e2e.scripted import until
from tests.faults.client import Outcome
from tests.faults.small_disk import SmallDisk, small_disk
from tests.faults.stage import Stage


async def fill(stage: Stage, disk: SmallDisk) -> int:
    """Send until the disk is full, and a little more; returns how much."""
    sent = 0
    while not disk.is_full:
        await stage.send_all(stage.order("body"))
        sent += 1
        assert sent < 500, "the disk never fills"
    more = [stage.order(kind, pieces=3) for kind in ("json", "sse", "websocket", "body")]
    await stage.send_all(*more)
    return sent + len(more)


async def test_a_full_disk_of_the_ingest_server_delays_recordings_and_loses_none(stage: Stage) -> None:
    """The journal keeps them; no file claims to be complete and is not."""
    with small_disk(stage.log_dir, 192 * 1024) as disk:
        await stage.start_ingest(disk.file_bytes_max)
        await stage.start_recorder()
        sent = await fill(stage, disk)
        assert stage.client.count(Outcome.FINISHED) == sent
        assert stage.ingest is not None
        disk.make_room(stage.ingest)
        assert (await stage.add_up()).complete == sent


async def test_a_full_disk_of_the_recorder_delays_recordings_and_loses_none(stage: Stage) -> None:
    """What the journal cannot take waits in memory, within the queue's limit."""
    with small_disk(stage.journal_dir, 2 * 1024 * 1024) as disk:
        await stage.start_ingest()
        await stage.start_recorder(disk.file_bytes_max)
        sent = await fill(stage, disk)
        assert stage.client.count(Outcome.FINISHED) == sent
        assert stage.recorder is not None
        disk.make_room(stage.recorder)
        await until(lambda: not disk.is_full or disk.kind == "limit", "there is room")
        assert (await stage.add_up()).complete == sent
