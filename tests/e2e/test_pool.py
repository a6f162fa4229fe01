"""The pool of upstream connections: how many there may be, how many are kept, and for how long."""

import pytest

from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok, until

GET = b"GET /lm/x HTTP/1.1\r\nHost: recorder.test\r\n\r\n"


async def test_an_unused_connection_expires(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port), limits=flight.limits(upstream_keep_alive_s=0.05))
        await flight.send(GET)
        await until(lambda: flight.upstream_connections == 0, "the connection is closed")
        await flight.send(GET)
        assert len(upstream.peers) == 2


@pytest.mark.parametrize("line", [b"Keep-Alive: timeout=1", b"Connection: close"])
async def test_a_connection_that_the_upstream_will_not_keep_is_not_used_again(flight: Flight, line: bytes) -> None:
    async with ScriptedUpstream(answers(ok(b"fine", line))) as upstream:
        await flight.start(to(upstream.port))
        await flight.send(GET)
        await until(lambda: flight.upstream_connections == 0, "the connection is closed")
        await flight.send(GET)
        assert len(upstream.peers) == 2


async def test_no_more_unused_connections_are_kept_than_the_limit_says(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), limits=flight.limits(idle_upstream_connections=1))
        clients = [await flight.connect() for _ in range(3)]
        for client in clients:
            await client.send(GET)
        servers = [await upstream.accept() for _ in clients]
        assert flight.upstream_connections == 3
        for server in servers:
            await server.read_message()
            await server.send(ok())
        for client in clients:
            assert await client.read_message() == ok()
        await until(lambda: flight.upstream_connections == 1, "the others are closed")


async def test_beyond_the_limit_of_open_connections_the_answer_is_503(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), limits=flight.limits(upstream_connections=1))
        first = await flight.connect()
        await first.send(GET)
        server = await upstream.accept()
        answer, _ = await flight.send(GET)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        place = f"127.0.0.1:{upstream.port}"
        text = f"overloaded: 1 connections to {place} are open already, which is the limit\n"
        assert answer.partition(b"\r\n\r\n")[2].decode() == text
        await server.read_message()
        await server.send(ok())
        assert await first.read_message() == ok()
        records = await flight.land()
    assert [record.error for record in records] == [None, ("overloaded", "connect", "recorder")]
