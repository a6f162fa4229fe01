"""Upstreams behind an outbound proxy: HTTP CONNECT and SOCKS5, each a page of asyncio here, and NO_PROXY."""

import asyncio
import socket
import ssl

import pytest
import trustme

from recorder.relay.dial import tls_context
from recorder.settings import OutboundProxy
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import Peer, Script, ScriptedUpstream, answers, ok

REQUEST = b"POST /lm/x HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: 8\r\n\r\nquestion"


class Places(list[tuple[str, int]]):
    """Where a proxy was asked to connect to."""


def http_proxy(places: Places, authorization: bytes = b"") -> Script:
    async def script(peer: Peer) -> None:
        request = await peer.read_until(b"\r\n\r\n")
        method, target, _ = request.partition(b"\r\n")[0].split(b" ")
        host, _, port = target.decode().rpartition(":")
        places.append((host, int(port)))
        if method != b"CONNECT" or authorization not in request:
            await peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        await join(peer, host.strip("[]"), int(port), b"HTTP/1.1 200 Connection established\r\n\r\n")

    return script


def socks5_proxy(places: Places) -> Script:
    """RFC 1928, CONNECT without authentication."""

    async def script(peer: Peer) -> None:
        _, methods = await peer.read_exactly(2)
        await peer.read_exactly(methods)
        await peer.send(b"\x05\x00")
        kind = (await peer.read_exactly(4))[3]
        if kind == 3:
            host = (await peer.read_exactly((await peer.read_exactly(1))[0])).decode()
        else:
            host = socket.inet_ntop(*((socket.AF_INET, await peer.read_exactly(4)) if kind == 1 else (
                socket.AF_INET6, await peer.read_exactly(16))))  # fmt: skip
        port = int.from_bytes(await peer.read_exactly(2))
        places.append((host, port))
        await join(peer, host, port, b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")

    return script


async def join(peer: Peer, host: str, port: int, established: bytes) -> None:
    """Tell the client that the connection stands, and pass bytes both ways."""
    reader, writer = await asyncio.open_connection(host, port)
    await peer.send(established)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(peer.reader, writer))
            group.create_task(pump(reader, peer.writer))
    except* ConnectionError:
        pass
    finally:
        writer.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(65_536):
        writer.write(block)
        await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    ("scheme", "asked"),
    [("http", "localhost"), ("socks5", ("127.0.0.1", "::1")), ("socks5h", "localhost")],
)
async def test_an_upstream_is_reached_through_a_proxy(
    flight: Flight, scheme: str, asked: str | tuple[str, ...]
) -> None:
    """`socks5` resolves the name here, `socks5h` and `http` leave that to the proxy."""
    places = Places()
    script = http_proxy(places) if scheme == "http" else socks5_proxy(places)
    async with (
        ScriptedUpstream(answers(ok(b"far away")), host="localhost") as upstream,
        ScriptedUpstream(script) as proxy,
    ):
        url = f"{scheme}://127.0.0.1:{proxy.port}"
        route = to(0, destination=f"http://localhost:{upstream.port}/")
        await flight.start(route, proxy=OutboundProxy(url, url))
        client = await flight.connect()
        for _ in range(2):
            await client.send(REQUEST)
            assert await client.read_message() == ok(b"far away")
        authority = b"localhost:%d" % upstream.port
        sent = REQUEST.replace(b"/lm/", b"/").replace(b"recorder.test", authority)
        assert upstream.peers[0].received == sent * 2
        assert len(places) == len(proxy.peers) == 1
        assert places[0][1] == upstream.port
        assert places[0][0] in asked
        records = await flight.land()
    assert [record.response for record in records] == [ok(b"far away")] * 2


async def test_tls_to_the_upstream_is_made_through_the_proxy(flight: Flight) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("upstream.test").configure_cert(tls)
    names: list[str | None] = []
    tls.sni_callback = lambda _connection, name, _context: names.append(name)
    places = Places()
    tls_context.cache_clear()
    async with (
        ScriptedUpstream(answers(ok()), host="localhost", tls=tls) as upstream,
        ScriptedUpstream(http_proxy(places)) as proxy,
    ):
        url = f"http://127.0.0.1:{proxy.port}"
        route = to(0, destination=f"https://localhost:{upstream.port}/", verify_ssl=False)
        await flight.start(route, proxy=OutboundProxy(None, url))
        answer, _ = await flight.send(REQUEST)
    assert answer == ok()
    assert places == [("localhost", upstream.port)]
    assert names == ["localhost"]


async def test_a_proxy_that_wants_a_password_gets_it_and_nobody_else_does(flight: Flight) -> None:
    places = Places()
    script = http_proxy(places, b"\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n")
    async with ScriptedUpstream(answers(ok())) as upstream, ScriptedUpstream(script) as proxy:
        await flight.start(to(upstream.port), proxy=OutboundProxy(f"http://user:pass@127.0.0.1:{proxy.port}"))
        answer, _ = await flight.send(REQUEST)
        assert answer == ok()
        assert b"roxy" not in upstream.peers[0].received
        (record,) = await flight.land()
    assert b"dXNlcjpwYXNz" not in record.request


async def test_a_proxy_that_refuses_is_a_502_that_says_so(flight: Flight) -> None:
    script = http_proxy(Places(), b"a password")
    async with ScriptedUpstream(answers(ok())) as upstream, ScriptedUpstream(script) as proxy:
        await flight.start(to(upstream.port), proxy=OutboundProxy(f"http://127.0.0.1:{proxy.port}"))
        answer, _ = await flight.send(REQUEST)
        assert upstream.peers == []
        (record,) = await flight.land()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert record.error == ("proxy_failure", "connect", "network")
    assert record.metadata["error"]["detail"].startswith("the outbound proxy did not connect: 407 ")


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "example.com, 127.0.0.1", "*", "127.0.0.1:{port}"])
async def test_no_proxy_leads_past_the_proxy(flight: Flight, no_proxy: str) -> None:
    places = Places()
    async with ScriptedUpstream(answers(ok())) as upstream, ScriptedUpstream(http_proxy(places)) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        excluded = no_proxy.format(port=upstream.port)
        await flight.start(to(upstream.port), proxy=OutboundProxy(url, url, excluded))
        answer, _ = await flight.send(REQUEST)
    assert answer == ok()
    assert places == []
