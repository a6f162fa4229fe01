"""The simple door: raw HTTP bytes from any program become the same files."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ingest_server import files
from ingest_server.door import Caller, Door, HalfTakenError, Incoming, SideName
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from ingest_server.store import Store
from tests.ingest_server.recorder_side import described_as, recordings

ID = "092d0424-1b2c-4d3e-8f40-5a6b7c8d9e0f"
REQUEST = b"POST /v1/x HTTP/1.1\r\nHost: api.example\r\nContent-Length: 2\r\n\r\nhi"
RESPONSE = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"


async def put(client: aiohttp.ClientSession, side: str, data: bytes, exchange: str = ID) -> tuple[int, str]:
    async with client.put(f"/{exchange}/{side}", data=data) as reply:
        return reply.status, await reply.text()


@pytest.mark.parametrize("order", [("request", "response"), ("response", "request")])
async def test_two_halves_in_any_order_make_a_complete_exchange(
    client: aiohttp.ClientSession, settings: IngestSettings, order: tuple[str, str]
) -> None:
    halves = {"request": REQUEST, "response": RESPONSE}
    assert await put(client, order[0], halves[order[0]]) == (201, "stored\n")
    facts = described_as(settings.log_dir, ID)
    assert (facts["completed"], facts["error"]) == (False, None)
    assert await put(client, order[1], halves[order[1]]) == (201, "stored\n")
    facts = described_as(settings.log_dir, ID)
    assert facts["completed"] is True
    assert (facts["method"], facts["url"]) == ("POST", "http://api.example/v1/x")
    assert facts["received"] == {"request_line": "POST /v1/x HTTP/1.1", "host": "api.example", "removed": []}
    assert facts["response"]["status"] == 201  # type: ignore[index]
    assert sorted(recordings(settings.log_dir).values())[:2] == sorted([REQUEST, RESPONSE])


async def test_halves_may_come_at_the_same_time_and_byte_by_byte(
    client: aiohttp.ClientSession, settings: IngestSettings
) -> None:
    async def bytewise(data: bytes) -> AsyncIterator[bytes]:
        for place in range(len(data)):
            yield data[place : place + 1]

    async def send(side: str, data: bytes) -> int:
        async with client.put(f"/{ID}/{side}", data=bytewise(data)) as reply:
            return reply.status

    assert set(await asyncio.gather(send("request", REQUEST), send("response", RESPONSE))) == {201}
    assert described_as(settings.log_dir, ID)["completed"] is True


async def test_the_second_half_may_come_after_a_restart(settings: IngestSettings) -> None:
    for side, data in (("response", RESPONSE), ("request", REQUEST)):
        async with (
            IngestServer(settings) as server,
            aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client,
        ):
            assert (await put(client, side, data))[0] == 201
    assert described_as(settings.log_dir, ID)["completed"] is True
    assert len(recordings(settings.log_dir)) == 3


async def test_a_half_comes_once_even_after_a_restart(settings: IngestSettings) -> None:
    for status in (201, 409):
        async with (
            IngestServer(settings) as server,
            aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client,
        ):
            text = "stored\n" if status == 201 else f"the request of {ID} is here already\n"
            assert await put(client, "request", REQUEST) == (status, text)
    assert REQUEST in recordings(settings.log_dir).values()


async def test_a_half_cut_by_its_client_is_kept_and_never_complete(
    server: IngestServer, client: aiohttp.ClientSession, settings: IngestSettings
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"PUT /{ID}/response HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n".encode() + RESPONSE)
    await writer.drain()
    await on_disk(settings.log_dir, RESPONSE)
    writer.close()
    await writer.wait_closed()
    error = {
        "name": "client_disconnect",
        "phase": "response_body",
        "by": "client",
        "detail": "the connection that sent the response ended before it was whole",
    }
    async with asyncio.timeout(5):
        while described_as(settings.log_dir, ID)["error"] != error:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the server answers nobody here: the file is all there is to see
    assert (await put(client, "request", REQUEST))[0] == 201
    facts = described_as(settings.log_dir, ID)
    assert (facts["completed"], facts["error"]) == (False, error)


async def on_disk(folder: Path, data: bytes) -> None:
    async with asyncio.timeout(5):
        while data not in recordings(folder).values():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # nothing but the file tells


async def test_secrets_never_touch_the_disk(client: aiohttp.ClientSession, settings: IngestSettings) -> None:
    secret = b"sk-very-secret"
    head = b"GET /v1?key=" + secret + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + b"\r\n\r\n"
    await put(client, "request", head)
    await put(client, "response", b"HTTP/1.1 200 OK\r\nSet-Cookie: " + secret + b"\r\n\r\n")
    for path in settings.log_dir.rglob("*"):
        assert path.is_dir() or secret not in path.read_bytes(), path
    redactions = described_as(settings.log_dir, ID)["redactions"]
    assert isinstance(redactions, list)
    assert [each["where"] for each in redactions] == [
        "request.query.key",
        "request.header.authorization",
        "response.header.set-cookie",
    ]


async def test_the_url_is_the_one_that_the_head_tells_where_it_does(
    client: aiohttp.ClientSession, settings: IngestSettings
) -> None:
    await put(client, "request", b"GET /v1 HTTP/1.1\r\nHost: x\r\nX-Proxy-Path: http://localhost:5601/a/v1\r\n\r\n")
    assert described_as(settings.log_dir, ID)["url"] == "http://localhost:5601/a/v1"


async def test_bytes_that_are_no_http_are_stored_as_they_are(
    client: aiohttp.ClientSession, settings: IngestSettings
) -> None:
    assert (await put(client, "request", b"no HTTP"))[0] == 201
    assert (await put(client, "response", b""))[0] == 201
    facts = described_as(settings.log_dir, ID)
    assert (facts["method"], facts["url"], facts["completed"]) == ("no", "HTTP", True)
    assert b"no HTTP" in recordings(settings.log_dir).values()


async def test_a_head_without_an_end_is_refused_and_may_be_sent_again(
    client: aiohttp.ClientSession, settings: IngestSettings
) -> None:
    text = "the request has no end of its head within 262144 bytes\n"
    assert await put(client, "request", bytes(300_000)) == (400, text)
    assert await put(client, "request", REQUEST) == (201, "stored\n")
    assert REQUEST in recordings(settings.log_dir).values()


def fill_the_disk_behind(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, what the door does there is followed, in the same batch, by a disk that is full."""
    do, settle = getattr(Door, step), Store.settle

    def do_once(*arguments: object, **named: object) -> object:
        monkeypatch.setattr(Door, step, do)
        monkeypatch.setattr(Store, "settle", fail_once)
        return do(*arguments, **named)

    def fail_once(_: Store, **_named: bool) -> None:
        monkeypatch.setattr(Store, "settle", settle)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Door, step, do_once)


