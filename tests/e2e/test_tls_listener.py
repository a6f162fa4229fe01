"""TLS towards clients and readers: the same bytes as without it, and what differs where TLS has no half-close."""

import asyncio
import logging
import ssl
from pathlib import Path

import aiohttp
import pytest

from recorder.settings import Capture
from tests.e2e.certificates import Certificates, certify
from tests.e2e.conftest import Flight, to
from tests.e2e.listening import READ_BYTES
from tests.e2e.scripted import PATIENCE_S, Peer, ScriptedUpstream, answers, ok, until

GET = b"GET /lm/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return certify(tmp_path / "tls")


async def connect(flight: Flight, certificates: Certificates) -> Peer:
    return Peer(
        *await asyncio.open_connection(
            "127.0.0.1", flight.port, ssl=certificates.trust, server_hostname="localhost", limit=READ_BYTES
        )
    )


async def run(*command: str) -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out, err


async def test_curl_gets_the_upstreams_answer_and_the_recording_says_https(
    flight: Flight, certificates: Certificates
) -> None:
    async with ScriptedUpstream(answers(ok(b"secured"))) as upstream:
        await flight.start(to(upstream.port), tls=certificates.files)
        assert flight.recorder is not None
        url = f"https://127.0.0.1:{flight.port}/lm/"
        assert flight.recorder.urls == {"lm": url}
        code, out, _ = await run("curl", "-sS", "--http2", "--cacert", str(certificates.ca), f"{url}v1/models")
        assert (code, out) == (0, b"secured")
        (record,) = await flight.land()
    assert record.proxy_path == record.metadata["url"] == f"{url}v1/models"
    assert record.metadata["completed"]


async def test_only_http_1_1_and_tls_1_2_or_newer_are_spoken(flight: Flight, certificates: Certificates) -> None:
    await flight.start(tls=certificates.files)
    for version, accepted in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        code, out, _ = await run(
            "openssl",
            "s_client",
            "-connect",
            f"127.0.0.1:{flight.port}",
            *("-CAfile", str(certificates.ca), "-verify_return_error", "-alpn", "h2,http/1.1", version),
            *("-cipher", "DEFAULT@SECLEVEL=0"),
        )
        assert (code == 0) is accepted
        assert (b"ALPN protocol: http/1.1" in out) is accepted


async def test_requests_on_one_connection_pass_in_order_and_a_stream_arrives_as_it_comes(
    flight: Flight, certificates: Certificates
) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), tls=certificates.files)
        client = await connect(flight, certificates)
        behind = await upstream.accept_request(client, GET)
        await behind.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        assert (await client.read_until(b"one\r\n")).endswith(b"3\r\none\r\n")
        await behind.send(b"0\r\n\r\n")
        await client.read_until(b"0\r\n\r\n")
        await client.send(GET)
        await behind.read_message()
        await behind.send(ok(b"two"))
        assert await client.read_message() == ok(b"two")
        await client.leave()
        records = await flight.land()
    assert [record.metadata["completed"] for record in records] == [True, True]


async def test_a_truncated_answer_never_looks_whole(flight: Flight, certificates: Certificates) -> None:
    """A body that ends with the connection ends in a reset, without TLS's own end."""
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), tls=certificates.files)
        client = await connect(flight, certificates)
        behind = await upstream.accept_request(client, GET)
        await behind.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of")
        await client.read_until(b"half of")
        behind.reset()
        with pytest.raises(ConnectionResetError):
            await client.read_to_end()
        (record,) = await flight.land()
    assert record.error == ("upstream_reset", "response_body", "upstream")


async def test_a_body_that_ends_with_the_connection_ends_with_tls_too(
    flight: Flight, certificates: Certificates
) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), tls=certificates.files)
        client = await connect(flight, certificates)
        behind = await upstream.accept_request(client, GET)
        await behind.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        behind.end()
        assert (await client.read_to_end()).endswith(b"all of it")
        await client.leave()
        (record,) = await flight.land()
    assert record.metadata["completed"]


