"""The ingest server is away while traffic goes on, until the journal's limit is reached: the chosen policy holds."""

import asyncio

import pytest

from recorder.capture.queue import BUSY_BYTES
from tests.e2e.scripted import until
from tests.faults.client import Outcome
from tests.faults.stage import Stage

LIMIT_BYTES = 2 * 1024 * 1024
CLIENTS = 12
EACH = 8  # bodies of a quarter of a megabyte on average, both directions together


def journal_bytes(stage: Stage) -> int:
    return sum(path.stat().st_size for path in stage.journal_dir.glob("*/*.seg"))


@pytest.mark.parametrize("durability", ["batched", "write_ahead"])
async def test_a_full_journal_drops_and_counts_while_clients_notice_nothing(stage: Stage, durability: str) -> None:
    """Each exchange is recorded, or its record says what it lacks, or a gap record counts it; its growth ends."""
    stage.set(capture={"journal_bytes_max": LIMIT_BYTES, "when_full": "drop", "durability": durability})
    await stage.start_recorder()
    await stage.send_all(stage.order("body"))  # while there is room
    orders = [[stage.order("body") for _ in range(EACH)] for _ in range(CLIENTS)]
    await asyncio.gather(*(stage.send_all(*each) for each in orders))
    assert stage.client.count(Outcome.FINISHED) == 1 + CLIENTS * EACH
    assert LIMIT_BYTES / 2 < journal_bytes(stage) < LIMIT_BYTES + BUSY_BYTES
    sums = await stage.add_up(drops=True)
    assert sums.dropped > 0
    assert sums.complete > 0


async def test_a_full_journal_blocks_until_the_server_is_back_and_loses_nothing(stage: Stage) -> None:
    stage.set(capture={"journal_bytes_max": LIMIT_BYTES, "when_full": "block"})
    await stage.start_recorder()
    orders = [[stage.order("body") for _ in range(EACH // 2)] for _ in range(CLIENTS)]
    load = asyncio.gather(*(stage.send_all(*each) for each in orders))
    await until(lambda: journal_bytes(stage) > LIMIT_BYTES, "the journal is full")
    assert not load.done()
    await stage.start_ingest()
    await load
    sums = await stage.add_up()
    assert sums.complete == CLIENTS * EACH // 2
