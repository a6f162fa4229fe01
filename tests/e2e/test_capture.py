"""What was taken in reaches its files, whoever is away, killed or full in between; else it is counted."""

import asyncio
import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest_server.settings import IngestSettings
from recorder.capture.journal import JournalLockedError
from recorder.settings import Capture, Console, RecorderSettings
from tests.e2e.conftest import TIMEOUTS, Flight, to
from tests.e2e.recorded import load
from tests.e2e.scripted import Peer, ScriptedUpstream, answers, connect, ok, until
from tests.e2e.service import Service

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = bytes(range(256)) * 128  # 32 KiB


def get(path: str) -> bytes:
    return f"GET /lm/{path} HTTP/1.1\r\nHost: recorder.test\r\n\r\n".encode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def ended(log_dir: Path) -> list[dict[str, Any]]:
    """Metadata of the exchanges that have ended."""
    texts = [path.read_text() for path in log_dir.glob("*_metadata.json")]
    found = [json.loads(text) for text in texts if text.endswith("}")]  # the others are being written
    return [each for each in found if each["completed"] or each["error"]]


async def health(port: int) -> dict[str, Any]:
    client = await connect(port)
    await client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = await client.read_message()
    await client.leave()
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2]))


@pytest.mark.parametrize("provider", ["openrouter", None])
async def test_the_metadata_tell_the_provider_that_the_route_names(flight: Flight, provider: str | None) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port, provider=provider))
        await flight.send(get("x"))
        (record,) = await flight.land()
    assert record.metadata["provider"] == provider


async def test_what_passes_while_the_ingest_server_is_away_arrives_once_it_is_back(flight: Flight) -> None:
    flight.ingest_port = free_port()
    async with ScriptedUpstream(answers(ok(BODY))) as upstream:
        await flight.start_recorder(to(upstream.port))
        for number in range(20):
            answer, client = await flight.send(get(str(number)))
            assert answer == ok(BODY)
            await client.leave()
        await flight.start_ingest()
        await until(lambda: len(ended(flight.log_dir)) == 20, "all of it arrives")
        records = await flight.land()
    assert [record.metadata["upstream_url"].rpartition("/")[2] for record in records] == [*map(str, range(20))]
    assert all(record.response == ok(BODY) and record.metadata["completed"] for record in records)


async def test_what_a_stopped_recorder_could_not_ship_is_shipped_by_the_next(flight: Flight) -> None:
    flight.ingest_port = free_port()
    async with ScriptedUpstream(answers(ok())) as upstream:
        for path in ("first", "second"):
            await flight.start_recorder(to(upstream.port))
            await flight.send(get(path))
            await flight.stop_recorder()
        await flight.start_recorder(to(upstream.port))
        await flight.start_ingest()
        await until(lambda: len(ended(flight.log_dir)) == 2, "both arrive")
        records = await flight.land()
    assert [record.metadata["completed"] for record in records] == [True, True]
    assert [path.name for path in flight.journal_dir.iterdir() if path.is_dir()] == []


async def test_a_killed_ingest_server_loses_and_doubles_nothing(flight: Flight) -> None:
    """Ten streams run while it is killed -9 and started again, three times."""
    flight.ingest_port = free_port()
    settings = IngestSettings("127.0.0.1", flight.ingest_port, flight.log_dir, key_dir=flight.journal_dir)
    async with ScriptedUpstream() as upstream:
        await flight.start_recorder(to(upstream.port))
        streams = [await stream(flight, flight.port, upstream, str(number)) for number in range(10)]
        for turn in range(3):
            async with Service(settings) as ingest:
                await step_all(streams, b"turn %d " % turn * 500)
                await until(lambda: len(list(flight.log_dir.glob("*_response.bin"))) == 10, "files are begun")
                await step_all(streams, b"before the kill " * 500)
                await ingest.kill()
            await step_all(streams, b"while it is away " * 500)
        for client, far in streams:
            await far.send(b"0\r\n\r\n")
            await client.read_until(b"0\r\n\r\n")
        async with Service(settings):
            await until(lambda: len(ended(flight.log_dir)) == 10, "all arrive")
            await flight.stop_recorder()
    records = load(flight.log_dir)
    assert len(records) == 10
    for record, (client, _) in zip(records, streams, strict=True):
        assert record.metadata["completed"] is True
        assert record.response == client.received


async def stream(flight: Flight, port: int, upstream: ScriptedUpstream, path: str) -> tuple[Peer, Peer]:
    """A client and its upstream, in the midst of a response."""
    client = await flight.connect(port)
    far = await upstream.accept_request(client, get(path))
    await far.send(CHUNKED)
    await client.read_exactly(len(CHUNKED))
    return client, far