async def test_a_client_that_ends_its_side_of_tls_has_left(
    flight: Flight, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """TLS here has no half-close; the upstream's connection is closed at once."""
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), tls=certificates.files)
        client = await connect(flight, certificates)
        behind = await upstream.accept_request(client, GET)
        await behind.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await client.read_until(b"one\r\n")
        await client.leave()
        await behind.wait_closed()
        (record,) = await flight.land()
    assert record.error == ("client_disconnect", "response_body", "client")
    assert [each.message for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_a_refusal_reaches_a_client_that_goes_on_sending(flight: Flight, certificates: Certificates) -> None:
    await flight.start(tls=certificates.files, limits=flight.limits(linger_s=0.01))
    client = await connect(flight, certificates)
    await client.send(b"GET /lm HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + b"x" * 1000)
    answer = await client.read_message()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    await client.wait_closed()
    await client.leave()


async def test_a_client_that_reads_nothing_holds_its_upstream_back(flight: Flight, certificates: Certificates) -> None:
    piece = b"x" * 100_000
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), tls=certificates.files)
        client = await connect(flight, certificates)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined] # a stream's transport reads and writes
        behind = await upstream.accept_request(client, GET)
        await behind.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        sending = asyncio.gather(*(behind.send(piece) for _ in range(100)))
        await until(lambda: flight.is_held_by_its_client, "the upstream is held")
        assert flight.client_buffer_bytes < 2_000_000
        client.writer.transport.resume_reading()  # type: ignore[attr-defined] # as above
        await client.read_until(b"\r\n\r\n")
        assert await client.read_exactly(10_000_000) == piece * 100
        await sending
        await client.leave()
        (record,) = await flight.land()
    assert record.metadata["completed"]


