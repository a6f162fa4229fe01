"""replay/sender.py: what comes back from real servers, to the byte, and what becomes of connections."""

import asyncio
import socket
import ssl
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from replay.answer import NOTHING, Reply, Wanted
from replay.sender import Request, Sender
from tests.replay.scripted_server import (
    ANSWER,
    DATA,
    OK,
    Serve,
    Server,
    answer_all,
    answering,
    read_request,
    serving,
)


async def exchange(serve: Serve, method: str = "POST") -> tuple[Reply, list[bytes], bytes]:
    """The reply, and the heads and the body that were handed on."""
    heads, body = list[bytes](), bytearray()
    async with serving(serve) as server:
        sender = Sender()
        reply = await sender.send(server.request(method), Wanted(heads.append, body.extend))
        sender.close()
    return reply, heads, bytes(body)


def error_of(reply: Reply) -> tuple[str, str, str, str]:
    assert reply.error is not None
    return reply.error.name, reply.error.phase, reply.error.by, reply.error.detail


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        (b"Content-Length: 3\r\n\r\nabc", b"abc"),
        (b"\r\nuntil the end", b"until the end"),
        (b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n", b"abcde"),
        (b"Content-Length: 0\r\n\r\n", b""),
    ],
)
@pytest.mark.parametrize("is_bytewise", [False, True])
async def test_an_answer_is_kept_as_it_came_and_its_body_handed_on_without_framing(
    rest: bytes, body: bytes, is_bytewise: bool
) -> None:
    answer = OK + rest
    pieces = [answer[place : place + 1] for place in range(len(answer))] if is_bytewise else [answer]
    reply, heads, found = await exchange(answering(*pieces))
    assert reply.error is None
    assert (reply.status, reply.raw, reply.size_bytes) == (200, answer, len(answer))
    assert (heads, found) == ([answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"], body)


async def test_interim_heads_are_handed_on_and_kept_as_well() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    reply, heads, body = await exchange(answering(interim + ANSWER))
    assert (heads[0], len(heads), body) == (interim, 2, b"abc")
    assert (reply.status, reply.raw) == (200, interim + ANSWER)


async def test_an_answer_to_head_ends_with_its_head() -> None:
    reply, _, body = await exchange(answer_all_once_to_head, "HEAD")
    assert (reply.error, reply.status, body) == (None, 200, b"")


async def answer_all_once_to_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(OK + b"Content-Length: 3\r\n\r\n")
    await reader.read()  # until the client has what it wants


async def test_what_comes_behind_an_answer_is_no_part_of_it_and_costs_the_connection() -> None:
    reply, _, body = await exchange(answering(ANSWER + b"HTTP/1.1 408 Late\r\n\r\n"))
    assert (reply.error, reply.raw, reply.size_bytes, body) == (None, ANSWER, len(ANSWER), b"abc")


async def test_times_are_those_of_each_read_since_the_start() -> None:
    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(ANSWER[:-2])
        await go_on.wait()
        writer.write(ANSWER[-2:])
        await writer.drain()

    async with serving(serve) as server:
        sender = Sender()
        reply = await sender.send(server.request(), Wanted(on_body=lambda _: go_on.set()))
        sender.close()
    assert [offset for offset, _ in reply.arrivals] == [0, len(ANSWER) - 2]
    (_, first_ms), (_, second_ms) = reply.arrivals
    durations = reply.durations_ms
    assert durations.connect is not None
    assert durations.total is not None
    assert durations.first_byte is not None
    assert 0 < durations.connect < first_ms == durations.first_byte <= second_ms <= durations.total
    assert reply.client.startswith("127.0.0.1:")


async def test_only_counts_are_kept_of_what_nobody_wants() -> None:
    async with serving(answering(ANSWER)) as server:
        sender = Sender()
        reply = await sender.send(server.request(), NOTHING)
        sender.close()
    assert (reply.status, reply.size_bytes, reply.raw, reply.arrivals) == (200, len(ANSWER), b"", [])


NO_HTTP = "the answer is not valid HTTP:"


@pytest.mark.parametrize(
    ("answer", "name", "phase", "detail"),
    [
        (OK + b"Content-Length: 9\r\n\r\nabc", "upstream_reset", "response_body", "the answer was cut after 41 bytes:"),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
            "upstream_reset",
            "response_body",
            "the answer was cut after 53 bytes:",
        ),
        (OK, "upstream_reset", "response_head", "the answer was cut after 17 bytes:"),
        (b"", "upstream_reset", "response_head", "no answer came:"),
        (
            b"SSH-2.0\r\n\r\n",
            "bad_response",
            "response_head",
            f"{NO_HTTP} malformed head: Expected HTTP/, RTSP/ or ICE/",
        ),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            "bad_response",
            "response_body",
            f"{NO_HTTP} malformed chunk size line",
        ),
    ],
)
async def test_an_answer_that_is_cut_or_no_http_has_an_error_and_what_came(
    answer: bytes, name: str, phase: str, detail: str
) -> None:
    reply, _, _ = await exchange(answering(answer))
    ending = " the server closed the connection" if name == "upstream_reset" else ""
    assert error_of(reply) == (name, phase, "upstream", detail + ending)
    assert reply.raw == answer


