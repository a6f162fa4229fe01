"""The recorder is killed -9 at random moments: what its durability promises is there, and the next start is up at once."""

import asyncio

import pytest

from tests.faults.orders import Order
from tests.faults.stage import Stage
from tests.faults.test_ingest_killed import mixed

STREAMS = 50
KILLS = 4
RESTART_S = 5.0


@pytest.mark.parametrize("durability", ["batched", "write_ahead"])
async def test_a_killed_recorder_loses_what_its_durability_says_and_no_more(stage: Stage, durability: str) -> None:
    """`write_ahead`: all that either side has seen is recorded; `batched`: all but the last moment before the kill."""
    stage.set(capture={"durability": durability})
    await stage.start()
    load = asyncio.gather(*(stage.send_all(*mixed(stage, 8)) for _ in range(STREAMS)))
    for _ in range(KILLS):
        await asyncio.sleep(stage.random.uniform(0.1, 0.6))
        await stage.kill_recorder()
        async with asyncio.timeout(RESTART_S):
            await stage.start_recorder()
    await load
    sums = await stage.add_up()
    assert set(sums.incomplete) <= {"recorder_crash"}
    assert sums.incomplete["recorder_crash"] > 0


async def test_both_services_may_be_killed_at_once(stage: Stage) -> None:
    await stage.start()
    orders = [stage.order("sse", pieces=60, pause_ms=20) for _ in range(STREAMS)]
    load = asyncio.gather(*map(stage.send_all, orders))
    await _until_begun(stage, orders)
    await asyncio.gather(stage.kill_recorder(), stage.kill_ingest())
    await stage.start()
    await load
    sums = await stage.add_up()
    assert set(sums.incomplete) == {"recorder_crash"}


async def _until_begun(stage: Stage, orders: list[Order]) -> None:
    while not all(order.id in stage.upstream.seen for order in orders):
        await asyncio.sleep(0.005)
