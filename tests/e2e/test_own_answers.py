"""What the recorder answers by itself where nothing is wrong: 404 with the routes, 308, its pages; dynamic ports."""

import json

import pytest

from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok


def get(path: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path


@pytest.mark.parametrize("path", [b"/unknown", b"/404/anything", b"/"])
async def test_an_unmatched_request_gets_the_list_of_routes(flight: Flight, path: bytes) -> None:
    await flight.start(to(1234, "lm"), to(11434, "ollama"))
    answer, _ = await flight.send(get(path))
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n")
    assert answer.partition(b"\r\n\r\n")[2].decode() == (
        "no route matches this path; the recorder's routes are:\n"
        "  /lm/  ->  http://127.0.0.1:1234/\n"
        "  /ollama/  ->  http://127.0.0.1:11434/\n"
    )
    (record,) = await flight.land()
    assert record.response == answer
    assert record.sent_request == get(path)
    assert record.metadata["answered_by"] == "recorder"
    assert record.metadata["route"] is None
    assert record.metadata["completed"] is True


async def test_an_unmatched_request_is_not_recorded_where_logging_is_off_by_default(flight: Flight) -> None:
    await flight.start(to(1234), log_unmatched=False)
    answer, _ = await flight.send(get(b"/unknown"))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert await flight.land() == []


async def test_a_route_may_be_left_unrecorded(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port, log=False))
        answer, _ = await flight.send(get(b"/lm/x"))
        assert answer == ok()
        assert await flight.land() == []


async def test_a_route_without_its_closing_slash_is_redirected_with_its_query(flight: Flight) -> None:
    await flight.start(to(1234))
    answer, _ = await flight.send(get(b"/lm?a=%2f&b"))
    assert answer.startswith(b"HTTP/1.1 308 Permanent Redirect\r\n")
    assert b"\r\nLocation: /lm/?a=%2f&b\r\n" in answer
    (record,) = await flight.land()
    assert record.response == answer


async def test_the_body_of_an_answered_request_is_taken_and_the_connection_goes_on(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        client = await flight.connect()
        body = bytes(300_000)
        await client.send(b"POST /nowhere HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: 300000\r\n\r\n" + body)
        assert (await client.read_message()).startswith(b"HTTP/1.1 404 ")
        await client.send(get(b"/lm/x"))
        assert await client.read_message() == ok()
        records = await flight.land()
    assert records[0].request.endswith(b"\r\n\r\n" + body)


async def test_health_tells_the_recorders_state_and_is_not_recorded(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        await flight.send(get(b"/lm/x"))
        answer, _ = await flight.send(get(b"/health"))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        health = json.loads(body)
        assert health["status"] == "ok"
        assert health["service"] == "recorder"
        assert health["recorded"] == 1
        assert health["in_flight"] == health["lost"] == 0
        assert len(await flight.land()) == 1


async def test_metrics_count_what_passed(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        await flight.send(get(b"/lm/x"))
        await flight.send(b"rubbish\r\n\r\n")
        answer, _ = await flight.send(get(b"/metrics"))
        lines = answer.decode().splitlines()
        assert "recorder_exchanges_begun 2.0" in lines
        assert "recorder_rejected_heads 1.0" in lines
        assert "recorder_exchanges_lost 0.0" in lines
        assert "recorder_exchanges_in_flight 0.0" in lines


async def test_a_backends_port_is_reached_where_it_is_allowed(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok(b"local"))) as upstream:
        await flight.start(dynamic_ports=(range(upstream.port, upstream.port + 1),))
        answer, _ = await flight.send(get(b"/proxy/%d/v1/models?x=1" % upstream.port))
        assert answer == ok(b"local")
        authority = b"127.0.0.1:%d" % upstream.port
        assert upstream.peers[0].received == b"GET /v1/models?x=1 HTTP/1.1\r\nHost: %b\r\n\r\n" % authority
        (record,) = await flight.land()
    assert record.metadata["upstream_url"] == f"http://127.0.0.1:{upstream.port}/v1/models?x=1"


async def test_other_ports_and_the_own_are_not_reached(flight: Flight) -> None:
    await flight.start(dynamic_ports=(range(1, 65_536),), forbidden_ports=frozenset([8080]))
    for port in (flight.port, 8080):
        answer, _ = await flight.send(get(b"/proxy/%d/health" % port))
        assert answer.startswith(b"HTTP/1.1 404 ")
        text = f"port {port} is the recorder's or its ingest server's own\n"
        assert answer.partition(b"\r\n\r\n")[2].decode() == text
    await flight.stop_recorder()
    await flight.start_recorder(dynamic_ports=(range(11434, 11435),))
    answer, _ = await flight.send(get(b"/proxy/22/"))
    assert answer.partition(b"\r\n\r\n")[2] == b"port 22 is not in server.dynamic_ports\n"


async def test_dynamic_routing_is_off_unless_it_is_asked_for(flight: Flight) -> None:
    await flight.start(to(1234))
    answer, _ = await flight.send(get(b"/proxy/11434/"))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"no route matches this path" in answer