async def step_all(streams: list[tuple[Peer, Peer]], data: bytes) -> None:
    piece = b"%x\r\n%b\r\n" % (len(data), data)
    for client, far in streams:
        await far.send(piece)
        await client.read_exactly(len(piece))


@pytest.mark.parametrize("durability", ["batched", "write_ahead"])
async def test_a_killed_recorder_leaves_what_its_durability_promises(flight: Flight, durability: str) -> None:
    """In-flight exchanges end as recorder_crash; `write_ahead` has every byte that the client got."""
    await flight.start_ingest()
    async with ScriptedUpstream() as upstream:
        settings = recorder_settings(flight, upstream.port, durability=durability)
        async with Service(settings) as recorder:
            client, far = await stream(flight, recorder.port, upstream, "cut")
            done, done_far = await stream(flight, recorder.port, upstream, "done")
            await done_far.send(b"0\r\n\r\n")
            await done.read_until(b"0\r\n\r\n")
            await until(lambda: len(ended(flight.log_dir)) == 1, "one has its files")
            for number in range(50):
                await step_all([(client, far)], b"event %d" % number)
            await recorder.kill()
            await client.wait_closed()
        async with Service(settings):
            await until(lambda: len(ended(flight.log_dir)) == 2, "the next start closes it")
        records = await flight.land()
    assert records[1].metadata["completed"] is True
    assert records[0].error == ("recorder_crash", "capture", "recorder")
    assert bytes(client.received).startswith(records[0].response)
    if durability == "write_ahead":
        assert records[0].response == client.received


def recorder_settings(flight: Flight, upstream_port: int, **capture: Any) -> RecorderSettings:
    settings = Capture(server_url=f"http://127.0.0.1:{flight.ingest_port}", journal_dir=flight.journal_dir)
    return RecorderSettings(
        host="127.0.0.1",
        port=0,
        routes=(to(upstream_port),),
        console=Console(enabled=False),
        capture=replace(settings, **capture),
        grace_s=5,
    )


async def test_what_a_full_journal_dropped_is_counted_once_there_is_room_without_another_exchange(
    flight: Flight,
) -> None:
    flight.ingest_port = free_port()
    async with ScriptedUpstream(answers(ok(BODY))) as upstream:
        await flight.start_recorder(to(upstream.port), capture=Capture(journal_bytes_max=10_000))
        for path in ("first", "second"):
            await flight.send(get(path))
            await flight.wait_until_written()
        await flight.start_ingest()
        gaps = flight.log_dir / "gaps.ndjson"
        await until(lambda: gaps.exists() and gaps.read_text().endswith("\n"), "the gap record is stored")
        (gap,) = map(json.loads, gaps.read_text().splitlines())
        assert (gap["first_number"], gap["last_number"], gap["exchanges"]) == (2, 2, 1)
        await flight.land()


async def test_a_full_journal_drops_and_counts_what_it_drops(flight: Flight) -> None:
    """Every exchange is recorded, or recorded as gapped, or counted in a gap; clients notice nothing."""
    flight.ingest_port = free_port()
    async with ScriptedUpstream(answers(ok(BODY))) as upstream:
        await flight.start_recorder(to(upstream.port), capture=Capture(journal_bytes_max=100_000))
        for number in range(20):
            answer, _ = await flight.send(get(str(number)))
            assert answer == ok(BODY)
            await flight.wait_until_written()
        lost = (await health(flight.port))["lost"]
        assert 10 < lost < 20
        await flight.start_ingest()
        await flight.wait_until_shipped()
        answer, _ = await flight.send(get("after"))
        assert answer == ok(BODY)
        records = await flight.land()
    whole = [record for record in records if record.metadata["completed"]]
    gapped = [record for record in records if record.error == ("capture_gap", "capture", "recorder")]
    gaps = [json.loads(line) for line in (flight.log_dir / "gaps.ndjson").read_text().splitlines()]
    assert len(whole) + len(gapped) == len(records)
    assert len(records) + sum(gap["exchanges"] for gap in gaps) == 21
    assert len(gapped) + sum(gap["exchanges"] for gap in gaps) == lost
    assert all(record.response == ok(BODY) for record in whole)
    assert whole[-1].metadata["upstream_url"].endswith("/after")