async def test_a_place_that_cannot_be_reached_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    sender = Sender()
    reply = await sender.send(Request("127.0.0.1", port, False, "GET", b""))
    problem = f"cannot connect to http://127.0.0.1:{port}: nothing listens there"
    assert error_of(reply) == ("upstream_refused", "connect", "network", problem)
    assert (reply.durations_ms.connect, reply.durations_ms.first_byte, reply.raw) == (None, None, b"")
    reply = await sender.send(Request("nowhere.invalid", 80, False, "GET", b""))
    assert error_of(reply)[:3] == ("dns_failure", "connect", "network")
    sender.close()


async def test_a_server_without_tls_is_an_error() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with serving(serve) as server:
        sender = Sender()
        reply = await sender.send(Request("127.0.0.1", server.port, True, "GET", b""))
        sender.close()
    assert error_of(reply)[:3] == ("tls_failure", "connect", "network")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system keeps its trusted authorities for itself")
@pytest.mark.parametrize(("name", "problem"), [("127.0.0.1", None), ("other.example", "IP address mismatch")])
async def test_a_server_has_to_show_a_trusted_certificate_for_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, problem: str | None
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    async with serving(answer_all, context) as server:
        sender = Sender()
        replies = [await sender.send(replace(server.request(), tls=True)) for _ in range(2)]
        sender.close()
    if problem is None:
        assert [reply.raw for reply in replies] == [ANSWER, ANSWER]
        assert server.connections == 1
    else:
        assert error_of(replies[0])[:3] == ("tls_failure", "connect", "network")
        assert problem in error_of(replies[0])[3]


async def test_an_error_of_the_callers_function_is_raised() -> None:
    def refuse(_: bytes) -> None:
        raise BrokenPipeError

    async with serving(answering(ANSWER)) as server:
        sender = Sender()
        with pytest.raises(BrokenPipeError):
            await sender.send(server.request(), Wanted(on_body=refuse))
        sender.close()


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with serving(answer_all) as server:
        sender = Sender()
        replies = [await sender.send(server.request()) for _ in range(3)]
        sender.close()
    assert [reply.raw for reply in replies] == [ANSWER] * 3
    assert [reply.durations_ms.connect is None for reply in replies] == [False, True, True]
    assert server.connections == 1


async def test_requests_at_the_same_time_have_a_connection_each() -> None:
    async with serving(answer_all) as server:
        sender = Sender()
        await asyncio.gather(*(sender.send(server.request()) for _ in range(3)))
        sender.close()
    assert server.connections == 3


@pytest.mark.parametrize("answer", [OK + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc", ANSWER + b"stray"])
async def test_a_connection_that_must_not_be_used_again_is_not(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader) is not None:
            writer.write(answer)

    async with serving(serve) as server:
        sender = Sender()
        replies = [await sender.send(server.request()) for _ in range(2)]
        sender.close()
    assert [reply.error for reply in replies] == [None, None]
    assert server.connections == 2


async def dies_on_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A connection that looks alive and is not: it takes the second request and ends."""
    assert await read_request(reader) is not None
    writer.write(ANSWER)
    await read_request(reader)


@pytest.mark.parametrize(("method", "is_answered"), [("GET", True), ("POST", False)])
async def test_a_request_on_a_dead_connection_is_sent_again_where_that_is_safe(method: str, is_answered: bool) -> None:
    async with serving(dies_on_second) as server:
        sender = Sender()
        replies = [await sender.send(server.request(method)) for _ in range(2)]
        sender.close()
    assert replies[0].error is None
    if is_answered:
        assert (replies[1].error, replies[1].raw, server.connections) == (None, ANSWER, 2)
    else:
        assert error_of(replies[1])[3] == "no answer came: the server closed the connection"
        assert server.connections == 1


async def test_a_request_that_is_given_up_ends_its_connection() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        assert await read_request(reader) == DATA
        sending.cancel()
        await reader.read()
        ended.set()

    async with serving(serve) as server:
        sender = Sender()
        sending = asyncio.ensure_future(sender.send(server.request()))  # noqa: TID251 it is cancelled in its middle
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(ended.wait(), 10)
        sender.close()


def test_an_origin_is_shown_as_a_url() -> None:
    assert Request("::1", 80, False, "GET", b"").origin == "http://[::1]:80"
    assert Server(5601).request().origin == "http://127.0.0.1:5601"


@pytest.mark.parametrize("keeps", [False, True])
async def test_an_answer_that_is_kept_ends_where_it_is_longer_than_memory_shall_hold(keeps: bool) -> None:
    async with serving(answering(OK + b"\r\n", b"x" * 100_000)) as server:
        sender = Sender()
        reply = await sender.send(server.request(), Wanted(keeps_bytes=keeps, kept_bytes_max=20))
        sender.close()
    if not keeps:
        assert (reply.size_bytes, reply.error) == (100_019, None)
        return
    detail = f"more than {reply.size_bytes:,} bytes are not kept"
    assert error_of(reply) == ("capture_failed", "response_body", "client", detail)
    assert len(reply.raw) == reply.size_bytes
