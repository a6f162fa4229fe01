"""Keys on the wire: who is let in, what the upstream sees of it, and what the recordings hold."""

import logging
from pathlib import Path

import pytest

from recorder.settings import Capture, Console
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok
from traffic.keys import Key, hash_key

LAPTOP, CI = b"rk-the-key-of-the-laptop", b"rk-the-key-of-the-build"
KEYS = (Key.parse("laptop", LAPTOP.decode()), Key.parse("ci", hash_key(CI.decode())))


def request(*lines: bytes, path: bytes = b"/lm/v1", host: bytes = b"localhost") -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path, b"Host: " + host, *lines, b"", b""])


def everything_below(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_the_providers_key_travels_beside_the_recorders_which_stays_here(
    flight: Flight, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port), keys=KEYS)
        own = b"x-Recorder-Key:  " + CI
        answer, _ = await flight.send(request(b"A: 1", own, b"Authorization: Bearer sk-of-the-provider"))
        assert answer == ok()
        authority = b"127.0.0.1:%d" % upstream.port
        expected = b"GET /v1 HTTP/1.1\r\nHost: %b\r\nA: 1\r\nAuthorization: Bearer sk-of-the-provider\r\n\r\n"
        assert upstream.peers[0].received == expected % authority
    (record,) = await flight.land()
    metadata = record.metadata
    assert metadata["key"] == "ci"
    ((name, shown),) = metadata["received"]["removed"]
    assert name == "x-Recorder-Key"
    assert {"where": "request.header.x-recorder-key", "placeholder": shown} in metadata["redactions"]
    assert CI not in everything_below(tmp_path) + repr(capfd.readouterr()).encode() + caplog.text.encode()


@pytest.mark.parametrize("name", [b"authorization: Bearer", b"X-API-Key:", b"Api-Key:", b"x-goog-api-key:"])
async def test_a_key_in_the_providers_place_lets_in_and_its_whole_line_is_removed(flight: Flight, name: bytes) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port), keys=KEYS)
        answer, _ = await flight.send(request(b"A: 1", name + b" " + LAPTOP, b"B: 2"))
        assert answer == ok()
        authority = b"127.0.0.1:%d" % upstream.port
        assert upstream.peers[0].received == b"GET /v1 HTTP/1.1\r\nHost: %b\r\nA: 1\r\nB: 2\r\n\r\n" % authority
    (record,) = await flight.land()
    assert record.metadata["key"] == "laptop"


async def test_with_redaction_off_the_recorders_own_key_is_recorded_by_its_name(flight: Flight, tmp_path: Path) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port), keys=KEYS, capture=Capture(redact=False))
        await flight.send(request(b"TE: x", b"x-api-key: sk-of-the-provider", b"Authorization: Bearer " + LAPTOP))
    (record,) = await flight.land()
    assert record.metadata["received"]["removed"] == [["TE", "x"], ["Authorization", "[key:laptop]"]]
    assert b"\r\nx-api-key: sk-of-the-provider\r\n" in record.request
    assert LAPTOP not in everything_below(tmp_path)


async def test_without_keys_the_recorders_header_stays_here_and_all_others_go_on(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        answer, _ = await flight.send(request(b"x-recorder-key: " + LAPTOP, b"Authorization: Bearer " + LAPTOP))
        assert answer == ok()
        assert b"ecorder" not in upstream.peers[0].received
        assert b"\r\nAuthorization: Bearer %b\r\n" % LAPTOP in upstream.peers[0].received
    (record,) = await flight.land()
    assert record.metadata["key"] is None


async def test_without_a_key_nothing_goes_upstream_and_the_refusal_is_recorded(
    flight: Flight, capfd: pytest.CaptureFixture[str]
) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), keys=KEYS, console=Console())
        wrong = b"Authorization: Bearer sk-of-the-provider"
        answer, client = await flight.send(request(wrong))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain; charset=utf-8\r\n")
        assert head.endswith(b"\r\nWWW-Authenticate: Bearer")
        assert body.startswith(b"what was sent is no key of this recorder (server.keys): send one as `x-recorder-key:")
        await client.send(request(path=b"/unknown"))
        assert b"\r\n\r\nthis recorder asks for a key (server.keys): " in await client.read_message()
        records = await flight.land()
        assert upstream.peers == []
    assert [record.metadata["answered_by"] for record in records] == ["recorder", "recorder"]
    assert [record.error for record in records] == [("unauthorized", "request_head", "client")] * 2
    assert [record.metadata["key"] for record in records] == [None, None]
    assert records[0].response == answer
    assert (records[0].metadata["route"], records[0].metadata["upstream_url"]) == ("lm", None)
    assert records[0].request.startswith(b"GET /lm/v1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer [secret:")
    assert "sk-of-the-provider" not in repr(capfd.readouterr())