async def test_plain_http_where_tls_is_spoken_ends_the_connection_and_nothing_is_logged(
    flight: Flight, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    await flight.start(tls=certificates.files)
    client = await flight.connect()
    await client.send(GET)
    await client.wait_closed()
    assert await flight.land() == []
    assert [each.message for each in caplog.records if each.levelno > logging.DEBUG] == []


async def test_tls_where_plain_http_is_spoken_is_refused_at_once_and_recorded_with_the_reason(
    flight: Flight, certificates: Certificates
) -> None:
    await flight.start()
    with pytest.raises(ssl.SSLError):
        await connect(flight, certificates)
    (record,) = await flight.land()
    assert record.error == ("bad_request", "request_head", "client")
    assert record.metadata["error"]["detail"] == "TLS, where plain HTTP is spoken: call http://, or set server.tls"
    assert record.metadata["response"]["status"] == 400


async def test_an_upstreams_end_ends_a_websocket_over_tls(flight: Flight, certificates: Certificates) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port), tls=certificates.files)
        client = await connect(flight, certificates)
        behind = await upstream.accept_request(client, b"GET /lm/ HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"\r\n")
        await behind.send(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\r\n")
        await client.read_until(b"\r\n\r\n")
        await client.send(b"up")
        await behind.read_exactly(2)
        await behind.send(b"down")
        await client.read_exactly(4)
        behind.end()
        assert await client.read_to_end() == b""
        await client.leave()
        (record,) = await flight.land()
    assert record.metadata["completed"]


async def test_a_stop_ends_idle_connections_over_tls(flight: Flight, certificates: Certificates) -> None:
    await flight.start(tls=certificates.files)
    client = await connect(flight, certificates)
    stopping = asyncio.ensure_future(flight.stop_recorder())  # noqa: TID251 a test's own
    assert await client.read_to_end() == b""
    await client.leave()
    await stopping


async def test_the_openai_sdk_over_an_https_base_url(flight: Flight, certificates: Certificates) -> None:
    import openai

    event = b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\n'
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % (
        len(event) * 3 + len(b"data: [DONE]\n\n")
    )
    async with ScriptedUpstream(answers(stream + event * 3 + b"data: [DONE]\n\n")) as upstream:
        await flight.start(to(upstream.port), tls=certificates.files)
        async with openai.AsyncOpenAI(
            base_url=f"https://127.0.0.1:{flight.port}/lm/v1",
            api_key="sk-test",
            http_client=openai.DefaultAsyncHttpxClient(verify=certificates.trust),
        ) as client:
            chunks = [
                chunk
                async for chunk in await client.chat.completions.create(
                    model="m", stream=True, messages=[{"role": "user", "content": "Hi"}]
                )
            ]
        (record,) = await flight.land()
    assert len(chunks) == 3
    assert record.metadata["completed"]


# --- the ingest server


async def start_ingest_with_tls(flight: Flight, certificates: Certificates, **capture: Path) -> Capture:
    await flight.start_ingest(tls=certificates.ingest_files)
    return Capture(server_url=f"https://127.0.0.1:{flight.ingest_port}", **capture)  # type: ignore[arg-type] # server_ca


async def test_recordings_reach_an_ingest_server_whose_authority_is_named(
    flight: Flight, certificates: Certificates
) -> None:
    capture = await start_ingest_with_tls(flight, certificates, server_ca=certificates.ca)
    async with ScriptedUpstream(answers(ok(b"x" * 3_000_000))) as upstream:
        await flight.start_recorder(to(upstream.port), capture=capture)
        answer, _ = await flight.send(GET)
        (record,) = await flight.land()
    assert record.response == answer


async def test_the_servers_own_certificate_may_be_named_as_its_authority(
    flight: Flight, certificates: Certificates
) -> None:
    capture = await start_ingest_with_tls(flight, certificates, server_ca=certificates.cert)
    await flight.start_recorder(capture=capture)
    await flight.send(GET)
    assert len(await flight.land()) == 1


async def test_an_ingest_server_with_an_unknown_certificate_gets_nothing(
    flight: Flight, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    capture = await start_ingest_with_tls(flight, certificates)
    await flight.start_recorder(capture=capture)
    await flight.send(GET)
    await until(lambda: bool(caplog.records), "the shipper warns")
    assert await flight.land() == []
    assert caplog.records[0].message.startswith(
        f"the ingest server at https://127.0.0.1:{flight.ingest_port} takes no recordings "
        "(no TLS with it: its certificate is not accepted ("
    )
    assert caplog.records[0].message.endswith("); capture.server_ca names its authority); they wait in the journal")


async def test_an_https_link_to_a_plain_ingest_server_waits_and_says_why(
    flight: Flight, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    await flight.start_ingest()
    capture = Capture(server_url=f"https://127.0.0.1:{flight.ingest_port}", server_ca=certificates.ca)
    await flight.start_recorder(capture=capture)
    await flight.send(GET)
    await until(lambda: bool(caplog.records), "the shipper warns")
    assert await flight.land() == []
    assert next(each.message for each in caplog.records if each.levelno > logging.DEBUG) == (
        f"the ingest server at https://127.0.0.1:{flight.ingest_port} takes no recordings "
        "(no TLS with it: WRONG_VERSION_NUMBER); they wait in the journal"
    )


async def test_a_reader_uses_the_ingest_server_over_tls_and_plain_http_ends(
    flight: Flight, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    await flight.start_ingest(tls=certificates.ingest_files)
    async with aiohttp.ClientSession() as session:
        url = f"127.0.0.1:{flight.ingest_port}/health"
        async with session.get(f"https://{url}", ssl=certificates.trust) as reply:
            assert reply.status == 200
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"http://{url}")
    assert [each.message for each in caplog.records if each.levelno > logging.DEBUG] == []


async def test_tls_to_a_plain_ingest_server_is_refused_and_nothing_is_logged(
    flight: Flight, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    await flight.start_ingest()
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection("127.0.0.1", flight.ingest_port, ssl=certificates.trust, server_hostname="a")
    assert [each.message for each in caplog.records if each.levelno > logging.DEBUG] == []


async def test_connections_without_a_handshake_take_nobodys_room_and_end(
    flight: Flight, certificates: Certificates
) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        limits = flight.limits(connections=1, head_read_s=1.0)
        await flight.start(to(upstream.port), tls=certificates.files, limits=limits)
        silent = [await flight.connect() for _ in range(3)]
        client = await connect(flight, certificates)
        await client.send(GET)
        assert await client.read_message() == ok()
        for each in silent:
            await each.wait_closed()
        await client.leave()
