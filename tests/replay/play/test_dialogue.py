"""WebSocket recordings on real sockets: the server's bytes come when the client has said what it had said then."""

import time
from pathlib import Path

import aiohttp
import pytest

from replay.masks import Masks
from tests.e2e.scripted import Peer, connect
from tests.replay.play.made import request
from tests.replay.play.test_server import stage
from tests.replay.play.websocket import (
    ACCEPT,
    OTHER_ACCEPT,
    OTHER_KEY,
    SWITCHED,
    conversation,
    frame,
    said,
    upgrade,
)
from traffic.http1.websocket import BINARY, CLOSE, PING, PONG

HELLO, BYE = frame(b'{"type":"hello"}'), frame(b"\x03\xe8", CLOSE)
TALK = conversation(
    ("server", HELLO),
    ("client", said(b'{"type": "ask", "event_id": "1"}')),
    ("server", frame(b"one")[:3]),
    ("server", frame(b"one")[3:] + frame(b"two")),
    ("client", said(b"\x00\x01", BINARY)),
    ("client", said(b"\x03\xe8", CLOSE)),
    ("server", BYE),
)


async def begin(client: Peer, key: bytes = OTHER_KEY, accept: bytes = OTHER_ACCEPT) -> None:
    await client.send(upgrade(key))
    assert await client.read_until(b"\r\n\r\n") == SWITCHED % accept


async def test_a_recorded_conversation_is_had_again(tmp_path: Path) -> None:
    """With this client's handshake key, its masks and its spelling of JSON; then the connection ends."""
    async with stage(tmp_path, TALK) as (player, told):
        client = await connect(player.port)
        await begin(client)
        assert await client.read_exactly(len(HELLO)) == HELLO
        await client.send(said(b'{"event_id":"1","type":"ask"}', mask=b"wxyz"))
        assert await client.read_exactly(10) == frame(b"one") + frame(b"two")
        await client.send(said(b"\x00\x01", BINARY, b"abcd") + said(b"\x03\xe9", CLOSE, b"efgh"))
        assert await client.read_to_end() == BYE
        await client.leave()
    assert [(each.how, each.status) for each in told] == [("exact", 101)]
    assert list(player.misses) == []


async def test_with_the_recorded_key_all_bytes_are_the_recorded_ones(tmp_path: Path) -> None:
    async with stage(tmp_path, TALK) as (player, _):
        client = await connect(player.port)
        await client.send(TALK.request)
        assert await client.read_to_end() == TALK.response
        await client.leave()
    assert TALK.response.startswith(SWITCHED % ACCEPT)


async def test_the_server_says_nothing_that_the_client_has_not_asked_for_and_not_too_early(tmp_path: Path) -> None:
    async with stage(tmp_path, TALK, speed=1.0) as (player, _):
        client = await connect(player.port)
        await begin(client)
        assert await client.read_exactly(len(HELLO)) == HELLO
        said_s = time.monotonic()
        await client.send(said(b'{"event_id":"1","type":"ask"}'))
        assert await client.read_exactly(10) == frame(b"one") + frame(b"two")
        assert time.monotonic() - said_s >= 0.019  # two turns of 10 ms
        await client.leave()


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (said(b'{"type":"other"}'), '{"type":"other"} here, {"event_id":"1","type":"ask"} recorded'),
        (said(b"\x00", BINARY), '1 bytes here, {"event_id":"1","type":"ask"} recorded'),
        (said(b"x" * 100), f'{"x" * 60}… here, {{"event_id":"1","type":"ask"}} recorded'),
    ],
)
async def test_another_message_than_the_recorded_one_is_a_miss(tmp_path: Path, sent: bytes, problem: str) -> None:
    async with stage(tmp_path, TALK) as (player, told):
        client = await connect(player.port)
        await begin(client)
        await client.send(sent)
        assert await client.read_exactly(len(HELLO)) == HELLO
        text = f"message 1 of the client is not the recorded one: {problem}"
        got = await client.read_to_end()
        assert got[:1] == b"\x88"
        assert got[2:4] == (1008).to_bytes(2, "big")
        assert text.encode().startswith(got[4:])
        await client.leave()
    assert [miss.text for miss in player.misses] == [f"GET /v1/realtime?model=tiny: {text}"]
    assert [(each.how, each.status) for each in told] == [("exact", 101), ("miss", 101)]


