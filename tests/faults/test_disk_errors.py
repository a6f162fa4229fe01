"""A disk that answers every write with EIO, injected into one service: nothing is lost, and it recovers by itself."""

import asyncio
import errno
from pathlib import Path

import pytest

from tests.e2e.scripted import until
from tests.faults.client import Outcome
from tests.faults.preload import Preload, needs_preload
from tests.faults.stage import Stage

pytestmark = needs_preload


async def test_an_ingest_server_whose_disk_fails_stores_everything_once_it_works(tmp_path: Path, stage: Stage) -> None:
    """Also the streams that ran when it began to fail and when it ended."""
    preload = Preload(tmp_path, stage.log_dir)
    await stage.start_ingest(environment=preload.environment)
    await stage.start_recorder()
    streams = asyncio.gather(*(stage.send_all(*stage.mixed(5)) for _ in range(10)))
    await until(lambda: len(list(stage.log_dir.glob("*_metadata.json"))) > 5, "recordings are stored")
    preload.fail_writes(errno.EIO)
    await until(lambda: preload.failed > 3, "writes fail, again and again")
    preload.fail_writes(0)
    await streams
    assert (await stage.add_up()).complete == 50


@pytest.mark.parametrize("durability", ["batched", "write_ahead"])
async def test_a_recorder_whose_disk_fails_goes_on_and_records_later(
    tmp_path: Path, stage: Stage, durability: str
) -> None:
    """`fail_open`: clients notice nothing."""
    stage.set(capture={"durability": durability, "fsync": "interval"})
    preload = Preload(tmp_path, stage.journal_dir)
    await stage.start_ingest()
    await stage.start_recorder(environment=preload.environment)
    streams = asyncio.gather(*(stage.send_all(*stage.mixed(5)) for _ in range(10)))
    await until(lambda: stage.client.count(Outcome.FINISHED) > 3, "traffic passes")
    preload.fail_writes(errno.EIO)
    await until(lambda: preload.failed > 1, "writes fail, again and again")
    before = stage.client.count(Outcome.FINISHED)
    await stage.send_all(stage.order("json"))
    assert stage.client.count(Outcome.FINISHED) > before
    preload.fail_writes(0)
    await streams
    assert (await stage.add_up()).complete == 51


async def test_fail_closed_answers_503_while_the_disk_fails_and_not_after(tmp_path: Path, stage: Stage) -> None:
    """The upstream sees nothing of what cannot be recorded; the 503 itself is recorded afterwards."""
    stage.set(capture={"on_failure": "fail_closed"})
    preload = Preload(tmp_path, stage.journal_dir)
    await stage.start_ingest()
    await stage.start_recorder(environment=preload.environment)
    await stage.send_all(stage.order("json"))
    preload.fail_writes(errno.EIO)
    refused = []
    while not stage.client.count(Outcome.REFUSED):  # the recorder learns of it by the first that it cannot write
        refused.append(stage.order("json"))
        await stage.send_all(refused[-1])
    assert refused[-1].id not in stage.upstream.seen
    preload.fail_writes(0)
    while stage.client.entries[refused[-1].id].outcome is Outcome.REFUSED:
        refused.append(stage.order("json"))
        await stage.send_all(refused[-1])
    sums = await stage.add_up()
    assert set(sums.incomplete) == {"capture_failed"}
