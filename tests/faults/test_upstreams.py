"""Upstreams that break off, cannot be reached or say nothing: what came is kept, and no client takes it for all."""

import asyncio
import socket
from dataclasses import dataclass, field
from random import Random

from recorder.settings import Route, Timeouts
from tests.e2e.scripted import Peer, ScriptedUpstream, connect
from tests.e2e.test_tls import Certified
from tests.e2e.test_upstream_faults import port_that_takes_nobody
from tests.faults.processes import read_all, recordings
from tests.faults.stage import Stage

ERRORS = {"reset": "upstream_reset", "close": "upstream_reset", "silence": "upstream_timeout"}
ERRORS |= {"nonsense": "bad_response"}
HOW = (*ERRORS, "end")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(slots=True)
class Breaking:
    """An upstream of streams, each of which ends in its own way behind some of its chunks."""

    random: Random
    sent: dict[bytes, bytes] = field(default_factory=dict)  # by the request's path

    async def serve(self, peer: Peer) -> None:
        while True:
            try:
                path = (await peer.read_message()).split(b" ")[1]
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            self.sent[path] = CHUNKED
            await peer.send(CHUNKED)
            for _ in range(self.random.randint(1, 20)):
                data = self.random.randbytes(self.random.randint(1, 3000))
                await self._send(peer, path, b"%x\r\n%b\r\n" % (len(data), data))
                await asyncio.sleep(self.random.random() / 100)
            if not await self._end(peer, path, path.rpartition(b"-")[2].decode()):
                return

    async def _end(self, peer: Peer, path: bytes, how: str) -> bool:
        """Whether the connection goes on."""
        if how == "end":
            await self._send(peer, path, b"0\r\n\r\n")
            return True
        if how == "nonsense":
            await self._send(peer, path, b"no chunk\r\n")
        elif how != "close" or self.random.random() < 0.5:
            await self._send(peer, path, b"100\r\nhalf a chunk")
        if how == "reset":
            peer.reset()
        elif how in ("silence", "nonsense"):
            await peer.wait_closed()
        return False

    async def _send(self, peer: Peer, path: bytes, data: bytes) -> None:
        self.sent[path] += data
        await peer.send(data)


async def test_fifty_streams_that_break_in_every_way_are_kept_as_far_as_they_came(stage: Stage) -> None:
    breaking = Breaking(stage.random)
    async with ScriptedUpstream(breaking.serve) as upstream:
        route = Route("lm", "/lm/", f"http://127.0.0.1:{upstream.port}/", timeouts=Timeouts(10, 1))
        stage.set(routes=(route,))
        await stage.start()
        paths = [b"/%d-%b" % (number, HOW[number % len(HOW)].encode()) for number in range(50)]
        got = dict(zip(paths, await asyncio.gather(*[ask(stage, path) for path in paths]), strict=True))
        records = {record.facts["url"].partition("/lm")[2].encode(): record for record in await recordings(stage)}
    assert sorted(records) == sorted(paths)
    for path, record in records.items():
        how = path.rpartition(b"-")[2].decode()
        sent = breaking.sent[path]
        assert record.facts["completed"] is (how == "end")
        if record.facts["answered_by"] == "recorder":  # the end came in one read with the head, or instead of it
            assert record.error == (ERRORS[how], "response_head", "upstream")
            assert got[path].startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
            assert sent.startswith(record.response.removesuffix(got[path])), path
            continue
        assert sent.startswith(record.response), path
        assert record.response.startswith(got[path]), path
        if how == "end":
            assert got[path] == sent
        else:
            assert record.error == (ERRORS[how], "response_body", "upstream")
            assert not got[path].endswith(b"0\r\n\r\n")
            assert b"no chunk" not in got[path]


async def ask(stage: Stage, path: bytes) -> bytes:
    client = await connect(stage.recorder_port)
    await client.send(b"GET /lm%b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path)
    got = await read_all(client)
    await client.leave()
    return got


async def test_upstreams_that_cannot_be_reached_are_named_with_the_reason_and_never_asked_with_less(
    stage: Stage,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        refusing = listening.getsockname()[1]
    async with ScriptedUpstream(tls=Certified("localhost").tls) as untrusted, ScriptedUpstream() as silent:
        with port_that_takes_nobody() as full:
            destinations = {
                "refused": f"http://127.0.0.1:{refusing}/",
                "unknown": "http://nowhere.invalid/",
                "untrusted": f"https://localhost:{untrusted.port}/",
                "full": f"http://127.0.0.1:{full}/",
                "silent": f"http://127.0.0.1:{silent.port}/",
            }
            timeouts = Timeouts(connect_s=1, idle_s=1)
            routes = [Route(name, f"/{name}/", url, timeouts=timeouts) for name, url in destinations.items()]
            stage.set(routes=tuple(routes))
            await stage.start()
            answers = await asyncio.gather(*[send(stage, name) for name in destinations])
            records = {record.facts["route"]: record for record in await recordings(stage)}
        assert [len(peer.received) for peer in untrusted.peers] in ([], [0])
    expected = {
        "refused": (b"502 Bad Gateway", b"upstream_refused: ", ("upstream_refused", "connect", "network")),
        "unknown": (b"502 Bad Gateway", b"dns_failure: the name nowhere", ("dns_failure", "connect", "network")),
        "untrusted": (b"502 Bad Gateway", b"tls_failure: no TLS with local", ("tls_failure", "connect", "network")),
        "full": (b"504 Gateway Timeout", b"upstream_timeout: no con", ("upstream_timeout", "connect", "network")),
        "silent": (
            b"504 Gateway Timeout",
            b"upstream_timeout: noth",
            ("upstream_timeout", "response_head", "upstream"),
        ),
    }
    for name, answer in zip(destinations, answers, strict=True):
        status, reason, error = expected[name]
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert answer.partition(b"\r\n\r\n")[2].startswith(reason)
        assert (records[name].response, records[name].error) == (answer, error)
        assert records[name].request.endswith(b"\r\n\r\nquestion")


async def send(stage: Stage, name: str) -> bytes:
    client = await connect(stage.recorder_port)
    await client.send(b"POST /%b/x HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nquestion" % name.encode())
    answer = await client.read_message()
    await client.leave()
    return answer


async def test_a_request_on_a_stale_connection_reaches_the_upstream_once(stage: Stage) -> None:
    """The upstream ends kept connections while the next requests are on their way."""
    served: list[bytes] = []

    async def serve_one_and_reset(peer: Peer) -> None:
        served.append((await peer.read_message()).split(b" ")[1])
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
        peer.reset()

    async with ScriptedUpstream(serve_one_and_reset) as upstream:
        stage.set(routes=(Route("lm", "/lm/", f"http://127.0.0.1:{upstream.port}/"),))
        await stage.start()
        client = await connect(stage.recorder_port)
        for number in range(200):
            await client.send(b"GET /lm/%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            assert (await client.read_message()).endswith(b"\r\n\r\nfine")
        await client.leave()
        records = await recordings(stage)
    assert served == [b"/%d" % number for number in range(200)]
    assert all(record.facts["completed"] for record in records)
