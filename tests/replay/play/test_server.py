"""The player on real sockets: what a client gets is what was recorded, to the byte, and connections end as they did."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from replay.play.server import Player, Told
from replay.play.settings import INSTANT, PlayLimits, PlaySettings
from replay.play.thread import playing
from tests.e2e.scripted import connect, until
from tests.replay.play.made import CHAT, Times, chat, cut, exchange, library, ok, recorded, request
from traffic.capture.exchange import RecordedExchange
from traffic.public_bind import PublicBindError

SETTINGS = PlaySettings(host="127.0.0.1", port=0, speed=INSTANT)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nX-Trailer: z\r\n\r\n"
EVERY_BYTE: Times = tuple((offset, 1.0) for offset in range(len(CHUNKED)))


@asynccontextmanager
async def stage(
    folder: Path, *exchanges: RecordedExchange, **settings: Any
) -> AsyncIterator[tuple[Player, list[Told]]]:
    told: list[Told] = []
    async with Player(library(folder, *exchanges), replace(SETTINGS, **settings), tell=told.append) as player:
        yield player, told


async def ask(player: Player, sent: bytes) -> bytes:
    """What a client gets that ends its side behind its request."""
    client = await connect(player.port)
    await client.send(sent)
    client.end()
    got = await client.read_to_end()
    await client.leave()
    return got


async def test_requests_on_one_connection_get_what_was_recorded(tmp_path: Path) -> None:
    """Interim responses, chunk framing, trailers, and an answer to HEAD, with the client's own headers."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(b"\x1f\x8b\x00", b"Content-Encoding: gzip")
    async with stage(
        tmp_path,
        exchange(recorded(request(chat("a"))), CHUNKED, 0, EVERY_BYTE),
        exchange(recorded(request(b"", "/v1/models", "HEAD")), head, 1),
        exchange(recorded(request(b"", "/v1/models", "GET")), interim, 2),
    ) as (player, told):
        client = await connect(player.port)
        for sent, answer in (
            (request(chat("a"), CHAT, "POST", "Authorization: Bearer sk-live", "X-Stainless-Lang: python"), CHUNKED),
            (request(b"", "/v1/models", "HEAD"), head),
            (request(b"", "/v1/models", "GET"), interim),
            (request(chat("a"), f"/openai{CHAT}"), CHUNKED),
        ):
            await client.send(sent)
            assert await client.read_exactly(len(answer)) == answer
        await client.leave()
    assert [(each.how, each.method, each.status) for each in told] == [
        ("exact", "POST", 200),
        ("exact", "HEAD", 200),
        ("exact", "GET", 200),
        ("exact", "POST", 200),
    ]
    assert (player.hits, list(player.misses)) == ({"exact": 4}, [])


async def test_pipelined_requests_are_answered_in_order_however_they_arrive(tmp_path: Path) -> None:
    exchanges = [exchange(request(chat(str(number))), ok(b"%d" % number), number) for number in range(10)]
    sent = b"".join(request(chat(str(number))) for number in (*range(10), *range(10)))
    expected = b"".join(ok(b"%d" % number) for number in (*range(10), *range(10)))
    async with stage(tmp_path, *exchanges) as (player, _):
        assert await ask(player, sent) == expected
        client = await connect(player.port)
        for at in range(0, len(sent), 97):
            await client.send(sent[at : at + 97])
        assert await client.read_exactly(len(expected)) == expected
        await client.leave()


async def test_the_same_request_gets_its_answers_in_order_and_then_the_last_again(tmp_path: Path) -> None:
    limited = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    asked = request(chat("a"))
    async with stage(tmp_path, exchange(asked, limited, 0), exchange(asked, ok(), 1)) as (player, told):
        assert [await ask(player, asked) for _ in range(3)] == [limited, ok(), ok()]
    assert [(each.chosen.turn, each.chosen.of) for each in told if each.chosen] == [(1, 2), (2, 2), (3, 2)]


