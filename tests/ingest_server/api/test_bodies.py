"""What one exchange said: raw as stored, decoded, and event by event."""

import asyncio
import contextlib
import gzip
import os
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession

from ingest_server.api import bodies, recordings
from ingest_server.settings import IngestLimits, IngestSettings
from tests.e2e.scripted import connect, until
from tests.ingest_server.api.conftest import serving
from tests.ingest_server.api.stock import (
    ALL,
    CHAT,
    EVENTS,
    OPEN,
    PAGE,
    PLAIN,
    STREAM,
    STREAMED,
    Stocked,
    answer,
    chunked,
)
from tests.ingest_server.recorder_side import JOURNAL, whole


@pytest.mark.parametrize("exchange", ALL, ids=["chat", "streamed", "plain", "open"])
async def test_both_halves_are_given_byte_for_byte_as_they_are_stored(
    stocked: ClientSession, exchange: Stocked
) -> None:
    for side, data in (("request", exchange.request), ("response", exchange.response)):
        async with stocked.get(f"/v1/exchanges/{exchange.id}/{side}") as reply:
            assert (reply.status, await reply.read()) == (200, data)
            assert reply.headers["Content-Type"] == "application/octet-stream"
            assert reply.headers["Content-Disposition"] == f'attachment; filename="{exchange.stem}_{side}.bin"'
            assert reply.headers["Accept-Ranges"] == "bytes"
            assert reply.headers["Content-Length"] == str(len(data))


@pytest.mark.parametrize(
    ("wanted", "status", "first", "last"), [("0-9", 206, 0, 9), ("5-", 206, 5, None), ("-4", 206, -4, None)]
)
async def test_a_range_is_given_alone(
    stocked: ClientSession, wanted: str, status: int, first: int, last: int | None
) -> None:
    size = len(CHAT.response)
    part = CHAT.response[first:] if last is None else CHAT.response[first : last + 1]
    async with stocked.get(f"/v1/exchanges/{CHAT.id}/response", headers={"Range": f"bytes={wanted}"}) as reply:
        assert (reply.status, await reply.read()) == (status, part)
        start = first % size
        assert reply.headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{size}"


async def test_a_range_behind_the_end_is_refused(stocked: ClientSession) -> None:
    size = len(CHAT.response)
    async with stocked.get(f"/v1/exchanges/{CHAT.id}/response", headers={"Range": f"bytes={size}-"}) as reply:
        text = f"the range lies behind the end: there are {size} bytes\n"
        assert (reply.status, await reply.text(), reply.headers["Content-Range"]) == (416, text, f"bytes */{size}")


async def test_a_range_that_depends_on_a_version_is_passed_over(stocked: ClientSession) -> None:
    headers = {"Range": "bytes=0-1", "If-Range": '"x"'}
    async with stocked.get(f"/v1/exchanges/{CHAT.id}/response", headers=headers) as reply:
        assert (reply.status, await reply.read()) == (200, CHAT.response)


async def test_head_tells_the_size_and_sends_nothing(stocked: ClientSession) -> None:
    for query, size in (("", len(CHAT.response)), ("?decoded=1", len(CHAT.response.partition(b"\r\n\r\n")[2]))):
        async with stocked.head(f"/v1/exchanges/last~3/response{query}", headers={"Range": "bytes=0-1"}) as reply:
            assert (reply.status, await reply.read()) == (200, b"")
            assert reply.headers["Content-Length"] == str(size)


async def test_decoded_is_the_body_without_chunks_and_compression_in_a_type_that_no_browser_runs(
    stocked: ClientSession,
) -> None:
    for exchange, content, kind in (
        (CHAT, CHAT.response.partition(b"\r\n\r\n")[2], "application/json"),
        (STREAMED, STREAM, "text/event-stream"),
        (PLAIN, PAGE, "text/plain"),
    ):
        async with stocked.get(f"/v1/exchanges/{exchange.id}/response?decoded=1") as reply:
            assert (reply.status, reply.content_type, await reply.read()) == (200, kind, content)
            assert "X-Recording-Problem" not in reply.headers
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
    async with stocked.get(f"/v1/exchanges/{STREAMED.id}/response?decoded=1", headers={"Range": "bytes=6-20"}) as reply:
        assert (reply.status, await reply.read()) == (206, STREAM[6:21])


