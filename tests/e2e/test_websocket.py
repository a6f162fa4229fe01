"""WebSocket upgrades are a tunnel in both directions, recorded frame by frame; no other protocol is tunnelled."""

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok
from tests.e2e.wire import Observer

UPGRADE = (
    b"GET /lm/ws HTTP/1.1\r\nHost: recorder.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


async def echo(request: web.Request) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    async for message in websocket:
        if message.type == aiohttp.WSMsgType.TEXT:
            await websocket.send_str(f"you said {message.data}")
        elif message.type == aiohttp.WSMsgType.BINARY:
            await websocket.send_bytes(message.data[::-1])
    return websocket


async def test_a_websocket_client_and_server_talk_through_the_recorder(flight: Flight) -> None:
    application = web.Application()
    application.router.add_get("/realtime", echo)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with Observer(runner.addresses[0][1]) as observer:
        await flight.start(to(observer.port))
        url = f"ws://127.0.0.1:{flight.port}/lm/realtime?model=tiny"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as websocket:
            await websocket.send_str("hello")
            assert await websocket.receive_str() == "you said hello"
            data = bytes(range(256)) * 1000
            await websocket.send_bytes(data)
            assert await websocket.receive_bytes() == data[::-1]
            await websocket.ping(b"still there?")
            await websocket.send_str("bye")
            assert await websocket.receive_str() == "you said bye"
        (record,) = await flight.land()
    await runner.cleanup()
    (passage,) = observer.passages
    assert record.sent_request == passage.to_server
    assert record.response == passage.to_client
    assert record.response.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert record.metadata["completed"] is True
    assert record.metadata["response"]["status"] == 101
    assert len(record.arrivals("request")) >= 4
    assert len(record.arrivals("response")) >= 4


async def test_bytes_of_a_tunnel_pass_one_way_after_the_other_has_ended(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(UPGRADE)
        far = await upstream.accept()
        sent = UPGRADE.replace(b"/lm/", b"/").replace(b"recorder.test", b"127.0.0.1:%d" % upstream.port)
        sent = sent.replace(b"Connection: keep-alive, Upgrade", b"Connection: Upgrade")
        got = await far.read_until(b"\r\n\r\n")
        assert got.replace(b"keep-alive, ", b"") == sent
        await far.send(SWITCHED + b"early")
        assert await client.read_exactly(len(SWITCHED) + 5) == SWITCHED + b"early"
        await client.send(b"\x81\x01a")
        assert await far.read_exactly(3) == b"\x81\x01a"
        client.end()
        assert await far.read_to_end() == b""
        await far.send(b"\x81\x01b")
        assert await client.read_exactly(3) == b"\x81\x01b"
        far.close()
        assert await client.read_to_end() == b""
        (record,) = await flight.land()
    assert record.metadata["completed"] is True
    assert record.sent_request == got + b"\x81\x01a"
    assert record.response == SWITCHED + b"early\x81\x01b"


async def test_a_tunnel_that_is_reset_says_so(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(UPGRADE)
        far = await upstream.accept()
        await far.read_until(b"\r\n\r\n")
        await far.send(SWITCHED)
        await client.read_exactly(len(SWITCHED))
        far.reset()
        await client.wait_closed()
        (record,) = await flight.land()
    assert record.error == ("upstream_reset", "tunnel", "upstream")
    assert record.response == SWITCHED


async def test_a_refused_upgrade_is_a_plain_response(flight: Flight) -> None:
    async with ScriptedUpstream(answers(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", ok())) as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(UPGRADE)
        assert await client.read_message() == b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
        await client.send(b"GET /lm/next HTTP/1.1\r\nHost: recorder.test\r\n\r\n")
        assert await client.read_message() == ok()
        records = await flight.land()
    assert [record.metadata["completed"] for record in records] == [True, True]


@pytest.mark.parametrize("protocol", [b"h2c", b"TLS/1.0", b"websocket, h2c"])
async def test_no_other_protocol_is_tunnelled(flight: Flight, protocol: bytes) -> None:
    """The upstream is not even asked."""
    request = (
        b"GET /lm/ HTTP/1.1\r\nHost: recorder.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\nAccept: */*\r\n\r\n" % protocol
    )
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        answer, _ = await flight.send(request)
        assert answer == ok()
        authority = b"127.0.0.1:%d" % upstream.port
        assert upstream.peers[0].received == b"GET / HTTP/1.1\r\nHost: %b\r\nAccept: */*\r\n\r\n" % authority
        (record,) = await flight.land()
    assert record.metadata["received"]["removed"] == [
        ["Connection", "Upgrade, HTTP2-Settings"],
        ["Upgrade", protocol.decode()],
        ["HTTP2-Settings", "AAMAAABkAAQAAP__"],
    ]