async def test_a_response_that_ends_with_its_connection_ends_it(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\nall of it"
    async with stage(tmp_path, exchange(request(chat("a")), answer)) as (player, _):
        client = await connect(player.port)
        await client.send(request(chat("a")))
        assert await client.read_to_end() == answer
        await client.leave()


async def test_a_cut_response_is_cut_again(tmp_path: Path) -> None:
    """Where the end of the connection would look like the end of the body, by a reset, behind the last byte."""
    until_close = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000
    async with stage(
        tmp_path,
        exchange(request(chat("a")), CHUNKED[:-9], 0, **cut()),
        exchange(request(chat("b")), until_close, 1, **cut()),
    ) as (player, _):
        client = await connect(player.port)
        await client.send(request(chat("a")))
        assert await client.read_to_end() == CHUNKED[:-9]
        await client.leave()
        client = await connect(player.port)
        await client.send(request(chat("b")))
        assert await client.read_exactly(len(until_close)) == until_close
        with pytest.raises(ConnectionResetError):
            await client.read_to_end()
        await client.leave()


async def test_a_client_that_waits_for_100_continue_gets_it_once(tmp_path: Path) -> None:
    asked = request(chat("a"), CHAT, "POST", "Expect: 100-continue")
    answer = b"HTTP/1.1 100 Continue\r\n\r\n" + ok()
    head, end, body = asked.partition(b"\r\n\r\n")
    async with stage(tmp_path, exchange(asked, answer)) as (player, _):
        client = await connect(player.port)
        await client.send(head + end)
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(body)
        assert await client.read_exactly(len(ok())) == ok()
        await client.send(asked)  # without waiting
        assert await client.read_exactly(len(answer)) == answer
        await client.leave()


async def test_a_miss_is_a_404_that_explains_itself_and_the_connection_goes_on(tmp_path: Path) -> None:
    async with stage(tmp_path, exchange(request(chat("a", seed=1)), ok())) as (player, told):
        client = await connect(player.port)
        await client.send(request(chat("a", seed=2)))
        got = await client.read_message()
        await client.send(request(chat("a", seed=1)))
        assert await client.read_message() == ok()
        await client.leave()
    text = (
        f"no recording answers POST {CHAT}: the nearest, 00000001 of 2026-09-13 02:11:00, differs at "
        "seed (2 here, 1 recorded). It is played with --ignore seed"
    )
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n")
    assert b"\r\nX-Recorder-Play: miss\r\n" in head
    assert json.loads(body) == {
        "type": "error",
        "error": {"type": "not_found_error", "code": "no_recording", "message": text},
        "nearest": "00000001-0000-0000-0000-000000000000",
        "differences": [{"path": "seed", "here": "2", "recorded": "1"}],
        "ignore": ["seed"],
    }
    assert [miss.text for miss in player.misses] == [text]
    assert [(each.how, each.status) for each in told] == [("miss", 404), ("exact", 200)]
    assert player.hits == {"miss": 1, "exact": 1}


async def test_what_was_played_as_often_as_recorded_is_a_miss_where_that_is_wanted(tmp_path: Path) -> None:
    asked = request(chat("a"))
    async with stage(tmp_path, exchange(asked, ok()), repeat="never") as (player, _):
        assert await ask(player, asked) == ok()
        assert b"the recording of it was played already" in await ask(player, asked)


async def test_an_answer_to_another_conversation_that_began_alike_is_marked(tmp_path: Path) -> None:
    async with stage(tmp_path, exchange(request(chat("a", "b", "c")), CHUNKED, 0, EVERY_BYTE), match="prefix") as (
        player,
        told,
    ):
        got = await ask(player, request(chat("a", "b", "other")))
        assert await ask(player, request(chat("a", "b", "c"))) == CHUNKED
    mark = b"\r\nX-Recorder-Play: prefix; id=00000001-0000-0000-0000-000000000000"
    assert got == CHUNKED.replace(b": chunked", b": chunked" + mark)
    assert [each.how for each in told] == ["prefix", "exact"]


async def test_pieces_do_not_leave_before_their_time(tmp_path: Path) -> None:
    asked = request(chat("a"))
    arrivals = ((0, 20.0), (len(ok()) - 1, 120.0))
    async with stage(tmp_path, exchange(asked, ok(), 0, arrivals), speed=1.0) as (player, _):
        client = await connect(player.port)
        began_s = time.monotonic()
        await client.send(asked)
        await client.read_exactly(len(ok()) - 1)
        first_s = time.monotonic() - began_s
        await client.read_exactly(1)
        assert first_s >= 0.019
        assert time.monotonic() - began_s >= 0.119
        await client.leave()


async def test_a_client_that_takes_nothing_costs_little_memory_and_then_gets_all(tmp_path: Path) -> None:
    body = bytes(range(256)) * 80_000
    async with stage(tmp_path, exchange(request(chat("a")), ok(body))) as (player, _):
        client = await connect(player.port)
        await client.send(request(chat("a")))
        await until(lambda: bool(player._connections), "the player has the connection")
        (connection,) = player._connections
        await until(lambda: connection._is_full, "the client takes no more")
        assert connection.transport.get_write_buffer_size() < 1_000_000
        assert await client.read_exactly(len(ok(body))) == ok(body)
        await client.leave()


async def test_a_client_that_leaves_takes_nothing_with_it(tmp_path: Path) -> None:
    asked = request(chat("a"))
    async with stage(tmp_path, exchange(asked, ok(), 0, ((0, 60_000.0),)), speed=1.0) as (player, _):
        client = await connect(player.port)
        await client.send(asked)
        await until(lambda: player.hits["exact"] == 1, "it is being played")
        client.reset()
        await until(lambda: not player._connections, "the connection is gone")
        assert player.held_bytes == 0


@pytest.mark.parametrize(
    ("sent", "status", "problem"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "no Host header, which HTTP/1.1 requires"),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 400, "malformed head: Invalid HTTP version"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000, 431, "the head has more than 65536 bytes"),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            400,
            "malformed chunk size line",
        ),
        (request(b"x" * 2_000), 413, "the request's body has more than 1000 bytes"),
        (
            request(gzip.compress(b"x" * 2_000), "/", "POST", "Content-Encoding: gzip"),
            413,
            "the request's body has more than 1000 bytes",
        ),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_ends(
    tmp_path: Path, sent: bytes, status: int, problem: str
) -> None:
    async with stage(tmp_path, limits=PlayLimits(body_bytes=1_000)) as (player, told):
        client = await connect(player.port)
        await client.send(sent)
        got = await client.read_to_end()
        await client.leave()
        assert player.held_bytes == 0
    assert got.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["message"] == problem
    assert [(each.how, each.status) for each in told] == [("refused", status)]


