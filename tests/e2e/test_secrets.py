"""Secrets reach the upstream and nothing else: no file, no journal, no console line."""

import logging
from pathlib import Path

import pytest

from recorder.settings import Capture, Console
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok

SECRETS = [f"sk-{name}-4242424242" for name in (
    "authorization", "x-api-key", "api-key", "goog", "cookie", "query", "access", "trailer", "rejected",
    "set-cookie", "location", "proxy", "protocol", "late-trailer", "referer",
    "interim",
)]  # fmt: skip
REQUEST = (
    b"POST /lm/v1/chat?key=sk-query-4242424242&x=1&access_token=sk-access-4242424242 HTTP/1.1\r\n"
    b"Host: recorder.test\r\n"
    b"Authorization: Bearer sk-authorization-4242424242\r\n"
    b"x-api-key: sk-x-api-key-4242424242\r\n"
    b"API-Key:sk-api-key-4242424242\r\n"
    b"x-goog-api-key: sk-goog-4242424242\r\n"
    b"Cookie: session=sk-cookie-4242424242\r\n"
    b"Proxy-Authorization: Basic sk-proxy-4242424242\r\n"
    b"Referer: http://recorder.test/?token=sk-referer-4242424242\r\n"
    b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-protocol-4242424242\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
BODY = b"5\r\nhello\r\n0\r\nX-Api-Key: sk-trailer-4242424242\r\n\r\n"
RESPONSE = (
    b"HTTP/1.1 103 Early Hints\r\nHost: user:sk-interim-4242424242@x.test\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nSet-Cookie: sk-set-cookie-4242424242; Path=/\r\n"
    b"Location: http://x.test/?api_key=sk-location-4242424242\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\nSet-Cookie: sk-late-trailer-4242424242\r\n\r\n"
)
REJECTED = b"GET /lm/?api-key=sk-rejected-4242424242 HTTP/1.1\r\nAuthorization: sk-rejected-4242424242\r\n\r\n"


async def exchange(flight: Flight, capture: Capture, form: str) -> bytes:
    """What the upstream got, of a request in one piece or in several, and of one that is refused."""
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), capture=capture, console=Console(format=form))  # type: ignore[arg-type]
        client = await flight.connect()
        for pieces in ([REQUEST + BODY], [REQUEST, BODY[:25], BODY[25:]]):
            await client.send(pieces[0])
            far = upstream.peers[0] if upstream.peers else await upstream.accept()
            for piece in pieces[1:]:
                await client.send(piece)
            await far.read_until(b"sk-trailer-4242424242\r\n\r\n")
            await far.send(RESPONSE)
            assert await client.read_exactly(len(RESPONSE)) == RESPONSE
        await client.send(REJECTED)
        assert (await client.read_to_end()).startswith(b"HTTP/1.1 400 ")
        return bytes(far.received)


def everything_below(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "redaction.key"]
    return "\n".join([*map(str, files), *(path.read_bytes().decode("latin-1") for path in files)])


@pytest.mark.parametrize("form", ["text", "json"])
async def test_secrets_are_on_no_disk_and_on_no_console(
    flight: Flight, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, form: str
) -> None:
    caplog.set_level(logging.DEBUG)
    received = await exchange(flight, Capture(), form)
    in_journal = everything_below(flight.journal_dir)
    records = await flight.land()
    for secret in SECRETS:
        if secret.split("-")[1] in ("rejected", "set", "location", "late", "proxy", "interim"):
            continue
        assert secret.encode() in received
    console = capfd.readouterr()
    for place in (in_journal, everything_below(tmp_path), console.out, console.err, caplog.text):
        assert "4242424242" not in place
    assert "[secret:" in console.out
    assert len(records) == 3
    for record in records[:2]:
        assert {each["where"] for each in record.metadata["redactions"]} == {
            "request.header.authorization",
            "request.header.x-api-key",
            "request.header.api-key",
            "request.header.x-goog-api-key",
            "request.header.cookie",
            "request.header.proxy-authorization",
            "request.header.sec-websocket-protocol",
            "request.query.key",
            "request.query.access_token",
            "request.query.token",
            "response.header.set-cookie",
            "response.query.api_key",
            "response.url.userinfo",
        }
        assert b"\r\nAuthorization: Bearer [secret:" in record.request
        assert record.request.endswith(b"]\r\n\r\n")
        assert record.response.endswith(b"]\r\n\r\n")
    assert records[0].request == records[1].request  # the same secret has the same mark


async def test_a_redirect_keeps_the_query_and_its_recording_does_not(flight: Flight, tmp_path: Path) -> None:
    await flight.start(to(1234))
    answer, _ = await flight.send(b"GET /lm?key=sk-redirect-4242424242 HTTP/1.1\r\nHost: recorder.test\r\n\r\n")
    assert b"\r\nLocation: /lm/?key=sk-redirect-4242424242\r\n" in answer
    (record,) = await flight.land()
    assert "4242424242" not in everything_below(tmp_path)
    assert b"\r\nLocation: /lm/?key=[secret:" in record.response
    assert {each["where"] for each in record.metadata["redactions"]} == {"request.query.key", "response.query.key"}


async def test_redaction_can_be_turned_off(flight: Flight) -> None:
    received = await exchange(flight, Capture(redact=False), "text")
    records = await flight.land()
    assert [record.response for record in records[:2]] == [RESPONSE] * 2
    assert records[0].sent_request + records[1].sent_request == received
    assert records[2].request == REJECTED
    assert all(record.metadata["redactions"] == [] for record in records)
    assert ["Proxy-Authorization", "Basic sk-proxy-4242424242"] in records[0].metadata["received"]["removed"]


async def test_files_are_for_their_owner_alone(flight: Flight, tmp_path: Path) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        await flight.send(b"GET /lm/ HTTP/1.1\r\nHost: recorder.test\r\n\r\n")
        await flight.land()
    assert [path for path in contents(tmp_path) if is_open_to_others(path)] == []


def contents(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


def is_open_to_others(path: Path) -> bool:
    return path.stat().st_mode & 0o777 != (0o700 if path.is_dir() else 0o600)
