"""Upstreams behind an outbound proxy: HTTP CONNECT (also within TLS) and SOCKS5, a page of asyncio each; NO_PROXY."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from recorder.settings import OutboundProxy, Timeouts
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import Peer, Script, ScriptedUpstream, answers, ok, until

REQUEST = b"POST /lm/x HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: 8\r\n\r\nquestion"


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """One that the recorder trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


def certified(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(tls)
    return tls


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


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_upstream_is_reached_through_a_proxy_within_tls(
    flight: Flight, authority: trustme.CA, scheme: str
) -> None:
    """More bytes than any buffer holds go both ways, on one connection for two exchanges; its end is passed on."""
    places = Places()
    body = bytes(range(256)) * 16_384
    upload = b"POST /lm/x HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    script = http_proxy(places, b"\r\nProxy-Authorization: Basic dXNlcjpwOnNz\r\n")
    tls = certified(authority) if scheme == "https" else None
    async with (
        ScriptedUpstream(answers(ok(body)), host="localhost", tls=tls) as upstream,
        ScriptedUpstream(script, host="localhost", tls=certified(authority)) as proxy,
    ):
        url = f"https://user:p%3Ass@localhost:{proxy.port}"
        route = to(0, destination=f"{scheme}://localhost:{upstream.port}/")
        await flight.start(route, proxy=OutboundProxy(url, url))
        client = await flight.connect()
        for _ in range(2):
            await client.send(upload)
            assert await client.read_message() == ok(body)
        assert upstream.peers[0].received.count(body) == 2
        assert places == [("localhost", upstream.port)]
        upstream.peers[0].close()
        await until(lambda: flight.upstream_connections == 0, "the recorder knows that the upstream left")
        await proxy.peers[0].wait_closed()
        records = await flight.land()
    assert [record.response for record in records] == [ok(body)] * 2


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_without_a_trusted_certificate_gets_nothing(flight: Flight, scheme: str) -> None:
    """Not even with verify_ssl: false, which is about upstreams."""
    places = Places()
    tls = certified(trustme.CA())
    async with ScriptedUpstream(http_proxy(places), host="localhost", tls=tls) as proxy:
        url = f"https://localhost:{proxy.port}"
        route = to(0, destination=f"{scheme}://localhost:1/", verify_ssl=False)
        await flight.start(route, proxy=OutboundProxy(url, url))
        answer, _ = await flight.send(REQUEST)
        assert proxy.peers == []
        (record,) = await flight.land()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert record.error == ("tls_failure", "connect", "network")
    detail = record.metadata["error"]["detail"]
    beginning = f"no TLS with the outbound proxy localhost:{proxy.port}: its certificate is not accepted ("
    assert detail.startswith(beginning)
    assert "verify_ssl" not in detail


async def test_an_upstream_behind_a_tls_proxy_must_have_a_trusted_certificate_too(
    flight: Flight, authority: trustme.CA
) -> None:
    async with (
        ScriptedUpstream(answers(ok()), host="localhost", tls=certified(trustme.CA())) as upstream,
        ScriptedUpstream(http_proxy(Places()), host="localhost", tls=certified(authority)) as proxy,
    ):
        route = to(0, destination=f"https://localhost:{upstream.port}/")
        await flight.start(route, proxy=OutboundProxy(None, f"https://localhost:{proxy.port}"))
        answer, _ = await flight.send(REQUEST)
        (record,) = await flight.land()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert record.error == ("tls_failure", "connect", "network")
    detail = record.metadata["error"]["detail"]
    assert detail.startswith(f"no TLS with localhost:{upstream.port}: its certificate is not accepted (")


async def test_a_client_that_leaves_ends_the_connection_through_a_tls_proxy(
    flight: Flight, authority: trustme.CA
) -> None:
    async with (
        ScriptedUpstream(host="localhost", tls=certified(authority)) as upstream,
        ScriptedUpstream(http_proxy(Places()), host="localhost", tls=certified(authority)) as proxy,
    ):
        route = to(0, destination=f"https://localhost:{upstream.port}/")
        await flight.start(route, proxy=OutboundProxy(None, f"https://localhost:{proxy.port}"))
        client = await flight.connect()
        peer = await upstream.accept_request(client, REQUEST)
        client.reset()
        await peer.wait_closed()
        await until(lambda: flight.upstream_connections == 0, "the recorder's side is gone too")


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (b"HTTP/1.1 503 Busy\r\n\r\n", "the outbound proxy did not connect: 503 Busy"),
        (b"SSH-2.0-x\r\n\r\n", "the outbound proxy's answer to CONNECT is not HTTP: "),
        (b"HTTP/1.1 200 OK\r\n", "the outbound proxy closed the connection without an answer"),
        (b"x" * 70_000, "the outbound proxy's answer to CONNECT has no end"),
    ],
)
async def test_an_answer_to_connect_that_is_none_is_a_502_that_says_so(
    flight: Flight, reply: bytes, detail: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await peer.send(reply)

    async with ScriptedUpstream(script) as proxy:
        await flight.start(to(1), proxy=OutboundProxy(f"http://127.0.0.1:{proxy.port}"))
        answer, _ = await flight.send(REQUEST)
        (record,) = await flight.land()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert record.error == ("proxy_failure", "connect", "network")
    assert record.metadata["error"]["detail"].startswith(detail)


async def test_an_answer_to_connect_may_come_in_pieces(flight: Flight) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        for byte in b"HTTP/1.0 200 Connection established\r\nVia: a\r\n\r\n":
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await peer.read_message()
        await peer.send(ok(b"in pieces"))

    async with ScriptedUpstream(script) as proxy:
        await flight.start(to(1), proxy=OutboundProxy(f"http://127.0.0.1:{proxy.port}"))
        answer, _ = await flight.send(REQUEST)
    assert answer == ok(b"in pieces")


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_a_proxy_that_does_not_run_is_a_502_that_names_it(flight: Flight, scheme: str) -> None:
    async with ScriptedUpstream() as proxy:
        port = proxy.port
    await flight.start(to(1), proxy=OutboundProxy(f"{scheme}://127.0.0.1:{port}"))
    answer, _ = await flight.send(REQUEST)
    (record,) = await flight.land()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert record.error == ("proxy_failure", "connect", "network")
    detail = record.metadata["error"]["detail"]
    assert detail.startswith(f"no connection to the outbound proxy 127.0.0.1:{port}: ")


async def test_a_tls_proxy_that_never_answers_is_a_504_and_is_left(flight: Flight, authority: trustme.CA) -> None:
    async with ScriptedUpstream(host="localhost", tls=certified(authority)) as proxy:
        route = to(1, timeouts=Timeouts(connect_s=0.3))
        await flight.start(route, proxy=OutboundProxy(f"https://localhost:{proxy.port}"))
        answer, _ = await flight.send(REQUEST)
        await (await proxy.accept()).wait_closed()
        (record,) = await flight.land()
    assert answer.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    assert record.error == ("upstream_timeout", "connect", "network")
    assert record.metadata["error"]["detail"] == "no connection to 127.0.0.1:1 within 0.3 s"