async def test_all_clients_together_hold_no_more_than_a_limit(tmp_path: Path) -> None:
    async with stage(tmp_path, limits=PlayLimits(unanswered_bytes=3_000)) as (player, _):
        first = await connect(player.port)
        await first.send(request(b"x" * 2_500)[:-1])
        await until(lambda: player.held_bytes > 2_000, "it is held")
        assert (await ask(player, request(b"x" * 2_500))).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        await first.leave()
        await until(lambda: player.held_bytes == 0, "nothing is held")
        assert (await ask(player, request(b"x" * 2_500))).startswith(b"HTTP/1.1 404 Not Found\r\n")


async def test_too_many_connections_and_slow_heads_are_ended(tmp_path: Path) -> None:
    async with stage(tmp_path, limits=PlayLimits(connections=1, head_read_s=0.01)) as (player, _):
        first = await connect(player.port)
        await first.send(b"GET / HT")
        await until(lambda: bool(player._connections), "it is admitted")
        second = await connect(player.port)
        await second.wait_closed()
        assert (await first.read_to_end()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        await first.leave()
        await second.leave()


async def test_it_listens_for_other_machines_only_where_told_to(tmp_path: Path) -> None:
    with pytest.raises(
        PublicBindError, match=r"^other machines reach 0\.0\.0\.0, and the player asks for no keys: listen"
    ):
        async with stage(tmp_path, host="0.0.0.0"):
            pass
    async with stage(tmp_path, host="0.0.0.0", insecure_public_bind=True) as (player, _):
        assert (await ask(player, request(b""))).startswith(b"HTTP/1.1 404 ")


async def test_a_name_with_several_addresses_has_one_port(tmp_path: Path) -> None:
    async with stage(tmp_path, host="localhost") as (player, _):
        assert {server.sockets[0].getsockname()[1] for server in player._servers} == {player.port}
        assert player.url == f"http://localhost:{player.port}"


def test_programs_without_an_event_loop_play_in_a_thread(tmp_path: Path) -> None:
    async def client() -> bytes:
        peer = await connect(player.port)
        await peer.send(request(chat("a")))
        got = await peer.read_message()
        await peer.leave()
        return got

    with playing(library(tmp_path, exchange(request(chat("a")), ok())), SETTINGS) as player:
        assert asyncio.run(client()) == ok()
    assert player.hits == {"exact": 1}
    with (
        pytest.raises(PublicBindError),
        playing(library(tmp_path), replace(SETTINGS, host="0.0.0.0")),
    ):
        pass
