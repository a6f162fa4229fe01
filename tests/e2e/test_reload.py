"""New settings for running services: nothing is dropped, the next request goes by them, wrong ones change nothing."""

import asyncio
import gc
import ssl
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ingest_server.settings import IngestSettings
from recorder.routing.table import RoutingError
from recorder.settings import Capture, Console, OutboundProxy, RecorderSettings, TlsFiles
from tests.e2e.certificates import certify
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok, until
from traffic.capture.vault import Vault
from traffic.keys import Key
from traffic.public_bind import PublicBindError

GET = b"GET /lm/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def reload(flight: Flight, **changes: Any) -> tuple[str, ...]:
    assert flight.recorder is not None
    return await flight.recorder.reload(replace(flight.recorder.settings, **changes))


async def reload_ingest(flight: Flight, **changes: Any) -> tuple[str, ...]:
    assert flight.ingest is not None
    return await flight.ingest.reload(replace(flight.ingest._settings, **changes))


async def test_a_kept_alive_connection_goes_by_the_new_routes_and_a_running_stream_by_the_old(flight: Flight) -> None:
    async with ScriptedUpstream() as old, ScriptedUpstream(answers(ok(b"new"))) as new:
        await flight.start(to(old.port))
        streaming, keeping = await flight.connect(), await flight.connect()
        for client in (streaming, keeping):
            await client.send(GET)
        first, second = await old.accept(), await old.accept()
        await first.read_message()
        await second.read_message()
        await first.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await second.send(ok(b"old"))
        stream = await streaming.read_until(b"one\r\n")
        assert await keeping.read_message() == ok(b"old")
        assert await reload(flight, routes=(to(new.port),)) == ()
        await keeping.send(GET)
        assert await keeping.read_message() == ok(b"new")
        await first.send(b"3\r\ntwo\r\n0\r\n\r\n")
        stream += await streaming.read_until(b"0\r\n\r\n")
        assert stream.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        await streaming.send(GET)
        assert await streaming.read_message() == ok(b"new")
        records = await flight.land()
    assert [record.metadata["completed"] for record in records] == [True] * 4


async def test_a_removed_key_is_refused_on_the_next_request_of_an_open_connection(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port), keys=(Key.parse("old", "old-key-1234567890"),))
        request = GET.replace(b"\r\n\r\n", b"\r\nx-recorder-key: old-key-1234567890\r\n\r\n")
        client = await flight.connect()
        await client.send(request)
        assert await client.read_message() == ok()
        await reload(flight, keys=(Key.parse("new", "new-key-1234567890"),))
        await client.send(request)
        assert (await client.read_message()).startswith(b"HTTP/1.1 401 Unauthorized\r\n")
        await client.send(request.replace(b"old-key", b"new-key"))
        assert await client.read_message() == ok()


async def test_limits_of_heads_hold_on_open_connections_too(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(GET)
        assert await client.read_message() == ok()
        message = replace(flight.limits().message, head_bytes=1024)
        await reload(flight, limits=flight.limits(message=message))
        await client.send(GET.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 2000 + b"\r\n\r\n"))
        assert (await client.read_message()).startswith(b"HTTP/1.1 431 ")


async def test_redaction_changes_between_exchanges_never_within_one(flight: Flight) -> None:
    secret = GET.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer sk-1234\r\n\r\n")
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        behind = await upstream.accept_request(client, secret)
        await reload(flight, capture=Capture(redact=False))
        await behind.send(ok(b"one", b"Set-Cookie: a=secret-cookie"))
        await client.read_message()
        await client.send(secret)
        await behind.read_message()
        await behind.send(ok(b"two", b"Set-Cookie: a=secret-cookie"))
        await client.read_message()
        before, after = await flight.land()
    assert b"sk-1234" not in before.request
    assert b"secret-cookie" not in before.response
    assert b"sk-1234" in after.request
    assert b"secret-cookie" in after.response


async def test_a_changed_proxy_is_used_for_the_next_request_and_old_ways_are_closed(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok(b"direct"))) as upstream, ScriptedUpstream() as proxy:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(GET)
        assert await client.read_message() == ok(b"direct")
        await reload(flight, proxy=OutboundProxy(f"http://127.0.0.1:{proxy.port}"))
        await until(upstream.peers[0].reader.at_eof, "the old way is closed")
        await client.send(GET)
        way = await proxy.accept()
        assert (await way.read_until(b"\r\n\r\n")).startswith(b"CONNECT 127.0.0.1:%d " % upstream.port)
        way.reset()
        assert (await client.read_message()).startswith(b"HTTP/1.1 502 ")


async def test_the_console_starts_and_stops(flight: Flight, capfd: pytest.CaptureFixture[str]) -> None:
    await flight.start(console=Console(enabled=False))
    await flight.send(GET)
    await reload(flight, console=Console(enabled=True, format="json"))
    await flight.send(GET.replace(b"/lm/", b"/shown/"))
    await reload(flight, console=Console(enabled=False))
    await flight.send(GET.replace(b"/lm/", b"/hidden/"))
    await flight.land()
    out = capfd.readouterr().out
    assert '"path": "/shown/v1/models"' in out
    assert "/lm/" not in out
    assert "/hidden/" not in out


