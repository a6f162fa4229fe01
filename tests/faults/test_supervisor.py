"""`recorder up` loses one of its children to SIGKILL while streams run: it starts it again, and the ledger adds up."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.scripted import until
from tests.faults.client import Outcome
from tests.faults.command import Command
from tests.faults.orders import Order
from tests.faults.stage import Stage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the children in /proc")


async def test_a_killed_child_comes_back(stage: Stage) -> None:
    """First the ingest server, of which clients notice nothing; then the recorder."""
    async with Command(stage, "up") as up:
        await stage.send_all(stage.order("json"))  # waits until it listens
        load, streams = await begin_streams(stage)
        ingest = kill(up, "ingest")
        await load
        assert stage.client.count(Outcome.FINISHED) == 1 + len(streams)
        await until(lambda: up.child("ingest") not in (None, ingest), "it runs again")
        load, _ = await begin_streams(stage)
        with stage.killing():
            proxy = kill(up, "proxy")
            await until(lambda: has_ended(proxy), "it is gone")
        await load
        await stage.send_all(*stage.mixed(5))  # waits until it listens again
        assert up.child("proxy") not in (None, proxy)
        assert await up.stop() == 0
    assert (await stage.add_up()).complete >= 16


async def begin_streams(stage: Stage) -> "tuple[asyncio.Future[list[None]], list[Order]]":
    streams = [stage.order("sse", pieces=30, pause_ms=20) for _ in range(10)]
    load = asyncio.gather(*map(stage.send_all, streams))
    await until(lambda: all(order.id in stage.upstream.seen for order in streams), "streams run")
    return load, streams


def kill(up: Command, name: str) -> int:
    pid = up.child(name)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def has_ended(pid: int) -> bool:
    """Reaped by its parent: its first thread is a zombie before its last one has let the sockets go."""
    return not Path(f"/proc/{pid}").exists()