FULL = (503, "the recording cannot be written: No space left on device\n")


async def test_a_half_that_could_not_begin_may_be_sent_again(
    client: aiohttp.ClientSession, settings: IngestSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk_behind("begin", monkeypatch)
    assert await put(client, "request", REQUEST) == FULL
    assert await put(client, "request", REQUEST) == (201, "stored\n")
    assert REQUEST in recordings(settings.log_dir).values()


async def test_a_half_that_is_kept_stays_so_where_the_rest_of_its_batch_fails(
    client: aiohttp.ClientSession, settings: IngestSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk_behind("end", monkeypatch)
    assert await put(client, "request", REQUEST) == FULL
    assert described_as(settings.log_dir, ID)["request"]["bytes"] == len(REQUEST)  # type: ignore[index]
    assert await put(client, "request", REQUEST) == (409, f"the request of {ID} is here already\n")


class Halves:
    """A door without the server around it."""

    def __init__(self, folder: Path) -> None:
        store = Store(IngestSettings(log_dir=folder))
        self.door = Door(store.files, store.tally, None)

    def begin(self, side: SideName) -> Incoming:
        incoming = Incoming(side)
        self.door.begin(incoming, ID, Caller("127.0.0.1:50123", 1_789_265_469_123_456_789))
        return incoming


def test_what_the_metadata_names_is_not_dropped_where_the_sidecar_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    halves = Halves(tmp_path)
    incoming = halves.begin("response")
    halves.door.add(incoming, RESPONSE)
    with monkeypatch.context() as full:
        full.setattr(files, "append", fail)
        with pytest.raises(OSError, match="No space left on device"):
            halves.door.end(incoming, whole=True)
    halves.door.drop(incoming)
    assert described_as(tmp_path, ID)["response"]["bytes"] == len(RESPONSE)  # type: ignore[index]
    halves.begin("response")


def test_dropping_a_half_that_is_kept_or_never_began_lets_no_other_be_sent_twice(tmp_path: Path) -> None:
    halves = Halves(tmp_path)
    kept = halves.begin("request")
    halves.door.end(kept, whole=True)
    halves.begin("response")
    for incoming in (kept, Incoming("response")):
        halves.door.drop(incoming)
        with pytest.raises(HalfTakenError):
            halves.begin("response")


async def test_only_a_uuid_names_an_exchange(client: aiohttp.ClientSession) -> None:
    assert await put(client, "request", REQUEST, "..%2f..%2fetc") == (400, "the id is a UUID, not '../../etc'\n")
    async with client.post(f"/{ID}/request", data=REQUEST) as reply:
        assert (reply.status, reply.headers["Allow"]) == (405, "PUT")
        assert await reply.text() == "POST is not possible here, but PUT\n"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_can_use_it(server: IngestServer, settings: IngestSettings, tmp_path: Path) -> None:
    large = RESPONSE + os.urandom(5_000_000)
    for side, data in (("request", REQUEST), ("response", large)):
        (tmp_path / side).write_bytes(data)
        url = f"http://localhost:{server.port}/{ID}/{side}"
        command = ["curl", "-sS", "-o", "-", "-w", "%{http_code}", "-T", str(tmp_path / side), url]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
        assert (done.stdout, done.stderr) == (b"stored\n201", b"")
    assert described_as(settings.log_dir, ID)["completed"] is True
    assert large in recordings(settings.log_dir).values()
