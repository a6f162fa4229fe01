"""What no recording answers, on its way through a recorder: here a server that does what the test tells it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from replay.play.library import Library
from replay.play.server import Player, Told
from tests.e2e.scripted import ScriptedUpstream, connect, until
from tests.replay.play.made import CHAT, chat, exchange, library, ok, request
from tests.replay.play.test_server import CHUNKED, stage
from tests.replay.play.websocket import ACCEPT, SWITCHED, frame, said, upgrade

ASKED = request(chat("a"), CHAT, "POST", "Authorization: Bearer sk-live")


@asynccontextmanager
async def passing(folder: Path) -> AsyncIterator[tuple[ScriptedUpstream, Player, list[Told]]]:
    async with ScriptedUpstream() as recorder, stage(folder, forward_to=("127.0.0.1", recorder.port)) as (player, told):
        yield recorder, player, told


async def test_a_miss_goes_on_as_it_came_and_its_answer_back_piece_by_piece(tmp_path: Path) -> None:
    async with ScriptedUpstream() as recorder:
        address = ("127.0.0.1", recorder.port)
        async with stage(tmp_path, exchange(request(chat("b")), ok(b"recorded")), forward_to=address) as (player, told):
            client = await connect(player.port)
            await client.send(ASKED + request(chat("b")))
            behind = await recorder.accept()
            assert await behind.read_exactly(len(ASKED)) == ASKED
            head, end, body = CHUNKED.partition(b"\r\n\r\n")
            await behind.send(head + end)
            assert await client.read_exactly(len(head + end)) == head + end
            for byte in body:
                await behind.send(bytes([byte]))
                assert await client.read_exactly(1) == bytes([byte])
            assert await client.read_message() == ok(b"recorded")
            await client.leave()
            assert player.held_bytes == 0
    assert [(each.how, each.status) for each in told] == [("forwarded", 200), ("exact", 200)]
    assert list(player.misses) == []


@pytest.mark.parametrize("resets", [True, False])
async def test_a_cut_answer_stays_cut(tmp_path: Path, resets: bool) -> None:
    async with passing(tmp_path) as (recorder, player, told):
        client = await connect(player.port)
        await client.send(ASKED)
        behind = await recorder.accept()
        await behind.read_message()
        sent = b"HTTP/1.1 200 OK\r\n\r\nhalf" if resets else CHUNKED[:-9]
        await behind.send(sent)
        assert await client.read_exactly(len(sent)) == sent
        if resets:
            behind.reset()
            with pytest.raises(ConnectionResetError):
                await client.read_to_end()
        else:
            behind.close()
            assert await client.read_to_end() == b""
        await client.leave()
        await until(lambda: len(told) == 1, "it is told")
    assert [(each.how, each.status) for each in told] == [("forwarded", 200)]


async def test_an_answer_until_the_end_of_the_connection_ends_it(tmp_path: Path) -> None:
    async with passing(tmp_path) as (recorder, player, _):
        client = await connect(player.port)
        await client.send(ASKED)
        behind = await recorder.accept()
        await behind.read_message()
        await behind.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        behind.close()
        assert await client.read_to_end() == b"HTTP/1.1 200 OK\r\n\r\nall of it"
        await client.leave()


async def test_a_websocket_is_passed_on_in_both_directions(tmp_path: Path) -> None:
    async with passing(tmp_path) as (recorder, player, _):
        client = await connect(player.port)
        await client.send(upgrade() + said(b"early"))
        behind = await recorder.accept()
        assert await behind.read_exactly(len(upgrade())) == upgrade()
        await behind.send(SWITCHED % ACCEPT + frame(b"hello"))
        assert await client.read_exactly(len(SWITCHED % ACCEPT) + 7) == SWITCHED % ACCEPT + frame(b"hello")
        assert await behind.read_exactly(len(said(b"early"))) == said(b"early")
        data = frame(b"x" * 3_000_000)
        await behind.send(data)
        assert await client.read_exactly(len(data)) == data
        await client.send(said(b"bye"))
        assert await behind.read_exactly(len(said(b"bye"))) == said(b"bye")
        behind.close()
        assert await client.read_to_end() == b""
        await client.leave()


async def test_a_client_that_leaves_ends_what_is_passed_on(tmp_path: Path) -> None:
    async with passing(tmp_path) as (recorder, player, told):
        client = await connect(player.port)
        await client.send(ASKED)
        behind = await recorder.accept()
        await behind.read_message()
        client.reset()
        await behind.wait_closed()
        await until(lambda: len(told) == 1, "it is told")
        assert not player._connections


async def test_a_client_that_waits_for_100_continue_gets_it_once(tmp_path: Path) -> None:
    asked = request(chat("a"), CHAT, "POST", "Expect: 100-continue")
    head, end, body = asked.partition(b"\r\n\r\n")
    async with passing(tmp_path) as (recorder, player, _):
        client = await connect(player.port)
        await client.send(head + end)
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(body)
        behind = await recorder.accept()
        assert await behind.read_exactly(len(asked)) == asked
        await behind.send(b"HTTP/1.1 100 Continue\r\n\r\n" + ok())
        assert await client.read_message() == ok()
        await client.leave()


async def test_a_recorder_that_does_not_answer_is_told_of(tmp_path: Path) -> None:
    async with ScriptedUpstream() as recorder:
        port = recorder.port
    async with stage(tmp_path, forward_to=("127.0.0.1", port)) as (player, _):
        client = await connect(player.port)
        await client.send(ASKED)
        got = await client.read_message()
        assert got.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        problem = json.loads(got.partition(b"\r\n\r\n")[2])["error"]["message"]
        assert problem.startswith("the recorder that misses go to does not answer: ")
        await client.leave()


async def test_what_a_recorder_adds_to_the_folder_is_played_from_then_on(tmp_path: Path) -> None:
    """The next request waits until it is there; one whose route is not recorded is passed on again."""
    async with ScriptedUpstream() as recorder:
        settings = {"forward_to": ("127.0.0.1", recorder.port), "is_growing": True}
        async with stage(tmp_path, **settings) as (player, told):
            client = await connect(player.port)
            await client.send(ASKED)
            behind = await recorder.accept()
            await behind.read_message()
            await behind.send(ok(b"new"))
            assert await client.read_message() == ok(b"new")
            await client.send(ASKED)
            library(tmp_path, exchange(ASKED, ok(b"new")))
            assert await client.read_message() == ok(b"new")
            await client.leave()
    assert [each.how for each in told] == ["forwarded", "exact"]


async def test_a_defect_costs_a_connection_and_leaves_no_client_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_library: Library, _entry: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Library, "score", broken)
    async with stage(tmp_path, exchange(ASKED, ok())) as (player, _):
        client = await connect(player.port)
        await client.send(ASKED)
        await client.wait_closed()
        await client.leave()
    assert [record.getMessage() for record in caplog.records] == ["a background task failed"]
