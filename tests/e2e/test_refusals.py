"""Requests that the recorder refuses: nothing of them reaches an upstream, and the refused head is recorded."""

import pytest

from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok

HOST = b"Host: recorder.test\r\n"

MALFORMED = {
    "length and chunks": b"POST /lm/ HTTP/1.1\r\n%bContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    % HOST,
    "differing lengths": b"POST /lm/ HTTP/1.1\r\n%bContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello" % HOST,
    "repeated length": b"POST /lm/ HTTP/1.1\r\n%bContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello" % HOST,
    "list of lengths": b"POST /lm/ HTTP/1.1\r\n%bContent-Length: 5, 5\r\n\r\nhello" % HOST,
    "signed length": b"POST /lm/ HTTP/1.1\r\n%bContent-Length: +5\r\n\r\nhello" % HOST,
    "coding before chunked": b"POST /lm/ HTTP/1.1\r\n%bTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" % HOST,
    "coding without chunked": b"POST /lm/ HTTP/1.1\r\n%bTransfer-Encoding: identity\r\n\r\n" % HOST,
    "chunked twice": b"POST /lm/ HTTP/1.1\r\n%bTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" % HOST,
    "chunks in HTTP/1.0": b"POST /lm/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded line": b"GET /lm/ HTTP/1.1\r\n%bX-A: 1\r\n 2\r\n\r\n" % HOST,
    "space before colon": b"GET /lm/ HTTP/1.1\r\n%bX-A : 1\r\n\r\n" % HOST,
    "bare CR": b"GET /lm/ HTTP/1.1\r\n%bX-A: 1\rX-B: 2\r\n\r\n" % HOST,
    "bare LF": b"GET /lm/ HTTP/1.1\r\n%bX-A: 1\nX-B: 2\r\n\r\n" % HOST,
    "NUL": b"GET /lm/ HTTP/1.1\r\n%bX-A: 1\x002\r\n\r\n" % HOST,
    "no Host": b"GET /lm/ HTTP/1.1\r\nAccept: */*\r\n\r\n",
    "two Hosts": b"GET /lm/ HTTP/1.1\r\n%b%b\r\n" % (HOST, HOST),
    "no colon": b"GET /lm/ HTTP/1.1\r\n%bgarbage\r\n\r\n" % HOST,
    "two spaces": b"GET  /lm/ HTTP/1.1\r\n%b\r\n" % HOST,
    "no HTTP": b"EHLO mail.test\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_request_gets_400_and_the_connection_ends(flight: Flight, name: str) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(MALFORMED[name] + b"GET /lm/smuggled HTTP/1.1\r\nHost: recorder.test\r\n\r\n")
        answer = await client.read_to_end()
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.count(b"\r\n\r\n") == 1
        assert b"\r\nConnection: close\r\n" in answer
        assert upstream.peers == []
        (record,) = await flight.land()
    assert record.response == answer
    assert record.request == MALFORMED[name][: MALFORMED[name].index(b"\r\n\r\n") + 4]
    assert record.error == ("bad_request", "request_head", "client")
    assert answer.partition(b"\r\n\r\n")[2].decode() == record.metadata["error"]["detail"] + "\n"
    assert record.metadata["answered_by"] == "recorder"


@pytest.mark.parametrize("name", ["no Host", "two Hosts", "coding before chunked"])
async def test_what_llhttp_lets_through_is_refused_with_its_reason(flight: Flight, name: str) -> None:
    reasons = {
        "no Host": b"no Host header, which HTTP/1.1 requires\n",
        "two Hosts": b"more than one Host header\n",
        "coding before chunked": b"Transfer-Encoding other than `chunked`\n",
    }
    await flight.start()
    answer, _ = await flight.send(MALFORMED[name])
    assert answer.partition(b"\r\n\r\n")[2] == reasons[name]


@pytest.mark.parametrize("bad", [b"5\r\nhelloX\r\n", b"zz\r\n", b"5\nhello\r\n", b"0\r\nX-A : 1\r\n\r\n"])
async def test_a_malformed_chunk_of_a_request_gets_400_and_does_not_pass(flight: Flight, bad: bytes) -> None:
    head = b"POST /lm/ HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n" % HOST
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(head + b"2\r\nok\r\n")
        far = await upstream.accept()
        await far.read_until(b"2\r\nok\r\n")
        await client.send(bad)
        assert (await client.read_message()).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        await far.wait_closed()
        assert far.received.endswith(b"\r\n\r\n2\r\nok\r\n")
        (record,) = await flight.land()
    assert record.error == ("bad_request", "request_body", "client")


async def test_a_missing_host_is_no_error_in_http_1_0(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        await client.send(b"GET /lm/ HTTP/1.0\r\n\r\n")
        assert await client.read_to_end() == ok()


async def test_a_target_of_8000_bytes_passes(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        answer, _ = await flight.send(b"GET /lm/%b HTTP/1.1\r\n%b\r\n" % (b"x" * 8_000, HOST))
        assert answer == ok()
        assert upstream.peers[0].received.startswith(b"GET /%b HTTP/1.1\r\n" % (b"x" * 8_000))


async def test_a_target_that_is_too_long_gets_414(flight: Flight) -> None:
    await flight.start(to(1))
    answer, _ = await flight.send(b"GET /lm/%b HTTP/1.1\r\n%b\r\n" % (b"x" * 20_000, HOST))
    assert answer.startswith(b"HTTP/1.1 414 ")
    assert answer.endswith(b"\r\n\r\nthe request target has more than 16384 bytes\n")
    (record,) = await flight.land()
    assert record.error == ("bad_request", "request_head", "client")


@pytest.mark.parametrize("end", [b"\r\n", b""])
async def test_a_head_of_more_than_64_kib_gets_431(flight: Flight, end: bytes) -> None:
    """Whether its end has come or not."""
    await flight.start(to(1))
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 1000) for number in range(70))
    client = await flight.connect()
    await client.send(b"GET /lm/ HTTP/1.1\r\n" + HOST + lines + end)
    answer = await client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert answer.endswith(b"\r\n\r\nthe head has more than 65536 bytes\n")
    (record,) = await flight.land()
    assert record.error == ("bad_request", "request_head", "client")
    assert record.request.startswith(b"GET /lm/ HTTP/1.1\r\n")


async def test_a_head_that_does_not_end_in_time_gets_408(flight: Flight) -> None:
    await flight.start(to(1), limits=flight.limits(head_read_s=0.1))
    client = await flight.connect()
    await client.send(b"GET /lm/ HTTP/1.1\r\nHost: rec")
    answer = await client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(b"\r\n\r\nthe request's head did not arrive in time\n")
    (record,) = await flight.land()
    assert record.error == ("client_timeout", "request_head", "client")
    assert record.request == b"GET /lm/ HTTP/1.1\r\nHost: rec"


async def test_a_connection_without_a_request_is_closed_after_the_idle_time(flight: Flight) -> None:
    await flight.start(to(1), limits=flight.limits(client_idle_s=0.1))
    client = await flight.connect()
    assert await client.read_to_end() == b""
    assert await flight.land() == []


@pytest.mark.parametrize(
    "path",
    [b"/lm/../secret", b"/lm/%2e%2e/secret", b"/lm/a/../../x", b"/lm/..%2fsecret", b"/lm/a/%2E./.%2e/x", b"/lm/.."],
)
async def test_dot_segments_that_leave_the_prefix_get_400(flight: Flight, path: bytes) -> None:
    async with ScriptedUpstream() as upstream:
        await flight.start(to(upstream.port))
        answer, _ = await flight.send(b"GET %b HTTP/1.1\r\n%b\r\n" % (path, HOST))
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.endswith(b"\r\n\r\ndot segments lead out of the route's prefix\n")
        assert upstream.peers == []
        (record,) = await flight.land()
    assert record.metadata["route"] == "lm"
    assert record.error == ("bad_request", "request_head", "client")


async def test_connect_is_not_offered(flight: Flight) -> None:
    await flight.start(to(1))
    answer, _ = await flight.send(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 501 Not Implemented\r\n")
