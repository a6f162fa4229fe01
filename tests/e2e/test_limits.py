"""Limits of what a client or an upstream can make grow: what happens at each, and that others go on."""

import asyncio
from dataclasses import replace

import pytest

from recorder.relay.pool import Pool
from tests.e2e.conftest import TIMEOUTS, Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok, until
from traffic.http1.limits import MessageLimits

GET = b"GET /lm/x HTTP/1.1\r\nHost: recorder.test\r\n\r\n"
HANDSHAKE = (
    b"GET /lm/ws HTTP/1.1\r\nHost: recorder.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


@pytest.mark.parametrize("limit", ["connections", "connections_per_client"])
async def test_a_connection_too_many_is_closed_at_once_and_counted(flight: Flight, limit: str) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port), limits=flight.limits(**{limit: 2}))
        first, second = await flight.connect(), await flight.connect()
        await until(lambda: flight.client_connections == 2, "both are there")
        third = await flight.connect()
        await third.wait_closed()
        for client in (first, second):
            await client.send(GET)
            assert await client.read_message() == ok()
        await first.send(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"\nrecorder_rejected_connections 1.0\n" in await first.read_message()
        await first.leave()
        await until(lambda: flight.client_connections == 1, "one has gone")
        answer, _ = await flight.send(GET)
        assert answer == ok()


async def test_a_head_of_more_lines_than_allowed_gets_431(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        limits = flight.limits(message=MessageLimits(head_fields=20))
        await flight.start(to(upstream.port), limits=limits)
        lines = b"".join(b"X-%d: y\r\n" % number for number in range(20))
        answer, _ = await flight.send(GET[:-2] + lines + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert answer.endswith(b"\r\n\r\nthe head has more than 20 header lines\n")
        assert upstream.peers == []
        (record,) = await flight.land()
    assert record.error == ("bad_request", "request_head", "client")


async def test_a_response_s_limits_are_the_settings_too(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok(b"fine", *[b"X-A: y"] * 20))) as upstream:
        await flight.start(to(upstream.port), limits=flight.limits(message=MessageLimits(head_fields=20)))
        answer, _ = await flight.send(GET)
        assert answer.endswith(b"\r\n\r\nbad_response: the head has more than 20 header lines\n")


@pytest.mark.parametrize("at_once", [True, False])
async def test_interim_responses_without_end_are_a_502(flight: Flight, at_once: bool) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), limits=flight.limits(interim_responses=3))
        client = await flight.connect()
        far = await upstream.accept_request(client, GET)
        if not at_once:
            for _ in range(3):
                await far.send(INTERIM)
                assert await client.read_message() == INTERIM
        await far.send(INTERIM * 4 if at_once else INTERIM)
        answer = await client.read_message()
        assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert answer.endswith(b"\r\n\r\nbad_response: more than 3 interim responses\n")
        await far.wait_closed()
        (record,) = await flight.land()
    assert record.error == ("bad_response", "response_head", "upstream")
    assert record.response == INTERIM * 4 + answer


async def test_as_many_interim_responses_as_allowed_pass(flight: Flight) -> None:
    async with ScriptedUpstream(answers(INTERIM * 3 + ok())) as upstream:
        await flight.start(to(upstream.port), limits=flight.limits(interim_responses=3))
        client = await flight.connect()
        await client.send(GET)
        assert await client.read_exactly(len(INTERIM * 3 + ok())) == INTERIM * 3 + ok()


@pytest.mark.parametrize("begun", [False, True])
async def test_an_exchange_that_trickles_for_ever_is_ended(flight: Flight, begun: bool) -> None:
    """Although something comes again and again."""
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), limits=flight.limits(exchange_s=0.7))
        client = await flight.connect()
        far = await upstream.accept_request(client, GET)
        if begun:
            await far.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        answer = await (client.read_to_end() if begun else client.read_message())
        (record,) = await flight.land()
    assert record.metadata["error"]["detail"] == "it took more than 0.7 s (limits.exchange_s)"
    if begun:
        assert answer == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
        assert record.error == ("exchange_timeout", "response_body", "recorder")
    else:
        assert answer.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
        assert record.error == ("exchange_timeout", "response_head", "recorder")


