"""Connections on both sides of the recorder: reused, pipelined, half-closed, left, and held up."""

import asyncio
import contextlib
import socket

import pytest

from tests.e2e.conftest import TIMEOUTS, Flight, to
from tests.e2e.scripted import Peer, ScriptedUpstream, answers, ok, until
from tests.e2e.wire import Observer

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BLOCK = b"10000\r\n" + bytes(0x10000) + b"\r\n"


def get(path: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET /lm/" + path + b" HTTP/1.1", b"Host: recorder.test", *lines, b"", b""])


def post(path: bytes, body: bytes) -> bytes:
    head = b"POST /lm/%b HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: %d\r\n\r\n" % (path, len(body))
    return head + body


async def test_connections_on_both_sides_are_kept_and_used_again(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok(b"one"), ok(b"two"), ok(b"three"))) as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        for number, body in enumerate([b"one", b"two", b"three"]):
            await client.send(post(b"%d" % number, b"question %d" % number))
            assert await client.read_message() == ok(body)
        other = await flight.connect()
        await other.send(get(b"other"))
        assert await other.read_message() == ok(b"three")
        assert len(upstream.peers) == 1
        records = await flight.land()
    assert [record.response for record in records] == [ok(b"one"), ok(b"two"), ok(b"three"), ok(b"three")]
    assert [record.metadata["durations_ms"]["connect"] is None for record in records] == [False, True, True, True]


async def test_pipelined_requests_are_answered_in_order_and_recorded_apart(flight: Flight) -> None:
    async def echo(peer: Peer) -> None:
        while True:
            try:
                request = await peer.read_message()
            except asyncio.IncompleteReadError:
                return
            await peer.send(ok(request.partition(b"\r\n\r\n")[2] * 3))

    bodies = [b"body %d " % number for number in range(10)]
    async with ScriptedUpstream(echo) as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(b"".join(post(b"%d" % number, body) for number, body in enumerate(bodies)))
        expected = b"".join(ok(body * 3) for body in bodies)
        assert await client.read_exactly(len(expected)) == expected
        assert len(upstream.peers) == 1
        records = await flight.land()
    assert [record.response for record in records] == [ok(body * 3) for body in bodies]
    assert [record.request.partition(b"\r\n\r\n")[2] for record in records] == bodies
    assert [record.metadata["upstream_url"].rpartition("/")[2] for record in records] == [*"0123456789"]
    assert all(record.metadata["completed"] for record in records)


async def test_stray_bytes_behind_a_response_are_in_no_record_and_end_that_upstream_connection(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok(b"fine") + b"HTTP/1.1 200 OK\r\n")) as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        for _ in range(2):
            await client.send(get(b"x"))
            assert await client.read_message() == ok(b"fine")
        assert len(upstream.peers) == 2
        records = await flight.land()
    assert [record.response for record in records] == [ok(b"fine")] * 2