async def test_a_full_journal_pauses_clients_where_it_blocks_and_loses_nothing(flight: Flight) -> None:
    flight.ingest_port = free_port()
    async with ScriptedUpstream(answers(ok(BODY))) as upstream:
        capture = Capture(journal_bytes_max=100_000, when_full="block")
        await flight.start_recorder(to(upstream.port), capture=capture)
        done: list[int] = []

        async def ask_again_and_again() -> None:
            for number in range(20):
                answer, _ = await flight.send(get(str(number)))
                assert answer == ok(BODY)
                done.append(number)
                await flight.wait_until_written()

        asking = asyncio.gather(ask_again_and_again())
        await until(lambda: flight.paused_clients > 0, "a client is paused")
        seen = sum(len(peer.received) for peer in upstream.peers)
        newcomer = await flight.connect()
        await newcomer.send(get("small"))
        await until(lambda: flight.paused_clients > 1, "so is one that comes now, with a small request")
        assert sum(len(peer.received) for peer in upstream.peers) == seen
        assert len(done) < 10
        await flight.start_ingest()
        await asking
        assert await newcomer.read_message() == ok(BODY)
        records = await flight.land()
    assert len(records) == 21
    assert all(record.metadata["completed"] and record.response == ok(BODY) for record in records)
    assert not (flight.log_dir / "gaps.ndjson").exists()


async def test_the_time_for_which_a_full_journal_holds_a_stream_up_is_not_its_upstreams(flight: Flight) -> None:
    """Longer than `idle_s`: then it goes on, whole."""
    flight.ingest_port = free_port()
    async with ScriptedUpstream() as upstream:
        route = to(upstream.port, timeouts=replace(TIMEOUTS, idle_s=1.0))
        await flight.start_recorder(route, capture=Capture(journal_bytes_max=100_000, when_full="block"))
        client = await flight.connect()
        await client.send(get("stream"))
        peer = await upstream.accept()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200008\r\n\r\n" + bytes(200_000))
        await flight.wait_until_written()
        await peer.send(b"more")
        await until(lambda: flight.is_held_by_the_journal, "the upstream is not read")
        held_at_s = time.monotonic()
        peer.writer.write(b"last")
        await until(lambda: time.monotonic() > held_at_s + 2.5, "idle_s passes")
        await flight.start_ingest()
        assert (await client.read_message()).endswith(b"last")
        (record,) = await flight.land()
    assert record.metadata["completed"]


async def test_pipelined_requests_wait_as_well_where_a_full_journal_blocks(flight: Flight) -> None:
    """Those that came in one read with the request that filled it: none starts before there is room, none is lost."""
    flight.ingest_port = free_port()
    async with ScriptedUpstream(answers(ok(BODY))) as upstream:
        capture = Capture(journal_bytes_max=400_000, when_full="block")
        await flight.start_recorder(to(upstream.port), capture=capture)
        client = await flight.connect()
        await client.send(b"".join(get(str(number)) for number in range(60)))
        await until(lambda: flight.paused_clients > 0, "the client is paused")
        await flight.wait_until_written()
        assert sum(peer.received.count(b"GET ") for peer in upstream.peers) < 30
        await flight.start_ingest()
        for _ in range(60):
            assert await client.read_message() == ok(BODY)
        records = await flight.land()
    assert [record.metadata["url"].rpartition("/")[2] for record in records] == [*map(str, range(60))]
    assert all(record.metadata["completed"] for record in records)


@pytest.mark.parametrize("on_failure", ["fail_open", "fail_closed"])
async def test_a_disk_that_takes_nothing_fails_requests_only_where_that_is_asked_for(
    flight: Flight, on_failure: str
) -> None:
    """No file can grow beyond 100 kB; then there is room again, and what waited in memory is recorded."""
    flight.ingest_port = free_port()
    async with ScriptedUpstream(answers(ok(BODY))) as upstream:
        settings = recorder_settings(flight, upstream.port, on_failure=on_failure)
        async with Service(settings, file_bytes_max=100_000) as recorder:
            client = await flight.connect(recorder.port)
            got: list[bytes] = []
            while (await health(recorder.port))["problem"] != "[Errno 27] File too large" or len(got) < 10:
                await client.send(get(str(len(got))))
                got.append(await client.read_message())
            await client.send(get("last"))
            last = await client.read_message()
            if on_failure == "fail_open":
                assert last == ok(BODY)
                assert set(got) == {ok(BODY)}
            else:
                assert last.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
                assert last.endswith(
                    b"\r\n\r\nthe recorder cannot record at the moment and is set to refuse then (capture.on_failure)\n"
                )
            recorder.lift_limit()
            await flight.start_ingest()
            await until(lambda: len(ended(flight.log_dir)) == len(got) + 1, "all is recorded")
            await client.send(get("after"))
            assert await client.read_message() == ok(BODY)
            await client.leave()
        records = await flight.land()
    assert [record.response for record in records] == [*got, last, ok(BODY)]


async def test_a_journal_folder_belongs_to_one_recorder(flight: Flight) -> None:
    await flight.start()
    with pytest.raises(JournalLockedError) as refused:
        await flight.start_second_recorder()
    assert str(refused.value) == (
        f"{flight.journal_dir} is in use by another recorder: stop that one, or set another capture.journal_dir"
    )