async def test_every_request_of_a_connection_needs_its_key(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port), keys=KEYS)
        client = await flight.connect()
        await client.send(request(b"x-recorder-key: " + LAPTOP) + request())
        assert await client.read_exactly(len(ok())) == ok()
        assert (await client.read_message()).startswith(b"HTTP/1.1 401 ")


async def test_a_websocket_needs_a_key_as_well(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), keys=KEYS)
        handshake = (
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: x",
        )
        answer, _ = await flight.send(request(*handshake))
        assert answer.startswith(b"HTTP/1.1 401 ")
        client = await flight.connect()
        await client.send(request(*handshake, b"Authorization: Bearer " + LAPTOP))
        far = await upstream.accept()
        got = await far.read_until(b"\r\n\r\n")
        assert LAPTOP not in got
        assert b"\r\nUpgrade: websocket\r\n" in got


async def test_a_refused_upload_is_told_before_it_is_sent(flight: Flight) -> None:
    await flight.start(to(1234), keys=KEYS)
    client = await flight.connect()
    await client.send(b"POST /lm/v1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n")
    assert (await client.read_to_end()).startswith(b"HTTP/1.1 401 Unauthorized\r\n")


async def test_of_a_refused_upload_no_more_is_recorded_than_came_with_its_head(flight: Flight) -> None:
    """Who has no key does not fill the disk."""
    await flight.start(to(1234), keys=KEYS)
    client = await flight.connect()
    await client.send(b"POST /lm/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nthe beginning")
    assert b"\r\nConnection: close\r\n" in await client.read_message()
    await client.send(b"x" * 50_000)
    await client.wait_closed()
    (record,) = await flight.land()
    assert record.error == ("unauthorized", "request_head", "client")
    assert record.sent_request.endswith(b"\r\n\r\nthe beginning")


async def test_health_needs_no_key_and_metrics_do(flight: Flight) -> None:
    await flight.start(keys=KEYS)
    assert (await flight.send(request(path=b"/health")))[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert (await flight.send(request(path=b"/metrics")))[0].startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    answer, _ = await flight.send(request(b"Authorization: Bearer " + CI, path=b"/metrics"))
    assert b"recorder_client_connections" in answer
    assert await flight.land() == []


async def test_own_pages_are_asked_for_by_own_names_and_no_other_origin(flight: Flight) -> None:
    await flight.start(to(1234), allowed_hosts=("rec.example",))
    for host in (b"localhost:1", b"127.0.0.1", b"[::1]:5601", b"rec.example"):
        assert (await flight.send(request(path=b"/health", host=host)))[0].startswith(b"HTTP/1.1 200 OK\r\n")
    for path in (b"/health", b"/metrics", b"http://localhost/health"):
        answer, _ = await flight.send(request(path=path, host=b"rebound.example"))
        assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    answer, _ = await flight.send(request(b"Origin: http://evil.example", path=b"/metrics"))
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    answer, _ = await flight.send(request(path=b"/404/", host=b"rebound.example"))
    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_proxied_paths_are_guarded_by_keys_and_not_by_host(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        answer, _ = await flight.send(request(b"Origin: http://app.example", host=b"any.example"))
        assert answer == ok()


async def test_sdks_need_nothing_but_their_usual_api_key(flight: Flight) -> None:
    import anthropic
    import openai

    models = ok(b'{"object": "list", "data": [], "has_more": false}', b"Content-Type: application/json")
    async with ScriptedUpstream(answers(models)) as upstream:
        await flight.start(to(upstream.port), keys=KEYS)
        for api_key, beside in ((LAPTOP.decode(), {}), ("sk-of-the-provider", {"x-recorder-key": CI.decode()})):
            url = f"{flight.url}/lm"
            async with openai.AsyncOpenAI(base_url=url, api_key=api_key, default_headers=beside) as first:
                assert (await first.models.list()).data == []
            async with anthropic.AsyncAnthropic(base_url=url, api_key=api_key, default_headers=beside) as second:
                assert (await second.models.list()).data == []
        received = b"".join(peer.received for peer in upstream.peers)
        assert [key for key in (LAPTOP, CI) if key in received] == []
        assert received.count(b"sk-of-the-provider") == 2
        async with openai.AsyncOpenAI(base_url=flight.url, api_key="sk-of-the-provider", max_retries=0) as third:
            with pytest.raises(openai.AuthenticationError) as caught:
                await third.models.list()
            assert caught.value.response.text.startswith("what was sent is no key of this recorder (server.keys)")
    records = await flight.land()
    assert [record.metadata["key"] for record in records] == ["laptop", "laptop", "ci", "ci", None]
