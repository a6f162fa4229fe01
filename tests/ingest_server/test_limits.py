"""Nobody makes the ingest server grow without end, and who is slow holds nobody up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from ingest_server.server import IngestServer
from ingest_server.settings import IngestLimits, IngestSettings
from ingest_server.store import Store, TooManyJournalsError
from tests.e2e.scripted import connect
from tests.ingest_server.recorder_side import (
    JOURNAL,
    closed,
    described,
    finished,
    gap_lines,
    recordings,
    request,
    response,
    started,
    whole,
)

ID = "092d0424-1b2c-4d3e-8f40-5a6b7c8d9e0f"


@pytest.fixture
async def server(settings: IngestSettings) -> AsyncIterator[IngestServer]:
    limits = IngestLimits(connections=3, idle_s=0.2, listeners=1)
    async with IngestServer(replace(settings, limits=limits)) as server:
        yield server


async def test_one_connection_too_many_is_told_so_and_the_next_one_finds_room(server: IngestServer) -> None:
    clients = [await connect(server.port) for _ in range(3)]
    for client in clients:
        await client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await client.read_message()
    refused = await connect(server.port)
    answer = await refused.read_message()
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    text = b"the ingest server has as many connections as it takes (ingest.limits.connections)\n"
    assert answer.endswith(b"\r\nConnection: close\r\n" + answer.partition(b"Connection: close\r\n")[2])
    assert answer.endswith(b"\r\n\r\n" + text)
    await refused.leave()
    await clients[0].leave()
    async with asyncio.timeout(10):
        while not await is_served(server.port):  # the server learns of the end a moment later
            pass
    for client in clients[1:]:
        await client.leave()


async def is_served(port: int) -> bool:
    client = await connect(port)
    await client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    try:
        return b" 200 OK\r\n" in await client.read_to_end()
    except ConnectionError:
        return False  # refused, and what it had sent was not read
    finally:
        await client.leave()


@pytest.mark.parametrize("begin", [b"", b"GET /health HT", b"GET /health HTTP/1.1\r\nHost: localhost\r\nA: "])
async def test_a_head_that_does_not_come_ends_its_connection(server: IngestServer, begin: bytes) -> None:
    fresh, used = await connect(server.port), await connect(server.port)
    await used.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await used.read_message()
    for client in (fresh, used):
        await client.send(begin)
    for client in (fresh, used):
        assert await client.read_to_end() == b""
        await client.leave()


async def test_a_body_that_stops_coming_is_answered_and_its_beginning_kept(
    server: IngestServer, settings: IngestSettings
) -> None:
    client = await connect(server.port)
    await client.send(f"PUT /{ID}/request HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nGET / HT".encode())
    answer = await client.read_message()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(b"\r\n\r\nthe request stopped coming before its end; what came of it is kept\n")
    assert b"GET / HT" in recordings(settings.log_dir).values()
    await client.leave()
    client = await connect(server.port)
    head = f"PUT /v1/journals/{JOURNAL}/0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
    await client.send(head.encode() + b"x")
    answer = await client.read_message()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(b"\r\n\r\nnothing of the body came for 0.2 s (ingest.limits.idle_s)\n")
    await client.leave()


async def test_one_listener_too_many_is_told_so(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/live") as first:
        assert first.status == 200
        async with client.get("/v1/live") as second:
            text = "the live feed has 1 listeners, as many as it takes (ingest.limits.listeners)\n"
            assert (second.status, await second.text()) == (503, text)


def journal(number: int) -> str:
    return JOURNAL.replace("1", str(number))


def test_a_journal_at_rest_makes_room_and_is_taken_up_where_it_was(tmp_path: Path) -> None:
    store = Store(IngestSettings(log_dir=tmp_path, limits=IngestLimits(journals=2)))
    store.apply(journal(1), 0, [whole(1)])
    store.apply(journal(2), 0, [whole(2) + started(3)])
    store.settle(flush=True)
    store.apply(journal(3), 0, [whole(4)])
    with pytest.raises(TooManyJournalsError) as caught:
        store.apply(journal(4), 0, [whole(5)])
    assert str(caught.value) == "2 journals are open, as many as may be (ingest.limits.journals)"
    store.settle(flush=True)
    rest = whole(6)
    assert store.apply(journal(1), len(whole(1)), [rest]).next == len(whole(1)) + len(rest)
    store.settle(flush=True)
    for number in (1, 2, 4, 6):
        assert described(tmp_path, number)["completed"] is True
    assert len(list(tmp_path.glob("*_metadata.json"))) == 5, "each once"


async def test_too_many_journals_are_refused_for_now(settings: IngestSettings) -> None:
    settings = replace(settings, limits=IngestLimits(journals=1))
    async with (
        IngestServer(settings) as server,
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client,
    ):
        async with client.put(f"/v1/journals/{journal(1)}/0", data=started(1)) as reply:
            assert reply.status == 200
        async with client.put(f"/v1/journals/{journal(2)}/0", data=b"") as reply:
            text = "1 journals are open, as many as may be (ingest.limits.journals)\n"
            assert (reply.status, await reply.text(), reply.headers["Retry-After"]) == (503, text, "1")


def test_an_exchange_too_many_is_counted_as_lost(tmp_path: Path) -> None:
    store = Store(IngestSettings(log_dir=tmp_path, limits=IngestLimits(open_exchanges=2)))
    data = b"".join(started(number) + request(number) for number in (1, 2, 3))
    data += response(1) + finished(1) + response(3) + finished(3) + whole(4)
    store.apply(JOURNAL, 0, [data])
    store.settle(flush=True)
    assert described(tmp_path, 1)["completed"] is True
    assert described(tmp_path, 4)["completed"] is True
    lost = len(request(3)) - len(request(3, b"")) + len(response(3)) - len(response(3, b""))
    (line,) = gap_lines(tmp_path)
    assert (line["first_number"], line["exchanges"], line["bytes"], line["reason"]) == (3, 1, lost, "start_lost")


def test_how_many_exchanges_may_be_open_changes_for_journals_that_are(tmp_path: Path) -> None:
    store = Store(IngestSettings(log_dir=tmp_path, limits=IngestLimits(open_exchanges=1)))
    at = store.apply(JOURNAL, 0, [started(1)]).next
    store.limits = IngestLimits(open_exchanges=2)
    store.apply(JOURNAL, at, [started(2) + whole(3)])
    store.settle(flush=True)
    assert store.tally.open_exchanges == 2
    (line,) = gap_lines(tmp_path)
    assert (line["first_number"], line["exchanges"], line["reason"]) == (3, 1, "start_lost")


def test_bytes_of_exchanges_that_nobody_knows_are_counted_and_take_no_memory(tmp_path: Path) -> None:
    store = Store(IngestSettings(log_dir=tmp_path, limits=IngestLimits(open_exchanges=2)))
    store.apply(JOURNAL, 0, [b"".join(response(number, b"x") for number in range(1, 8)) + closed()])
    store.settle(flush=True)
    assert [(line["first_number"], line["last_number"], line["bytes"]) for line in gap_lines(tmp_path)] == [
        (1, 2, 2),
        (3, 4, 2),
        (5, 6, 2),
        (7, 7, 1),
    ]
