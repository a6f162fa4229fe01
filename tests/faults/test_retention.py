"""Old recordings are deleted while new ones are made, and while the ingest server is killed -9 in the middle of it."""

import asyncio
import os
import time
from functools import partial
from pathlib import Path

from ingest_server.settings import IngestSettings, Retention
from ingest_server.store import Store
from replay.verify import verify
from tests.e2e.scripted import until
from tests.faults.client import Outcome
from tests.faults.stage import Stage
from tests.ingest_server.recorder_side import JOURNAL, closed, finished, request, response, started
from traffic.capture import names

OLD = 500
DAY_NS = 86_400 * 10**9
STREAMS = 20
EACH = 5


def make_old_recordings(log_dir: Path, now_s: float) -> None:
    """A second apart, from 40 days ago on."""
    store = Store(IngestSettings(log_dir=log_dir))
    begun_ns = int(now_s * 1e9) - 40 * DAY_NS
    frames = [
        started(number, at_ns=begun_ns + number * 10**9) + request(number) + response(number) + finished(number)
        for number in range(1, OLD + 1)
    ]
    store.apply(JOURNAL, 0, [b"".join(frames) + closed()])
    store.settle(flush=True)
    for path in old_files(log_dir):
        os.utime(path, (now_s - 3600, now_s - 3600))


def is_old(name: str) -> bool:
    return name.startswith("2") and name < names.stem(time.time_ns() - 30 * DAY_NS, "")


def old_files(log_dir: Path) -> list[Path]:
    return [path for path in log_dir.iterdir() if is_old(path.name)]


def has_fewer(log_dir: Path, count: int) -> bool:
    return len(old_files(log_dir)) < count


async def test_retention_deletes_under_load_and_through_kills_and_leaves_no_half_recording(stage: Stage) -> None:
    """The old ones go, oldest first; each new one is there; at no kill is any old one damaged."""
    make_old_recordings(stage.log_dir, time.time())
    stage.retention = Retention(max_age_s=30 * 86_400)
    await stage.start()
    load = asyncio.gather(*(stage.send_all(*stage.mixed(EACH)) for _ in range(STREAMS)))
    for _ in range(3):
        left = len(old_files(stage.log_dir))
        await until(partial(has_fewer, stage.log_dir, left), "deletion goes on")
        await stage.kill_ingest()
        damaged = [fault for fault in verify(stage.log_dir, stage.journal_dir).faults if is_old(fault.file)]
        assert damaged == []
        await stage.start_ingest()
    await load
    await until(lambda: not old_files(stage.log_dir), "all old ones are gone")
    assert stage.client.count(Outcome.FINISHED) == STREAMS * EACH
    sums = await stage.add_up()
    assert (sums.complete, sums.incomplete) == (STREAMS * EACH, {})


async def test_without_limits_nothing_is_deleted(stage: Stage) -> None:
    make_old_recordings(stage.log_dir, time.time())
    await stage.start()
    await stage.send_all(stage.order("json"))
    await stage.drain()
    assert verify(stage.log_dir).complete == OLD + 1
