"""Upstreams that cannot be reached, take too long, or break off: what the client sees and what is recorded."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recorder.settings import Timeouts
from tests.e2e.conftest import Flight, to
from tests.e2e.recorded import Recorded
from tests.e2e.scripted import Peer, ScriptedUpstream, answers, ok

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REQUEST = b"POST /lm/v1/chat HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: 8\r\n\r\nquestion"


async def answer_to(flight: Flight) -> tuple[bytes, bytes, Recorded]:
    """Status line and body of the recorder's own answer, and the record, which holds the same."""
    answer, _ = await flight.send(REQUEST)
    (record,) = await flight.land()
    assert record.response == answer
    assert record.metadata["answered_by"] == "recorder"
    assert record.metadata["completed"] is False
    assert record.sent_request.endswith(b"\r\n\r\nquestion")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body.decode().rstrip("\n") == f"{record.metadata['error']['name']}: {record.metadata['error']['detail']}"
    return head.partition(b"\r\n")[0], body, record


async def test_a_refused_connection_is_a_502_that_says_so(flight: Flight) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    await flight.start(to(port))
    status, body, record = await answer_to(flight)
    assert status == b"HTTP/1.1 502 Bad Gateway"
    assert body.decode() == f"upstream_refused: 127.0.0.1:{port} refused the connection: is the server running?\n"
    assert record.error == ("upstream_refused", "connect", "network")


async def test_a_name_that_does_not_resolve_is_a_502_that_says_so(flight: Flight) -> None:
    try:
        await asyncio.get_running_loop().getaddrinfo("nowhere.invalid", 80)
    except socket.gaierror as error:
        reason = error.strerror
    await flight.start(to(0, destination="http://nowhere.invalid/"))
    status, body, record = await answer_to(flight)
    assert status == b"HTTP/1.1 502 Bad Gateway"
    assert body.decode() == f"dns_failure: the name nowhere.invalid cannot be resolved: {reason}\n"
    assert record.error == ("dns_failure", "connect", "network")


