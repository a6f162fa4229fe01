"""SIGTERM while streams run, of the recorder as a user starts it: the grace period, and a second signal."""

import asyncio
import signal

from tests.e2e.scripted import until
from tests.faults.client import Outcome
from tests.faults.command import Command
from tests.faults.orders import Order
from tests.faults.stage import Stage

LONG = {"pieces": 10_000, "pause_ms": 20}


async def run_streams(stage: Stage, *orders: Order) -> "asyncio.Future[list[None]]":
    load = asyncio.gather(*map(stage.send_all, orders))
    await until(lambda: all(order.id in stage.upstream.seen for order in orders), "streams run")
    await until(lambda: all(stage.client.entries[order.id].received_bytes for order in orders), "bytes have come")
    return load


async def test_streams_that_end_within_the_grace_period_are_whole(stage: Stage) -> None:
    await stage.start_ingest()
    async with Command(stage, "proxy", grace_s=30) as recorder:
        load = await run_streams(stage, *(stage.order("sse", pieces=40, pause_ms=20) for _ in range(10)))
        assert await recorder.stop() == 0
        await load
    assert stage.client.count(Outcome.FINISHED) == 10
    assert (await stage.add_up()).complete == 10


async def test_streams_that_outlast_the_grace_period_are_cut_visibly_and_recorded_as_shutdown(stage: Stage) -> None:
    await stage.start_ingest()
    async with Command(stage, "proxy", grace_s=0.2) as recorder:
        load = await run_streams(stage, *(stage.order("sse", **LONG) for _ in range(3)))
        assert await recorder.stop() == 0
        await load
    assert stage.client.count(Outcome.BROKEN) == 3
    assert (await stage.add_up()).incomplete == {"shutdown": 3}


async def test_a_second_signal_ends_the_recorder_at_once_and_the_next_start_ends_its_records(stage: Stage) -> None:
    await stage.start_ingest()
    async with Command(stage, "proxy", grace_s=600) as recorder:
        load = await run_streams(stage, *(stage.order("sse", **LONG) for _ in range(3)))
        recorder.process.send_signal(signal.SIGTERM)
        await until(lambda: not is_listening(stage.recorder_port), "it takes no more connections")
        with stage.killing():
            assert await recorder.stop() == 1
        await load
    assert (await stage.add_up()).incomplete == {"recorder_crash": 3}


def is_listening(port: int) -> bool:
    """By the system's table: asking by a connection would be another client."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    with open("/proc/net/tcp") as table:  # noqa: PTH123 as any other text
        return any(wanted in line for line in table)