async def test_a_tunnel_ends_at_the_longest_time_too(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), limits=flight.limits(exchange_s=0.7))
        client = await flight.connect()
        far = await upstream.accept_request(client, HANDSHAKE)
        await far.send(SWITCHED)
        assert await client.read_to_end() == SWITCHED
        await far.wait_closed()
        (record,) = await flight.land()
    assert record.error == ("exchange_timeout", "tunnel", "recorder")


async def test_a_request_that_trickles_behind_its_answer_is_ended(flight: Flight) -> None:
    await flight.start(limits=flight.limits(exchange_s=0.7))
    client = await flight.connect()
    await client.send(b"PUT /404/ HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: 10\r\n\r\nhalf")
    assert (await client.read_to_end()).startswith(b"HTTP/1.1 404 Not Found\r\n")
    (record,) = await flight.land()
    assert record.error == ("exchange_timeout", "request_body", "recorder")


async def test_the_last_bytes_of_a_tunnel_reach_an_upstream_that_reads_late(flight: Flight) -> None:
    size = 8 * 1024 * 1024
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        far = await upstream.accept_request(client, HANDSHAKE)
        await far.send(SWITCHED)
        far.end()
        assert await client.read_to_end() == SWITCHED
        far.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(bytes(size))
        client.end()
        await until(lambda: flight.is_held_by_its_upstream, "the recorder holds what the upstream does not take")
        far.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await far.read_to_end()) == size
        (record,) = await flight.land()
    assert record.metadata["completed"] is True
    assert record.sent_request.endswith(bytes(size))


async def test_an_upstream_that_never_takes_a_tunnel_s_last_bytes_is_let_go(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), limits=flight.limits(linger_s=0.2))
        client = await flight.connect()
        far = await upstream.accept_request(client, HANDSHAKE)
        await far.send(SWITCHED)
        await client.read_message()
        far.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(bytes(8 * 1024 * 1024))
        await until(lambda: flight.is_held_by_its_upstream, "the recorder holds what the upstream does not take")
        client.reset()
        await until(lambda: flight.upstream_connections == 0, "the connection is gone")
        (record,) = await flight.land()
    assert record.error == ("client_disconnect", "tunnel", "client")


async def test_an_unknown_failure_to_connect_is_a_502_and_no_stuck_exchange(
    flight: Flight, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Pool, "connect", fail)
    await flight.start(to(1))
    answer, _ = await flight.send(GET)
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    text = b"upstream_unreachable: the recorder failed to connect: RuntimeError, see its log\n"
    assert answer.partition(b"\r\n\r\n")[2] == text
    assert "connecting to 127.0.0.1 failed in an unknown way" in caplog.text
    (record,) = await flight.land()
    assert record.error == ("upstream_unreachable", "connect", "recorder")


async def test_too_many_slow_names_are_a_503(flight: Flight) -> None:
    route = to(0, destination="http://localhost:1/", timeouts=replace(TIMEOUTS, connect_s=1))
    await flight.start(route, limits=flight.limits(name_lookups=0))
    answer, _ = await flight.send(GET)
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    text = b"overloaded: 0 host names are being looked up already, which is the limit (limits.name_lookups)\n"
    assert answer.partition(b"\r\n\r\n")[2] == text


async def test_a_client_that_closed_is_found_by_the_first_byte_that_finds_nobody(flight: Flight) -> None:
    """A plain close looks like a half-close; the first write to it brings a reset, for which the recorder looks."""
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        far = await upstream.accept_request(client, GET)
        await client.leave()
        await far.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        async with asyncio.timeout(5):
            await far.wait_closed()
        (record,) = await flight.land()
    assert record.error == ("client_disconnect", "response_body", "client")