async def test_a_tls_failure_is_a_502_that_says_so(flight: Flight) -> None:
    async def answer_in_plain_text(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with ScriptedUpstream(answer_in_plain_text) as upstream:
        await flight.start(to(0, destination=f"https://127.0.0.1:{upstream.port}/"))
        status, body, record = await answer_to(flight)
    assert status == b"HTTP/1.1 502 Bad Gateway"
    assert body.startswith(b"tls_failure: no TLS with 127.0.0.1:%d: " % upstream.port)
    assert record.error == ("tls_failure", "connect", "network")


@contextmanager
def port_that_takes_nobody() -> Iterator[int]:
    """A listening port whose queue is full: the kernel leaves who comes without an answer."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


async def test_a_connection_that_takes_too_long_is_a_504(flight: Flight) -> None:
    with port_that_takes_nobody() as port:
        await flight.start(to(port, timeouts=Timeouts(connect_s=0.2, idle_s=60)))
        status, body, record = await answer_to(flight)
    assert status == b"HTTP/1.1 504 Gateway Timeout"
    assert body.decode() == f"upstream_timeout: no connection to 127.0.0.1:{port} within 0.2 s\n"
    assert record.error == ("upstream_timeout", "connect", "network")


async def test_an_upstream_that_stays_silent_is_a_504(flight: Flight) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port, timeouts=Timeouts(connect_s=10, idle_s=0.2)))
        status, body, record = await answer_to(flight)
        await (await upstream.accept()).wait_closed()
    assert status == b"HTTP/1.1 504 Gateway Timeout"
    assert body == b"upstream_timeout: nothing came for 0.2 s (timeouts.idle_s)\n"
    assert record.error == ("upstream_timeout", "response_head", "upstream")


async def test_an_upstream_that_falls_silent_in_its_response_is_cut(flight: Flight) -> None:
    record, got = await broken_off(flight, CHUNKED + b"5\r\nhello\r\n", how="silence")
    assert got == CHUNKED + b"5\r\nhello\r\n"
    assert record.error == ("upstream_timeout", "response_body", "upstream")


async def test_a_reset_inside_a_chunk_stays_visible(flight: Flight) -> None:
    """The client gets what came, then the connection's end, and never the last chunk of size 0."""
    record, got = await broken_off(flight, CHUNKED + b"5\r\nhello\r\n10\r\npart", how="reset")
    assert got == CHUNKED + b"5\r\nhello\r\n10\r\npart"
    assert record.error == ("upstream_reset", "response_body", "upstream")
    assert record.metadata["error"]["detail"] == "the upstream reset its connection"


async def test_an_end_between_chunks_stays_visible(flight: Flight) -> None:
    record, got = await broken_off(flight, CHUNKED + b"5\r\nhello\r\n", how="close")
    assert got == CHUNKED + b"5\r\nhello\r\n"
    assert record.error == ("upstream_reset", "response_body", "upstream")
    assert record.metadata["error"]["detail"] == "the upstream closed its connection"


async def test_fewer_bytes_than_announced_stay_visible(flight: Flight) -> None:
    record, got = await broken_off(flight, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour", how="close")
    assert got == b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour"
    assert record.error == ("upstream_reset", "response_body", "upstream")


async def test_a_reset_of_a_response_without_length_reaches_the_client_as_a_reset(flight: Flight) -> None:
    """A plain end would look like the end of the response."""
    with pytest.raises(ConnectionResetError):
        await broken_off(flight, b"HTTP/1.1 200 OK\r\n\r\nsome", how="reset")
    (record,) = await flight.land()
    assert record.error == ("upstream_reset", "response_body", "upstream")
    assert record.response == b"HTTP/1.1 200 OK\r\n\r\nsome"


async def broken_off(flight: Flight, sent: bytes, *, how: str) -> tuple[Recorded, bytes]:
    """The record of a response that ends behind `sent`, and what its client got."""
    async with ScriptedUpstream() as upstream:
        idle_s = 0.2 if how == "silence" else 60
        await flight.start(to(upstream.port, timeouts=Timeouts(connect_s=10, idle_s=idle_s)))
        client = await flight.connect()
        far = await upstream.accept_request(client, REQUEST)
        await far.send(sent)
        got = await client.read_exactly(len(sent))
        if how == "reset":
            far.reset()
        elif how == "close":
            far.close()
        got += await client.read_to_end()
        (record,) = await flight.land()
    assert record.response == sent
    assert record.metadata["answered_by"] == "upstream"
    assert record.metadata["completed"] is False
    return record, got


async def test_an_upstream_that_closes_instead_of_answering_is_a_502(flight: Flight) -> None:
    async def close(peer: Peer) -> None:
        await peer.read_message()

    async with ScriptedUpstream(close) as upstream:
        await flight.start(to(upstream.port))
        status, body, record = await answer_to(flight)
    assert status == b"HTTP/1.1 502 Bad Gateway"
    assert body == b"upstream_reset: the upstream closed its connection\n"
    assert record.error == ("upstream_reset", "response_head", "upstream")


BAD_HEADS = {
    "no HTTP": b"220 smtp.test ready\r\n\r\n",
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "other coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "folded line": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok",
    "NUL": b"HTTP/1.1 200 OK\r\nX-A: 1\x002\r\nContent-Length: 2\r\n\r\nok",
    "bare CR": b"HTTP/1.1 200 OK\r\nX-A: 1\r2\r\nContent-Length: 2\r\n\r\nok",
    "head without end": b"HTTP/1.1 200 OK\r\n" + b"X-Long: %b\r\n" % bytes(1000).replace(b"\0", b"x") * 70,
    "101 nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_HEADS)
async def test_a_malformed_response_is_a_502_and_what_came_is_kept(flight: Flight, name: str) -> None:
    async with ScriptedUpstream(answers(BAD_HEADS[name])) as upstream:
        await flight.start(to(upstream.port))
        answer, _ = await flight.send(REQUEST)
        (record,) = await flight.land()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    body = f"bad_response: {record.metadata['error']['detail']}\n"
    assert answer.partition(b"\r\n\r\n")[2].decode() == body
    assert record.error == ("bad_response", "response_head", "upstream")
    came, found, _ = record.response.rpartition(answer)
    assert found
    assert came
    assert BAD_HEADS[name].startswith(came)


@pytest.mark.parametrize("bad", [b"5\r\nhelloX\r\n", b"zz\r\n", b"5 \r\nhello\r\n", b"-1\r\n", b"5\nhello\r\n"])
async def test_a_malformed_chunk_ends_the_response_before_it_passes(flight: Flight, bad: bytes) -> None:
    good = CHUNKED + b"2\r\nok\r\n"
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        far = await upstream.accept_request(client, REQUEST)
        await far.send(good)
        await client.read_exactly(len(good))
        await far.send(bad + b"0\r\n\r\n")
        assert await client.read_to_end() == b""
        await far.wait_closed()
        (record,) = await flight.land()
    assert record.error == ("bad_response", "response_body", "upstream")
    assert record.response == good + bad + b"0\r\n\r\n"


async def test_the_next_request_on_a_502_connection_is_served(flight: Flight) -> None:
    async def close_then_serve(peer: Peer) -> None:
        await peer.read_message()
        if len(upstream.peers) > 1:
            await peer.send(ok(b"back"))

    async with ScriptedUpstream(close_then_serve) as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(REQUEST)
        assert (await client.read_message()).startswith(b"HTTP/1.1 502 ")
        await client.send(REQUEST)
        assert await client.read_message() == ok(b"back")
