"""The ingest server is killed -9 again and again while streams run: clients notice nothing, nothing is lost or doubled."""

import asyncio
from collections.abc import Iterator

from tests.faults.client import Outcome
from tests.faults.orders import Order
from tests.faults.stage import Stage

STREAMS = 50
KILLS = 5


def mixed(stage: Stage, count: int) -> Iterator[Order]:
    for _ in range(count):
        kind = stage.random.choice(("json", "sse", "sse", "body", "websocket"))
        yield stage.order(kind, pieces=stage.random.randint(1, 30), pause_ms=stage.random.randint(1, 40))


async def test_50_streams_survive_an_ingest_server_that_is_killed_again_and_again(stage: Stage) -> None:
    """0 lost, 0 doubled; every answer the upstream's; drained within 30 s of its return."""
    await stage.start()
    load = asyncio.gather(*(stage.send_all(*mixed(stage, 8)) for _ in range(STREAMS)))
    for _ in range(KILLS):
        await asyncio.sleep(stage.random.uniform(0.05, 0.6))
        await stage.kill_ingest()
        await asyncio.sleep(stage.random.uniform(0, 0.2))
        await stage.start_ingest()
    await load
    assert stage.client.count(Outcome.FINISHED) == STREAMS * 8
    sums = await stage.add_up()
    assert (sums.complete, sums.incomplete) == (STREAMS * 8, {})
