"""Clients that leave, end their side, read slowly or send crumbs: the upstream is let go, held up or read to its end.

RECORDER_FAULTS=long makes the slow reader's response a whole GiB instead of a quarter.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable

import pytest

from recorder.settings import Limits, Route
from replay.verify import verify
from tests.e2e.scripted import Peer, ScriptedUpstream, connect, until
from tests.faults.processes import PATIENCE_S, memory_bytes, read_all, recordings
from tests.faults.stage import Stage

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"400\r\n" + bytes(1024) + b"\r\n"
SIZE = 1024**3 if os.environ.get("RECORDER_FAULTS") == "long" else 1024**3 // 4


def route(upstream: ScriptedUpstream, name: str = "lm", **changes: object) -> Route:
    return Route(name, f"/{name}/", f"http://127.0.0.1:{upstream.port}/", **changes)  # type: ignore[arg-type]


async def begin(stage: Stage, path: str) -> Peer:
    """A client that has the first chunk of its stream."""
    client = await connect(stage.recorder_port)
    await client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    await client.read_exactly(len(CHUNKED + CHUNK))
    return client


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_streams_whose_clients_leave_end_at_once_or_are_drained(stage: Stage, how: str) -> None:
    """30 of each. With `abort` the upstream's connections end while it sends; with `drain` it sends to its end."""
    ended: list[str] = []
    sent: dict[str, bytes] = {}

    async def stream(peer: Peer) -> None:
        path = (await peer.read_message()).split(b" ")[1].decode()
        sent[path] = CHUNKED
        try:
            await peer.send(CHUNKED)
            while "abort" in path or sent[path].count(CHUNK) < 200:
                sent[path] += CHUNK
                await peer.send(CHUNK)
                await asyncio.sleep(0.005)
            sent[path] += b"0\r\n\r\n"
            await peer.send(b"0\r\n\r\n")
            await peer.wait_closed()
        except ConnectionError:
            ended.append(path)

    async with ScriptedUpstream(stream) as upstream:
        stage.set(routes=(route(upstream, "abort"), route(upstream, "drain", on_client_disconnect="drain")))
        await stage.start()
        clients = [await begin(stage, f"/{name}/{name}{number}") for number in range(30) for name in ("abort", "drain")]
        for client in clients:
            await asyncio.sleep(stage.random.random() / 100)
            if how == "reset":
                client.reset()
            else:
                await client.leave()
        await until(lambda: len(ended) == 30, "the upstream sees its connections end")
        records = await recordings(stage)
    assert len(records) == 60
    for record in records:
        path = record.facts["url"].rpartition("/")[2]
        assert record.error == ("client_disconnect", "response_body", "client")
        if path.startswith("drain"):
            assert record.response == sent[f"/{path}"]
            assert record.response.endswith(b"0\r\n\r\n")
        else:
            assert sent[f"/{path}"].startswith(record.response)


async def test_draining_ends_at_its_limit(stage: Stage) -> None:
    async def stream(peer: Peer) -> None:
        await peer.read_message()
        await peer.send(CHUNKED)
        while True:
            try:
                await peer.send(CHUNK)
            except ConnectionError:
                return

    async with ScriptedUpstream(stream) as upstream:
        stage.set(
            routes=(route(upstream, on_client_disconnect="drain"),), limits=Limits(abandoned_bytes=5 * 1024 * 1024)
        )
        await stage.start()
        client = await begin(stage, "/lm/x")
        client.reset()
        await until(upstream.peers[0].writer.transport.is_closing, "the upstream sees its connection end")
        (record,) = await recordings(stage)
    assert record.error == ("client_disconnect", "response_body", "client")
    assert len(record.response) >= 5 * 1024 * 1024


async def test_fifty_clients_that_end_their_side_get_the_whole_response(stage: Stage) -> None:
    body = CHUNKED + CHUNK * 100 + b"0\r\n\r\n"

    async def stream(peer: Peer) -> None:
        await peer.read_message()
        await peer.send(CHUNKED)
        for _ in range(100):
            await asyncio.sleep(0.002)
            await peer.send(CHUNK)
        await peer.send(b"0\r\n\r\n")

    async def ask() -> bytes:
        client = await connect(stage.recorder_port)
        await client.send(b"POST /lm/x HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nquestion")
        client.end()
        got = await read_all(client)
        await client.leave()
        return got

    async with ScriptedUpstream(stream) as upstream:
        stage.set(routes=(route(upstream),))
        await stage.start()
        assert await asyncio.gather(*[ask() for _ in range(50)]) == [body] * 50
        records = await recordings(stage)
    assert [record.response for record in records] == [body] * 50
    assert all(record.facts["completed"] for record in records)


async def test_a_slow_reader_of_a_large_response_costs_no_memory(stage: Stage) -> None:
    """It takes a MiB, waits until the upstream is held up, and then reads as fast as it can."""
    block = bytes(range(256)) * 4096
    sent = 0

    async def send_slowly_taken(peer: Peer) -> None:
        nonlocal sent
        await peer.read_message()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(block)):
            await peer.send(block)
            sent += len(block)
        await peer.wait_closed()

    async with ScriptedUpstream(send_slowly_taken) as upstream:
        stage.set(routes=(route(upstream),))
        await stage.start()
        assert stage.recorder is not None
        before = memory_bytes(stage.recorder.pid)
        client = await connect(stage.recorder_port)
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        await client.send(b"GET /lm/x HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.read_until(b"\r\n\r\n")
        left = SIZE
        while left:
            if left == SIZE - len(block):
                await until_it_stands(lambda: sent)
                assert sent < SIZE // 8
            assert await client.reader.readexactly(len(block)) == block
            left -= len(block)
        grown = memory_bytes(stage.recorder.pid, "VmHWM") - before
        await client.leave()
        await stage.drain()
    report = verify(stage.log_dir, stage.journal_dir)
    assert (report.complete, report.faults) == (1, ())
    assert report.bytes > SIZE
    print(f"memory: {grown / 1024**2:.1f} MiB more")
    assert grown <= 16 * 1024 * 1024


async def until_it_stands(count: Callable[[], int]) -> None:
    """Until it has not changed for half a second."""
    seen, since_s = -1, 0.0
    async with asyncio.timeout(PATIENCE_S):
        while time.monotonic() - since_s < 0.5:
            if count() != seen:
                seen, since_s = count(), time.monotonic()
            await asyncio.sleep(0.01)


async def test_a_million_chunks_of_one_byte_pass_in_both_directions(stage: Stage) -> None:
    crumbs = b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n"

    async def swap(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        assert await peer.read_exactly(len(crumbs)) == crumbs
        await peer.send(CHUNKED + crumbs)

    async with ScriptedUpstream(swap) as upstream:
        stage.set(routes=(route(upstream),))
        await stage.start()
        client = await connect(stage.recorder_port)
        await client.send(b"POST /lm/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        sending = asyncio.gather(client.send(crumbs))
        assert await client.read_exactly(len(CHUNKED + crumbs)) == CHUNKED + crumbs
        await sending
        await client.leave()
        (record,) = await recordings(stage)
    assert record.facts["completed"]
    assert record.request.endswith(crumbs)
    assert record.response == CHUNKED + crumbs
