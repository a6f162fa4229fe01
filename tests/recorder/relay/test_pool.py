"""recorder/relay/pool.py with real sockets: its limit holds while connections are made, and none is kept half-used."""

import asyncio
import time

import pytest

from recorder.relay.dial import DialError
from recorder.relay.pool import Pool
from recorder.routing.routes import Destination
from recorder.settings import Limits, OutboundProxy
from tests.e2e.scripted import ScriptedUpstream, until


async def test_connections_that_are_being_made_count_against_the_limit() -> None:
    async with ScriptedUpstream() as upstream:
        pool = Pool(Limits(upstream_connections=1), OutboundProxy())
        destination = Destination("http", "127.0.0.1", upstream.port, b"/")
        first, second = await asyncio.gather(
            pool.connect(destination, 5.0), pool.connect(destination, 5.0), return_exceptions=True
        )
        assert isinstance(second, DialError)
        place = f"127.0.0.1:{upstream.port}"
        assert second.error.detail == f"1 connections to {place} are open already, which is the limit"
        assert not isinstance(first, BaseException)
        first.close()
        await until(lambda: pool.open_connections == 0, "the first is closed")
        (await pool.connect(destination, 5.0)).close()


async def test_a_failed_dial_counts_no_longer() -> None:
    async with ScriptedUpstream() as upstream:
        port = upstream.port
    pool = Pool(Limits(upstream_connections=1), OutboundProxy())
    for _ in range(2):
        with pytest.raises(DialError) as failure:
            await pool.connect(Destination("http", "127.0.0.1", port, b"/"), 5.0)
        assert failure.value.error.name == "upstream_refused"


async def test_a_connection_that_has_not_sent_all_of_its_request_is_not_used_again() -> None:
    """Its upstream may never take the rest, and nothing would hold up the next client's upload."""
    async with ScriptedUpstream() as upstream:
        pool = Pool(Limits(), OutboundProxy())
        destination = Destination("http", "127.0.0.1", upstream.port, b"/")
        connection = await pool.connect(destination, 5.0)
        (await upstream.accept()).writer.transport.pause_reading()  # type: ignore[attr-defined]
        connection.flow.transport.write(bytes(32 * 1024 * 1024))
        pool.release(connection, time.monotonic(), None)
        assert pool.take(destination.origin) is None
        await until(lambda: pool.open_connections == 0, "it is closed")
