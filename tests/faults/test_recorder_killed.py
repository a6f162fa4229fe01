"""The recorder is killed -9 at random moments: what its durability promises is there, the next start is up at once."""

import asyncio

import pytest

from tests.e2e.scripted import until
from tests.faults.stage import Stage

STREAMS = 50
EACH = 6
KILLS = 3
RESTART_S = 5.0


@pytest.mark.parametrize("durability", ["batched", "write_ahead"])
async def test_a_killed_recorder_loses_what_its_durability_says_and_no_more(stage: Stage, durability: str) -> None:
    """`write_ahead`: all that either side has seen is recorded; `batched`: all but the last moment before the kill."""
    stage.set(capture={"durability": durability})
    await stage.start()
    load = asyncio.gather(*(stage.send_all(*stage.mixed(EACH)) for _ in range(STREAMS)))
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
    await until(lambda: all(order.id in stage.upstream.seen for order in orders), "all streams run")
    await asyncio.gather(stage.kill_recorder(), stage.kill_ingest())
    await stage.start()
    await load
    sums = await stage.add_up()
    assert set(sums.incomplete) == {"recorder_crash"}