async def test_a_client_that_ends_its_side_gets_its_whole_response(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(post(b"x", b"question"))
        client.end()
        far = await upstream.accept()
        await far.read_message()
        await far.send(CHUNKED + b"5\r\nhello\r\n")
        assert await client.read_exactly(len(CHUNKED) + 10) == CHUNKED + b"5\r\nhello\r\n"
        await far.send(b"0\r\n\r\n")
        assert await client.read_to_end() == b"0\r\n\r\n"
        (record,) = await flight.land()
    assert record.metadata["completed"] is True
    assert record.response == CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"


async def test_a_client_that_ends_inside_its_request_is_recorded_as_gone(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(post(b"x", b"question")[:-3])
        far = await upstream.accept()
        await far.read_until(b"quest")
        client.end()
        await far.wait_closed()
        (record,) = await flight.land()
    assert record.error == ("client_disconnect", "request_body", "client")
    assert record.metadata["error"]["detail"] == "the client ended its request too early"
    assert record.request.endswith(b"\r\n\r\nquest")


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_client_that_leaves_mid_stream_ends_the_upstream_too(flight: Flight, how: str) -> None:
    """A reset is seen at once; a plain close looks like a half-closed client until the next bytes find nobody."""
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        far = await upstream.accept_request(client, get(b"stream"))
        await far.send(CHUNKED + b"5\r\nhello\r\n")
        await client.read_until(b"hello\r\n")
        if how == "reset":
            client.reset()
        else:
            client.close()
            await send_until_closed(far)
        async with asyncio.timeout(1):
            await far.wait_closed()
        (record,) = await flight.land()
    assert record.error == ("client_disconnect", "response_body", "client")
    assert record.metadata["error"]["detail"] == "the client closed its connection"
    assert record.metadata["answered_by"] == "upstream"
    assert record.response.startswith(CHUNKED + b"5\r\nhello\r\n")


async def send_until_closed(peer: Peer) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await peer.send(BLOCK)


async def test_the_response_is_read_to_its_end_where_a_route_says_drain(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port, on_client_disconnect="drain"))
        client = await flight.connect()
        far = await upstream.accept_request(client, get(b"stream"))
        await far.send(CHUNKED + b"5\r\nhello\r\n")
        await client.read_until(b"hello\r\n")
        client.reset()
        await until(lambda: flight.client_connections == 0, "the recorder sees the client leave")
        await far.send(BLOCK * 20 + b"0\r\n\r\n")
        await far.wait_closed()
        (record,) = await flight.land()
    assert record.error == ("client_disconnect", "response_body", "client")
    assert record.response == CHUNKED + b"5\r\nhello\r\n" + BLOCK * 20 + b"0\r\n\r\n"


async def test_draining_is_bounded(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        limits = flight.limits(abandoned_bytes=1_000_000)
        await flight.start(to(upstream.port, on_client_disconnect="drain"), limits=limits)
        client = await flight.connect()
        far = await upstream.accept_request(client, get(b"stream"))
        await far.send(CHUNKED)
        await client.read_exactly(len(CHUNKED))
        client.reset()
        await send_until_closed(far)
        (record,) = await flight.land()
    assert record.error == ("client_disconnect", "response_body", "client")
    assert 1_000_000 <= len(record.response) < 2_000_000


async def test_a_stale_pooled_connection_is_replaced_once_where_that_is_safe(flight: Flight) -> None:
    """The upstream ends an unused connection just as the next request comes: a GET is sent again and seen once."""
    async with ScriptedUpstream() as upstream, Observer(upstream.port) as observer:
        await flight.start(to(observer.port))
        client = await flight.connect()
        stale = await warm(client, upstream)
        asked = len(observer.passages[0].to_server)
        stale.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a stream that is read
        await client.send(get(b"second"))
        await until(lambda: len(observer.passages[0].to_server) > asked, "the request is on its way")
        stale.reset()
        fresh = await upstream.accept()
        assert (await fresh.read_message()).startswith(b"GET /second ")
        await fresh.send(ok(b"second"))
        assert await client.read_message() == ok(b"second")
        assert b"second" not in stale.received
        records = await flight.land()
    assert [record.response for record in records] == [ok(b"first"), ok(b"second")]
    assert records[1].metadata["completed"] is True


async def test_a_post_on_a_stale_connection_is_not_sent_again(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream, Observer(upstream.port) as observer:
        await flight.start(to(observer.port))
        client = await flight.connect()
        stale = await warm(client, upstream)
        asked = len(observer.passages[0].to_server)
        await client.send(post(b"second", b"charge my card"))
        await until(lambda: len(observer.passages[0].to_server) > asked, "the request is on its way")
        stale.reset()
        answer = await client.read_message()
        assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert answer.endswith(b"\r\n\r\nupstream_reset: the upstream reset its connection\n")
        assert len(upstream.peers) == 1
        records = await flight.land()
    assert records[1].error == ("upstream_reset", "response_head", "upstream")
    assert records[1].request.endswith(b"charge my card")


async def test_an_idle_connection_that_the_upstream_closed_is_not_used(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        stale = await warm(client, upstream)
        stale.close()
        await until(lambda: flight.upstream_connections == 0, "the recorder sees the upstream's end")
        fresh = await upstream.accept_request(client, post(b"second", b"question"))
        await fresh.send(ok(b"second"))
        assert await client.read_message() == ok(b"second")


async def warm(client: Peer, upstream: ScriptedUpstream) -> Peer:
    """One exchange, so that a connection stands in the pool; the upstream's end of it."""
    peer = await upstream.accept_request(client, get(b"first"))
    await peer.send(ok(b"first"))
    assert await client.read_message() == ok(b"first")
    return peer


async def test_a_slow_reader_holds_up_the_upstream_and_nothing_grows(flight: Flight) -> None:
    size = 64 * 1024 * 1024
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        far = await upstream.accept_request(client, get(b"large"))
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
        sending = asyncio.gather(send_blocks(far, head, size))
        await until(lambda: flight.is_held_by_its_client, "the upstream is held up")
        assert flight.client_buffer_bytes < 2 * 1024 * 1024
        assert far.sent_bytes < size // 2
        assert await client.read_exactly(len(head) + size) == head + bytes(size)
        await sending
        (record,) = await flight.land()
    assert record.metadata["completed"] is True
    assert record.response == head + bytes(size)


async def test_a_slow_upstream_holds_up_an_upload(flight: Flight) -> None:
    size = 64 * 1024 * 1024
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        head = b"POST /lm/x HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: %d\r\n\r\n" % size
        sending = asyncio.gather(send_blocks(client, head, size))
        far = await upstream.accept()
        await until(lambda: flight.is_held_by_its_upstream, "the client is held up")
        assert client.sent_bytes < size // 2
        await far.read_until(b"\r\n\r\n")
        assert await far.read_exactly(size) == bytes(size)
        await sending
        await far.send(ok())
        assert await client.read_message() == ok()
        (record,) = await flight.land()
    assert record.metadata["completed"] is True
    assert record.metadata["request"]["bytes"] == len(record.request) > size


async def send_blocks(peer: Peer, head: bytes, size: int) -> None:
    block = bytes(65_536)
    await peer.send(head)
    for _ in range(size // len(block)):
        await peer.send(block)


async def test_running_streams_end_within_the_grace_period_of_a_stop(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port, timeouts=TIMEOUTS))
        client, idle = await flight.connect(), await flight.connect()
        far = await upstream.accept_request(client, get(b"stream"))
        await far.send(CHUNKED)
        await client.read_exactly(len(CHUNKED))
        stopping = asyncio.gather(flight.land())
        await idle.wait_closed()  # the stop has begun
        await far.send(b"0\r\n\r\n")
        assert await client.read_to_end() == b"0\r\n\r\n"
        ((record,),) = await stopping
    assert record.metadata["completed"] is True


async def test_a_stream_that_outlives_the_grace_period_is_cut_and_says_so(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        far = await upstream.accept_request(client, get(b"stream"))
        await far.send(CHUNKED)
        await client.read_exactly(len(CHUNKED))
        (record,) = await flight.land(grace_s=0)
        await client.wait_closed()
    assert b"0\r\n\r\n" not in client.received
    assert record.error == ("shutdown", "response_body", "recorder")
