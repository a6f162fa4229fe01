"""`recorder up` loses one of its children to SIGKILL while streams run: it starts it again, and the ledger adds up."""

import asyncio
import os
import signal
import sys

import pytest

from tests.e2e.scripted import until
from tests.faults.client import Outcome
from tests.faults.command import Command
from tests.faults.stage import Stage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the children in /proc")


@pytest.mark.parametrize("name", ["ingest", "proxy"])
async def test_a_killed_child_comes_back(stage: Stage, name: str) -> None:
    async with Command(stage, "up") as up:
        await stage.send_all(stage.order("json"))  # waits until it listens
        streams = [stage.order("sse", pieces=30, pause_ms=20) for _ in range(10)]
        load = asyncio.gather(*map(stage.send_all, streams))
        await until(lambda: all(order.id in stage.upstream.seen for order in streams), "streams run")
        first = up.child(name)
        assert first is not None
        if name == "proxy":
            with stage.killing():
                os.kill(first, signal.SIGKILL)
                await until(lambda: up.child(name) != first, "it is gone")
        else:
            os.kill(first, signal.SIGKILL)
        await load
        await until(lambda: up.child(name) not in (None, first), "it runs again")
        await stage.send_all(*stage.mixed(5))
        assert await up.stop() == 0
    if name == "ingest":
        assert stage.client.count(Outcome.FINISHED) == 16
    sums = await stage.add_up()
    assert sums.complete >= 6