async def test_conflicting_routes_are_refused_and_the_old_ones_stay(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        with pytest.raises(RoutingError) as caught:
            await reload(flight, routes=(to(1, "a", pattern="/a/"), to(2, "b", pattern="/a/")), via=True)
        assert caught.value.messages == [
            'routes.a: pattern "/a/" matches the same requests as "/a/" (routes.b): change or remove one of them'
        ]
        answer, _ = await flight.send(GET)
        assert answer == ok()


async def test_a_public_bind_keeps_its_keys(flight: Flight) -> None:
    await flight.start(host="0.0.0.0", keys=(Key.parse("a", "key-1234567890ab"),))
    with pytest.raises(PublicBindError):
        await reload(flight, keys=())
    answer, _ = await flight.send(GET)
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_what_cannot_change_is_named_and_the_rest_applies(flight: Flight, tmp_path: Path) -> None:
    assert flight.recorder is None
    await flight.start()
    assert flight.recorder is not None
    vault = Vault(tmp_path / "vault", tmp_path / "key")
    wanted = RecorderSettings(
        host="0.0.0.0",
        port=1,
        tls=TlsFiles(Path("a"), Path("b")),
        via=True,
        capture=Capture("http://other:1", tmp_path, durability="write_ahead", when_full="block", vault=vault),
    )
    started = flight.recorder.settings
    assert await flight.recorder.reload(wanted) == (
        "server.host",
        "server.port",
        "server.tls",
        "logging.server_url",
        "capture.journal_dir",
        "capture.durability",
        "capture.vault",
    )
    found = flight.recorder.settings
    assert (found.host, found.port, found.tls) == (started.host, started.port, None)
    assert found.capture == replace(started.capture, when_full="block")
    assert found.via
    assert await flight.recorder.reload(started) == ()
    ingest = IngestSettings("0.0.0.0", 1, tmp_path, "daily", key_dir=tmp_path, redact=False)
    assert await reload_ingest(flight, **{name: getattr(ingest, name) for name in ("host", "port", "log_dir")}) == (
        "ingest.host",
        "ingest.port",
        "ingest.log_dir",
    )
    assert await flight.ingest.reload(ingest) == (
        "ingest.host",
        "ingest.port",
        "ingest.log_dir",
        "ingest.layout",
        "capture.journal_dir",
    )


async def certificate_of(port: int, trust: ssl.SSLContext) -> bytes:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return bytes(found)


async def test_new_connections_get_the_new_certificate_of_any_kind_and_open_ones_go_on(
    flight: Flight, tmp_path: Path
) -> None:
    """Also where the kind of key changes, and for clients that take either."""
    import trustme

    certificates = certify(tmp_path / "tls")
    await flight.start_ingest(tls=certificates.ingest_files)
    await flight.start_recorder(
        tls=certificates.files,
        capture=Capture(f"https://127.0.0.1:{flight.ingest_port}", server_ca=certificates.ca),
    )
    open_one = await asyncio.open_connection(
        "127.0.0.1", flight.port, ssl=certificates.trust, server_hostname="localhost"
    )
    seen = set()
    for key_type in (trustme.KeyType.RSA, trustme.KeyType.ECDSA, trustme.KeyType.RSA):
        certificates.issue(key_type=key_type)
        expected = ssl.PEM_cert_to_DER_cert(certificates.cert.read_text())
        await reload(flight)
        await reload_ingest(flight)
        assert await certificate_of(flight.port, certificates.trust) == expected
        assert await certificate_of(flight.ingest_port, certificates.trust) == expected
        seen.add(expected)
    assert len(seen) == 3
    certificates.key.write_text("no key")
    with pytest.raises(ssl.SSLError):
        await reload(flight)
    with pytest.raises(ssl.SSLError):
        await reload_ingest(flight)
    assert await certificate_of(flight.port, certificates.trust) == expected
    open_one[1].write(GET)
    assert await open_one[0].readline() == b"HTTP/1.1 404 Not Found\r\n"
    open_one[1].close()
    await open_one[1].wait_closed()


async def test_keys_and_names_of_the_ingest_server_change_on_open_connections(flight: Flight) -> None:
    await flight.start_ingest()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{flight.ingest_port}") as session:
        async with session.get("/metrics") as reply:
            assert reply.status == 200
        await reload_ingest(flight, keys=(Key.parse("a", "key-1234567890ab"),))
        async with session.get("/metrics") as reply:
            assert reply.status == 401
        async with session.get("/metrics", headers={"x-recorder-key": "key-1234567890ab"}) as reply:
            assert reply.status == 200
        async with session.get("/health", headers={"Host": "store.lan"}) as reply:
            assert reply.status == 403
        await reload_ingest(flight, keys=(), allowed_hosts=("store.lan",))
        async with session.get("/health", headers={"Host": "store.lan"}) as reply:
            assert reply.status == 200


async def test_what_was_replaced_is_free_at_once(flight: Flight) -> None:
    """Also without the garbage collector, which the running recorder hardly uses."""
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        assert flight.recorder is not None
        gc.disable()
        try:
            await flight.send(GET)
            context = flight.recorder._context
            old: list[weakref.ref[Any]] = [weakref.ref(context.planner), weakref.ref(context.planner._table)]
            await reload(flight)
            assert [each() for each in old] == [None, None]
        finally:
            gc.enable()