async def test_a_message_behind_the_last_recorded_one_is_a_miss(tmp_path: Path) -> None:
    talk = conversation(("client", said(b"a")), ("server", frame(b"b")))
    async with stage(tmp_path, talk, speed=0.01) as (player, _):
        client = await connect(player.port)
        await begin(client)
        await client.send(said(b"a") + said(b"c"))
        assert b"message 2 of the client is not the recorded one: c here, nothing more recorded" in (
            await client.read_to_end()
        )
        await client.leave()


async def test_the_users_masks_hold_for_messages_too(tmp_path: Path) -> None:
    async with stage(tmp_path, TALK, masks=Masks(["event_id"])) as (player, _):
        client = await connect(player.port)
        await begin(client)
        await client.send(said(b'{"type":"ask","event_id":"another"}'))
        assert await client.read_exactly(len(HELLO) + 10) == HELLO + frame(b"one") + frame(b"two")
        await client.leave()


async def test_pings_of_the_client_get_their_pongs_and_recorded_pongs_are_left_out(tmp_path: Path) -> None:
    talk = conversation(
        ("client", said(b"then", PING)),
        ("server", frame(b"then", PONG) + frame(b"one")[:2]),
        ("server", frame(b"one")[2:]),
        ("client", said(b"go on")),
        ("server", frame(b"two")),
    )
    async with stage(tmp_path, talk) as (player, _):
        client = await connect(player.port)
        await begin(client)
        assert await client.read_exactly(5) == frame(b"one")
        await client.send(said(b"now", PING) + said(b"pong", PONG) + said(b"go on"))
        assert await client.read_to_end() == frame(b"now", PONG) + frame(b"two")
        await client.leave()


async def test_a_client_may_close_earlier_than_recorded(tmp_path: Path) -> None:
    async with stage(tmp_path, TALK) as (player, _):
        client = await connect(player.port)
        await begin(client)
        assert await client.read_exactly(len(HELLO)) == HELLO
        await client.send(said(b"\x03\xe8done", CLOSE))
        assert await client.read_to_end() == BYE
        await client.leave()
    assert list(player.misses) == []


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (b"\x81\xff\xff" + b"\x00" * 20, b"a WebSocket frame of more than"),
        (said(bytes(300), PING), b"a control frame of a WebSocket with more than 125 bytes"),
    ],
)
async def test_what_is_no_frame_ends_the_conversation(tmp_path: Path, sent: bytes, problem: bytes) -> None:
    async with stage(tmp_path, TALK) as (player, _):
        client = await connect(player.port)
        await begin(client)
        await client.send(sent)
        assert problem in await client.read_to_end()
        await client.leave()


async def test_a_plain_request_for_a_websockets_target_is_a_miss(tmp_path: Path) -> None:
    async with stage(tmp_path, TALK) as (player, _):
        client = await connect(player.port)
        await client.send(request(b"", "/v1/realtime?model=tiny", "GET"))
        assert (await client.read_message()).startswith(b"HTTP/1.1 404 ")
        await client.leave()


async def test_a_websocket_client_of_others_is_content(tmp_path: Path) -> None:
    async with (
        stage(tmp_path, TALK) as (player, _),
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{player.url}/v1/realtime?model=tiny") as websocket,
    ):
        assert await websocket.receive_json() == {"type": "hello"}
        await websocket.send_json({"event_id": "1", "type": "ask"})
        assert [await websocket.receive_str() for _ in range(2)] == ["one", "two"]
        await websocket.send_bytes(b"\x00\x01")
        await websocket.close()
        assert websocket.close_code == 1000
