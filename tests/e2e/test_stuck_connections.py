"""Peers that end, stall or read nothing at the wrong moment: nothing is lost by it, kept for ever, or piled up."""

import asyncio
import socket
from dataclasses import replace

import pytest

from recorder.settings import Capture
from tests.e2e.conftest import TIMEOUTS, Flight, to
from tests.e2e.scripted import Peer, ScriptedUpstream, answers, ok, until
from tests.e2e.test_tls import Certified

GET = b"GET /lm/x HTTP/1.1\r\nHost: recorder.test\r\n\r\n"
UNKNOWN = b"GET /404/ HTTP/1.1\r\nHost: recorder.test\r\n\r\n"
HANDSHAKE = (
    b"GET /lm/ws HTTP/1.1\r\nHost: recorder.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("durability", ["batched", "write_ahead"])
async def test_a_half_closed_client_gets_its_whole_response(flight: Flight, durability: str) -> None:
    """Also where the response's bytes wait for the journal when the connection is to be closed."""
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), capture=Capture(durability=durability))  # type: ignore[arg-type]
        client = await flight.connect()
        await client.send(GET)
        client.end()
        peer = await upstream.accept()
        await peer.read_message()
        await peer.send(ok(b"all of it"))
        assert await client.read_to_end() == ok(b"all of it")
        (record,) = await flight.land()
    assert record.metadata["completed"]


async def test_pipelined_requests_in_front_of_a_half_close_are_all_answered(flight: Flight) -> None:
    await flight.start()
    client = await flight.connect()
    await client.send(UNKNOWN * 10)
    client.end()
    assert (await client.read_to_end()).count(b"HTTP/1.1 404 Not Found\r\n") == 10


async def test_a_client_that_takes_no_answers_is_not_read_either(flight: Flight) -> None:
    """Answers of the recorder's own have no upstream that could be held: they must not pile up in memory."""
    await flight.start()
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", flight.port))
    client = Peer(*await asyncio.open_connection(sock=small))
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Padding: %b\r\n\r\n" % (b"x" * 4000)
    client.writer.write(request * 8_000)
    sizes = [0]

    def stands_still() -> bool:
        sizes.append(flight.client_buffer_bytes)
        return len(sizes) > 200 and sizes[-1] > 0 and len(set(sizes[-100:])) == 1

    await until(stands_still, "the recorder stops to read")
    assert max(sizes) < 1024 * 1024
    assert client.writer.transport.get_write_buffer_size() > 1024 * 1024
    client.writer.transport.abort()
    await until(lambda: flight.client_connections == 0, "the client's connection is gone")


