"""Thousands of connections that do nothing, or too little: others are served, memory stays small, and they end."""

import asyncio
import socket

from recorder.settings import Limits
from tests.e2e.scripted import Peer
from tests.faults.processes import crowd_of, memory_bytes, metric, read_all, recordings, until_metric
from tests.faults.stage import Stage

SLOW_START = b"GET /lm/slow HTTP/1.1\r\nHost: a\r\nX-Slow: "


async def test_ten_thousand_idle_connections_cost_little_memory_and_are_reaped(stage: Stage) -> None:
    count = crowd_of(10_000)
    stage.set(limits=Limits(client_idle_s=20))
    await stage.start()
    assert stage.recorder is not None
    await stage.send_all(stage.order("json"))
    await metric(stage, "recorder_client_connections")
    before = memory_bytes(stage.recorder.pid)
    crowd = [await connect_raw(stage.recorder_port) for _ in range(count)]
    try:
        await until_metric(stage, "recorder_client_connections", lambda value: value > count)
        grown = memory_bytes(stage.recorder.pid) - before
        print(f"memory: {grown / 1024**2:.1f} MiB more for {count} idle connections")
        assert grown <= 150 * 1024 * 1024
        await asyncio.gather(*[stage.send_all(*stage.mixed(5)) for _ in range(10)])
        await until_metric(stage, "recorder_client_connections", lambda value: value == 1)
        assert all(each.recv(1) == b"" for each in crowd)
    finally:
        for each in crowd:
            each.close()
    sums = await stage.add_up()
    assert (sums.sent, sums.complete) == (51, 51)


async def connect_raw(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return connection


async def test_a_thousand_slow_heads_hold_up_nobody_and_end_with_408(stage: Stage) -> None:
    count = crowd_of(1_000)
    stage.set(limits=Limits(head_read_s=4))
    await stage.start()
    crowd = [Peer(*await asyncio.open_connection("127.0.0.1", stage.recorder_port)) for _ in range(count)]
    answers = [asyncio.ensure_future(send_slowly(each)) for each in crowd]  # noqa: TID251 gathered below
    await asyncio.gather(*[stage.send_all(*stage.mixed(5)) for _ in range(10)])
    for answer in await asyncio.gather(*answers):
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert answer.endswith(b"\r\n\r\nthe request's head did not arrive in time\n")
    for each in crowd:
        await each.leave()
    records = await recordings(stage)
    slow = [record for record in records if record.request.startswith(SLOW_START)]
    assert len(slow) == count
    assert {record.error for record in slow} == {("client_timeout", "request_head", "client")}
    assert len(records) - len(slow) == len(stage.upstream.seen) == 50
    assert all(record.facts["completed"] for record in records if record not in slow)


async def send_slowly(peer: Peer) -> bytes:
    """A byte every now and then, for as long as the recorder lets it."""
    answer = asyncio.gather(read_all(peer))
    peer.writer.write(SLOW_START)
    while not answer.done():
        if not peer.writer.transport.is_closing():
            peer.writer.write(b"x")
        await asyncio.wait([answer], timeout=0.5)
    (data,) = await answer
    return data