async def test_what_could_not_be_decoded_is_told_beside_the_rest(settings: IngestSettings) -> None:
    cut = Stocked(5, STREAMED.request, STREAMED.response[:-30])
    odd = Stocked(6, STREAMED.request, answer(b"abc", "Content-Encoding: \xe9\x00x"))
    async with serving(settings, cut, odd) as client:
        async with client.get(f"/v1/exchanges/{cut.id}/response?decoded=1") as reply:
            assert STREAM.startswith(await reply.read())
            problem = "the body is cut: its last chunk is missing; the gzip data is cut"
            assert reply.headers["X-Recording-Problem"] == problem
        async with client.get(f"/v1/exchanges/{odd.id}/response?decoded=1") as reply:
            assert reply.status == 200


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_BYTES_MAX", 1000)
    monkeypatch.setattr(recordings, "BODY_BYTES_MAX", 1000)


@pytest.mark.usefixtures("small")
async def test_what_is_too_large_to_be_decoded_is_told_and_can_be_had_as_stored(settings: IngestSettings) -> None:
    large = Stocked(5, CHAT.request, answer(b"x" * 1001, "Content-Type: application/json"))
    async with serving(settings, large) as client:
        size = f"the response has {len(large.response):,} bytes"
        text = f"{size}, and at most 1,000 are decoded: ask for it as it is stored\n"
        for path in ("/response?decoded=1", "/events"):
            async with client.get(f"/v1/exchanges/{large.id}{path}") as reply:
                assert (reply.status, await reply.text()) == (413, text)
        async with client.get(f"/v1/exchanges/{large.id}/response") as reply:
            assert await reply.read() == large.response


@pytest.mark.usefixtures("small")
async def test_a_small_body_that_unpacks_to_a_large_one_is_cut(settings: IngestSettings) -> None:
    bomb = Stocked(5, CHAT.request, chunked(gzip.compress(b"x" * 10**7)[:500], "Content-Encoding: gzip"))
    async with (
        serving(settings, bomb) as client,
        client.get(f"/v1/exchanges/{bomb.id}/response?decoded=1") as reply,
    ):
        assert await reply.read() == b"x" * 1000
        assert "only the first 1000 bytes were unpacked" in reply.headers["X-Recording-Problem"]


async def test_events_have_the_times_at_which_they_arrived(stocked: ClientSession) -> None:
    async with stocked.get(f"/v1/exchanges/{STREAMED.id}/events") as reply:
        found = await reply.json()
    assert (found["framing"], found["next"], found["problems"]) == ("sse", None, [])
    assert [event["data"] for event in found["events"]] == EVENTS
    times = [event["at_ms"] for event in found["events"]]
    assert times == sorted(times)
    assert all(at_ms >= 2 for at_ms in times)
    assert all(event["is_whole"] and event["event"] is None for event in found["events"])


async def test_events_come_in_pages_and_an_event_that_is_cut_is_marked(stocked: ClientSession) -> None:
    async with stocked.get(f"/v1/exchanges/{STREAMED.id}/events?limit=2") as reply:
        first = await reply.json()
    async with stocked.get(f"/v1/exchanges/{STREAMED.id}/events?limit=2&start={first['next']}") as reply:
        second = await reply.json()
    assert [event["data"] for event in first["events"] + second["events"]] == EVENTS
    assert (first["next"], second["next"]) == (2, None)
    async with stocked.get(f"/v1/exchanges/{OPEN.id}/events") as reply:
        (event,) = (await reply.json())["events"]
    assert (event["data"], event["is_whole"]) == ("1", False)


async def test_a_response_that_is_no_stream_has_no_events(stocked: ClientSession) -> None:
    async with stocked.get(f"/v1/exchanges/{CHAT.id}/events") as reply:
        assert await reply.json() == {"framing": None, "events": [], "next": None, "problems": []}


# --- what is not there


@pytest.mark.parametrize("path", ["", "/request", "/response", "/response?decoded=1", "/events"])
async def test_a_recording_that_was_deleted_meanwhile_is_told_as_such(
    stocked: ClientSession, settings: IngestSettings, path: str
) -> None:
    for file in settings.log_dir.glob(f"{CHAT.stem}*"):
        file.unlink()
    async with stocked.get(f"/v1/exchanges/{CHAT.id}{path}") as reply:
        text = "the recording is gone: ingest.retention or `recorder prune` has deleted it\n"
        assert (reply.status, await reply.text()) == (404, text)


