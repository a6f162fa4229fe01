"""The loss ledger end to end: whatever is killed or full, recorded and dropped make up what the client counted."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from ingest_server.settings import IngestSettings
from recorder.settings import Capture
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import PATIENCE_S, ScriptedUpstream, answers, ok, until
from tests.e2e.service import Service
from tests.e2e.test_capture import BODY, free_port, get, recorder_settings, step_all, stream


async def asked(port: int, path: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as reply:
        return reply.status, await (reply.json() if path != "/metrics" else reply.text())


async def answer_when(port: int, path: str, condition: Callable[[Any], bool]) -> tuple[int, Any]:
    """Ask until the answer is so."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status, found = await asked(port, path)
        if condition(found):
            return status, found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)


async def ledger_when(port: int, condition: Callable[[Any], bool]) -> Any:
    _, found = await answer_when(port, "/v1/ledger", lambda found: condition(found["totals"]))
    return found


def part_of(health: Any, name: str) -> dict[str, Any]:
    return next(part for part in health["parts"] if part["name"] == name)


def begun(totals: dict[str, Any]) -> int:
    dropped = sum(each["exchanges"] for each in totals["dropped"].values())
    return int(totals["complete"] + totals["incomplete"] + totals["open"] + dropped)


async def test_the_ledger_adds_up_after_the_ingest_server_was_killed(flight: Flight) -> None:
    """Three times, with streams running, and exchanges that end while it is away."""
    flight.ingest_port = free_port()
    settings = IngestSettings("127.0.0.1", flight.ingest_port, flight.log_dir, key_dir=flight.journal_dir)
    async with ScriptedUpstream() as upstream:
        await flight.start_recorder(to(upstream.port))
        streams = [await stream(flight, flight.port, upstream, str(number)) for number in range(9)]
        for turn in range(3):
            async with Service(settings) as ingest:
                await step_all(streams, b"turn %d " % turn * 500)
                await until(lambda: len(list(flight.log_dir.glob("*_response.bin"))) == 9, "files are begun")
                await ingest.kill()
            await step_all(streams, b"while it is away " * 500)
            client, far = streams.pop()
            await far.send(b"0\r\n\r\n")
            await client.read_until(b"0\r\n\r\n")
        async with Service(settings):
            found = await ledger_when(flight.ingest_port, lambda totals: totals["complete"] == 3)
            assert (begun(found["totals"]), found["totals"]["open"], found["totals"]["unexplained"]) == (9, 6, 0)
            await flight.stop_recorder(0)
            found = await ledger_when(flight.ingest_port, lambda totals: totals["open"] == 0)
        (recorder,) = found["recorders"]
        assert (recorder["state"], recorder["complete"], recorder["incomplete"]) == ("stopped", 3, 6)
        assert (recorder["unexplained"], recorder["dropped"], recorder["waiting_bytes"]) == (0, {}, 0)
        async with Service(settings):
            _, again = await asked(flight.ingest_port, "/v1/ledger")
    assert again["totals"] == found["totals"]


async def test_what_a_full_journal_drops_is_in_the_ledger_with_its_reason(flight: Flight) -> None:
    """The gap record comes before the next exchange; the recorder's own count comes with its first contact."""
    flight.ingest_port = free_port()
    async with ScriptedUpstream(answers(ok(BODY))) as upstream:
        settings = recorder_settings(flight, upstream.port, journal_bytes_max=100_000)
        async with Service(settings) as recorder:
            client = await flight.connect(recorder.port)
            for number in range(20):
                await client.send(get(str(number)))
                assert await client.read_message() == ok(BODY)
                await answer_when(recorder.port, "/metrics", lambda text: "\nrecorder_queue_bytes 0.0\n" in text)
            await flight.start_ingest()
            found = await ledger_when(flight.ingest_port, lambda totals: begun(totals) == 20)
            assert list(found["totals"]["dropped"]) == ["journal_full"]
            dropped = found["totals"]["dropped"]["journal_full"]
            assert dropped["exchanges"] > 10
            assert found["totals"]["unexplained"] == 0
            assert found["is_fine"] is False
            text = str((await asked(recorder.port, "/metrics"))[1])
            assert f'recorder_dropped_exchanges{{reason="journal_full"}} {dropped["exchanges"]}.0' in text
            text = str((await asked(flight.ingest_port, "/metrics"))[1])
            name = found["recorders"][0]["name"]
            labels = f'reason="journal_full",recorder="{name}"'
            assert f"recorder_ledger_dropped_exchanges{{{labels}}} {dropped['exchanges']}.0" in text
            await client.send(get("after"))
            assert await client.read_message() == ok(BODY)
        records = await flight.land()
    gaps = [json.loads(line) for line in (flight.log_dir / "gaps.ndjson").read_text().splitlines()]
    assert {gap["reason"] for gap in gaps} == {"journal_full"}
    assert len(records) + sum(gap["exchanges"] for gap in gaps) == 21


async def test_a_recorder_with_nothing_to_send_is_heard_of(flight: Flight) -> None:
    await flight.start(to(1))
    _, found = await answer_when(flight.ingest_port, "/v1/ledger", lambda found: bool(found["recorders"]))
    (recorder,) = found["recorders"]
    assert (recorder["state"], recorder["problems"], recorder["in_flight"]) == ("running", [], 0)
    assert recorder["name"].endswith(f":{flight.port}")


async def test_health_in_detail_names_each_part_of_both_services(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port), to(1, "dead"))
        await flight.send(get("x"))
        answer, _ = await flight.send(b"GET /dead/x?key=sk-secret HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 502 ")
        path = "/health/detailed"
        status, found = await answer_when(flight.port, path, lambda found: part_of(found, "link")["status"] == "ok")
    parts = {part["name"]: part for part in found["parts"]}
    assert list(parts) == ["journal", "queue", "link", "disk", "upstream dead"]
    assert parts["upstream dead"]["status"] == "degraded"
    refused = "upstream_refused: 127.0.0.1:1 refused the connection: is the server running?"
    assert parts["upstream dead"]["text"].endswith(refused)
    assert "sk-secret" not in str(found)
    assert (status, found["status"], found["service"]) == (200, "degraded", "recorder")
    _, found = await asked(flight.ingest_port, "/health/detailed")
    assert [part["name"] for part in found["parts"][:3]] == ["writer", "writes", "disk"]
    assert found["parts"][3]["name"].startswith("recorder ")


async def test_health_in_detail_says_what_fails(flight: Flight) -> None:
    """The ingest server is away and the journal is full: recordings are being dropped, which is 503."""
    flight.ingest_port = free_port()
    async with ScriptedUpstream(answers(ok(BODY))) as upstream:
        await flight.start_recorder(to(upstream.port), capture=Capture(journal_bytes_max=10_000))
        await flight.send(get("x"))
        await flight.wait_until_written()
        await flight.send(get("y"))
        status, found = await answer_when(
            flight.port, "/health/detailed", lambda found: "Refused" in part_of(found, "link")["text"]
        )
        assert (status, found["status"]) == (503, "failing")
        assert part_of(found, "queue")["text"].endswith("; recordings are dropped: journal_full")
        assert part_of(found, "link")["status"] == "degraded"
        assert (await asked(flight.port, "/health"))[0] == 200
        await flight.start_ingest()
        await flight.wait_until_shipped()
