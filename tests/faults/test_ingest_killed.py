"""The ingest server is killed -9 while streams run, again and again: clients notice nothing, nothing is lost."""

import asyncio

from tests.faults.client import Outcome
from tests.faults.stage import Stage

STREAMS = 50
EACH = 6
KILLS = 5


async def test_50_streams_survive_an_ingest_server_that_is_killed_again_and_again(stage: Stage) -> None:
    """0 lost, 0 doubled; every answer the upstream's; drained within 30 s of its return."""
    await stage.start()
    load = asyncio.gather(*(stage.send_all(*stage.mixed(EACH)) for _ in range(STREAMS)))
    for _ in range(KILLS):
        await asyncio.sleep(stage.random.uniform(0.05, 0.6))
        await stage.kill_ingest()
        await asyncio.sleep(stage.random.uniform(0, 0.2))
        await stage.start_ingest()
    await load
    assert stage.client.count(Outcome.FINISHED) == STREAMS * EACH
    sums = await stage.add_up()
    assert (sums.complete, sums.incomplete) == (STREAMS * EACH, {})