async def test_a_client_that_never_takes_its_last_bytes_does_not_stay_for_ever(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        route = to(upstream.port, timeouts=replace(TIMEOUTS, idle_s=0.5))
        await flight.start(route, limits=flight.limits(client_idle_s=0.5))
        client = await flight.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        peer = await upstream.accept_request(client, GET)
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n" + bytes(67108864))
        await until(lambda: flight.client_connections == 0, "the client's connection is gone")
        (record,) = await flight.land()
    assert record.error == ("client_timeout", "response_body", "client")


async def test_a_drained_response_that_stalls_ends_at_its_idle_timeout(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        route = to(upstream.port, on_client_disconnect="drain", timeouts=replace(TIMEOUTS, idle_s=0.5))
        await flight.start(route)
        client = await flight.connect()
        await client.send(GET)
        peer = await upstream.accept()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await client.read_until(b"half")
        client.reset()
        await peer.wait_closed()
        await until(lambda: flight.client_connections == 0, "nothing is left of it")
        (record,) = await flight.land()
    assert record.error == ("client_disconnect", "response_body", "client")


async def test_a_client_that_ended_its_side_and_left_holds_up_no_deadline_of_others(flight: Flight) -> None:
    """Its response is read on while its socket is gone."""
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    async with ScriptedUpstream() as upstream:
        route = to(upstream.port, on_client_disconnect="drain")
        await flight.start(route, limits=flight.limits(head_read_s=1.0))
        leaving = await flight.connect()
        await leaving.send(GET)
        leaving.end()
        peer = await upstream.accept()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        await leaving.read_until(b"half")
        leaving.reset()
        await until(lambda: flight.client_connections == 0, "the recorder sees the client leave")
        slow = await flight.connect()
        await slow.send(b"GET / HTTP")
        assert (await slow.read_to_end()).startswith(b"HTTP/1.1 408 ")
        await peer.send(b"done")
        refused, record = sorted(await flight.land(), key=lambda each: len(each.response))[::-1]
    assert errors == []
    assert refused.response.startswith(b"HTTP/1.1 408 ")
    assert record.response.endswith(b"halfdone")


async def test_a_stop_waits_for_a_drained_response_and_then_ends_it(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port, on_client_disconnect="drain"))
        client = await flight.connect()
        await client.send(GET)
        peer = await upstream.accept()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await client.read_until(b"half")
        client.reset()
        await peer.send(b"more")
        (record,) = await flight.land(grace_s=0.3)
        await peer.wait_closed()
    assert record.error == ("client_disconnect", "response_body", "client")


async def test_a_client_that_leaves_a_tunnel_ends_a_tls_upstream_too(flight: Flight) -> None:
    """TLS cannot be closed on one side alone: without an end of its own it would stay open until the idle timeout."""
    async with ScriptedUpstream(tls=Certified("localhost").tls) as upstream:
        await flight.start(to(0, destination=f"https://localhost:{upstream.port}/", verify_ssl=False))
        client = await flight.connect()
        peer = await upstream.accept_request(client, HANDSHAKE)
        await peer.send(SWITCHED + b"hello")
        await client.read_until(b"hello")
        client.close()
        await peer.wait_closed()
        (record,) = await flight.land()
    assert record.error == ("client_disconnect", "tunnel", "client")


async def test_a_client_that_ended_before_the_tunnel_began_has_ended_it(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        peer = await upstream.accept_request(client, HANDSHAKE)
        client.end()
        await asyncio.sleep(0.1)  # the recorder has no way to tell that it saw the end
        await peer.send(SWITCHED + b"hello")
        await peer.wait_closed()
        peer.close()
        assert await client.read_to_end() == SWITCHED + b"hello"
        (record,) = await flight.land()
    assert record.metadata["completed"]


async def test_an_upstream_that_takes_no_upload_is_the_one_that_timed_out(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port, timeouts=replace(TIMEOUTS, idle_s=0.5)))
        client = await flight.connect()
        client.writer.write(b"PUT /lm/x HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: 67108864\r\n\r\n")
        client.writer.write(bytes(33554432))
        peer = await upstream.accept()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
        client.writer.transport.abort()
        (record,) = await flight.land()
    assert record.error == ("upstream_timeout", "request_body", "upstream")


@pytest.mark.parametrize(
    "request_start",
    [
        b"PUT /404/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        b"PUT /lm/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ],
)
async def test_an_answer_that_ends_the_connection_says_so(flight: Flight, request_start: bytes) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(request_start)
        if b"chunked" in request_start:
            await (await upstream.accept()).read_until(b"ab\r\n")
            await client.send(b"no chunk\r\n")
        answer = await client.read_to_end()
    assert b"\r\nConnection: close\r\n" in answer


async def test_a_content_length_of_thousands_of_digits_is_refused(flight: Flight) -> None:
    length = b"0" * 5000 + b"4"
    async with ScriptedUpstream(answers(b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\nfine" % length)) as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(b"PUT /lm/ HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\n\r\nfine" % length)
        assert (await client.read_to_end()).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        answer, _ = await flight.send(GET)
        assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        records = await flight.land()
    problem = "Content-Length of more than 18 digits"
    assert [record.metadata["error"]["detail"] for record in records] == [problem, problem]


async def test_a_secret_in_a_trailer_section_that_breaks_is_not_recorded(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        peer = await upstream.accept_request(client, GET)
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nSet-Co")
        await client.read_until(b"Set-Co")
        await peer.send(b"okie: sid=hunter2\r\nno trailer\r\n\r\n")
        await client.wait_closed()
        (record,) = await flight.land()
    assert b"hunter2" not in record.response
    assert b"0\r\nSet-Cookie: [secret:" in record.response
    assert record.response.endswith(b"]\r\nno trailer\r\n\r\n")
    assert record.error == ("bad_response", "response_body", "upstream")