@pytest.mark.skipif(os.name == "nt", reason="making links takes rights on Windows")
async def test_no_link_is_followed_and_nothing_but_files_is_opened(
    stocked: ClientSession, settings: IngestSettings, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    response = settings.log_dir / f"{CHAT.stem}_response.bin"
    response.unlink()
    response.symlink_to(tmp_path / "secret")
    fifo = settings.log_dir / f"{PLAIN.stem}_response.bin"
    fifo.unlink()
    os.mkfifo(fifo)
    for exchange, why in ((CHAT, "Too many levels of symbolic links"), (PLAIN, "it is no regular file")):
        for query in ("", "?decoded=1"):
            async with stocked.get(f"/v1/exchanges/{exchange.id}/response{query}") as reply:
                text = f"{exchange.stem}_response.bin cannot be read: {why}\n"
                assert (reply.status, await reply.text()) == (404, text)


async def test_damaged_metadata_is_told_as_such(stocked: ClientSession, settings: IngestSettings) -> None:
    (settings.log_dir / f"{CHAT.stem}_metadata.json").write_text("{}")
    async with stocked.get(f"/v1/exchanges/{CHAT.id}") as reply:
        text = "the recording's metadata is damaged: Object missing required field `schema`"
        assert (reply.status, await reply.text()) == (404, f"{text} (`recorder verify` tells more)\n")


# --- large bodies and listeners that leave

LARGE = Stocked(5, CHAT.request, answer(os.urandom(4 * 1024 * 1024), "Content-Type: application/octet-stream"))


async def test_a_large_body_comes_whole(settings: IngestSettings) -> None:
    async with serving(settings, LARGE) as client, client.get("/v1/exchanges/last/response") as reply:
        assert await reply.read() == LARGE.response


def open_files(folder: Path) -> list[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has been closed meanwhile
            found.append(str(link.readlink()))
    return [target for target in found if target.startswith(str(folder)) and target.endswith(".bin")]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are seen in /proc")
async def test_a_listener_that_leaves_or_takes_nothing_leaves_nothing_open(
    settings: IngestSettings,
) -> None:
    settings = replace(settings, limits=IngestLimits(idle_s=0.3))
    async with serving(settings, LARGE) as client:
        assert client._base_url is not None
        port = client._base_url.port or 0
        leaves, stays = await connect(port), await connect(port)
        for each in (leaves, stays):
            each.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport can
            await each.send(b"GET /v1/exchanges/last/response HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: len(open_files(settings.log_dir)) == 2, "both are being sent")
        leaves.reset()
        await until(lambda: open_files(settings.log_dir) == [], "the files are closed")
        await stays.leave()


async def test_listeners_that_take_nothing_of_decoded_bodies_hold_up_nobody(settings: IngestSettings) -> None:
    huge = Stocked(5, CHAT.request, answer(os.urandom(16 * 1024 * 1024), "Content-Type: application/octet-stream"))
    async with serving(settings, huge) as client:
        assert client._base_url is not None
        listeners = [await connect(client._base_url.port or 0) for _ in range(5)]
        for each in listeners:
            each.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport can
            await each.send(b"GET /v1/exchanges/last/response?decoded=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with client.get("/v1/exchanges/last") as reply:
            assert (await reply.json())["id"] == huge.id
        for each in listeners:
            each.reset()


async def test_the_link_is_served_while_large_bodies_are_sent_and_decoded(settings: IngestSettings) -> None:
    async with serving(settings, LARGE) as client:
        done = asyncio.Event()

        async def fetch() -> None:
            while not done.is_set():
                async with client.get("/v1/exchanges/last/response?decoded=1") as reply:
                    await reply.read()

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(fetch())
            offset = len(LARGE.frames)
            for number in range(10, 30):
                data = whole(number)
                async with client.put(f"/v1/journals/{JOURNAL}/{offset}", data=data) as reply:
                    assert reply.status == 200
                offset += len(data)
            done.set()
