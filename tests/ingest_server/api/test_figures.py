"""Figures of many exchanges, audit records, and sessions, over HTTP; the tests of the index show what counts how."""

import asyncio
import sqlite3
import threading

import pytest
from aiohttp import ClientSession

from ingest_server.index import exchange_pages
from ingest_server.index.exchange_pages import ExchangePage
from ingest_server.settings import IngestSettings
from tests.ingest_server.api.conftest import serving
from tests.ingest_server.api.stock import ASKED, CHAT, STREAMED, Stocked, answer
from tests.ingest_server.recorder_side import JOURNAL, STARTED_NS, whole

STARTED_MS = STARTED_NS // 1_000_000


async def get(client: ClientSession, path: str) -> object:
    async with client.get(path) as reply:
        assert reply.status == 200, await reply.text()
        return await reply.json()


async def test_stats_are_by_model_where_nothing_is_said(stocked: ClientSession) -> None:
    found = await get(stocked, "/v1/stats")
    assert isinstance(found, dict)
    assert found["by"] == "model"
    assert [(row["value"], row["count"], row["calls"]) for row in found["rows"]] == [("gpt-4o", 3, 3), (None, 1, 0)]
    assert (found["total"]["input_tokens"], found["total"]["output_tokens"]) == (12, 3)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("by=day", ["2026-09-13"]),
        ("by=hour", ["2026-09-13T02:00:00Z"]),
        ("by=route", ["lmstudio"]),
        ("by=key", [None]),
        ("by=provider&model=gpt-4", []),
    ],
)
async def test_stats_are_by_what_is_asked_for_and_of_what_passes(
    stocked: ClientSession, query: str, values: list[str | None]
) -> None:
    found = await get(stocked, f"/v1/stats?{query}")
    assert isinstance(found, dict)
    assert [row["value"] for row in found["rows"]] == values


async def test_stats_by_something_else_are_refused(stocked: ClientSession) -> None:
    async with stocked.get("/v1/stats?by=colour") as reply:
        text = "by=colour: expected one of model, route, key, provider, hour, day\n"
        assert (reply.status, await reply.text()) == (400, text)


async def test_audit_records_are_of_calls_that_have_ended_newest_first(stocked: ClientSession) -> None:
    found = await get(stocked, "/v1/admin/logs")
    assert isinstance(found, list)
    assert [record["request_id"] for record in found] == [STREAMED.id, CHAT.id]
    streamed, chat = found
    assert streamed["prompt_tokens"] is streamed["completion_tokens"] is streamed["cost_micros"] is None
    expected = {
        "request_id": CHAT.id,
        "timestamp": STARTED_MS + 1000,
        "key_name": None,
        "model": "gpt-4o",
        "provider": chat["provider"],
        "prompt_tokens": 12,
        "completion_tokens": 3,
        "cost_micros": chat["cost_micros"],
        "latency_ms": 2.5,
        "status": 200,
    }
    assert chat == expected


async def test_audit_records_are_chosen_by_key_model_and_milliseconds(stocked: ClientSession) -> None:
    for query, ids in (
        ("limit=1", [STREAMED.id]),
        (f"since={STARTED_MS + 2000}", [STREAMED.id]),
        (f"until={STARTED_MS + 2000}", [CHAT.id]),
        ("model=gpt-4o-2024-08-06", [STREAMED.id, CHAT.id]),
        ("key=alice", []),
        ("model=none", []),
    ):
        found = await get(stocked, f"/v1/admin/logs?{query}")
        assert isinstance(found, list)
        assert [record["request_id"] for record in found] == ids, query
    async with stocked.get("/v1/admin/logs?route=x") as reply:
        text = "route: no such parameter; there are model, key, since, until, limit\n"
        assert (reply.status, await reply.text()) == (400, text)


async def test_a_failed_call_has_its_status_in_the_audit(settings: IngestSettings) -> None:
    refused = answer(b'{"error": {"message": "slow down"}}', "Content-Type: application/json")
    refused = refused.replace(b"200 OK", b"429 Too Many Requests")
    cut = Stocked(6, STREAMED.request, b"")
    async with serving(settings, Stocked(5, CHAT.request, refused), cut) as client:
        found = await get(client, "/v1/admin/logs")
    assert isinstance(found, list)
    assert [record["status"] for record in found] == [500, 429]


async def test_sessions_are_listed_and_shown_as_trees(stocked: ClientSession) -> None:
    found = await get(stocked, "/v1/sessions?limit=2")
    assert isinstance(found, dict)
    assert [each["preview"] for each in found["sessions"]] == [ASKED, ASKED]
    rest = await get(stocked, f"/v1/sessions?limit=2&cursor={found['next']}")
    assert isinstance(rest, dict)
    assert [each["session"] for each in rest["sessions"]] == [CHAT.id]
    tree = await get(stocked, f"/v1/sessions/{CHAT.id}")
    assert isinstance(tree, dict)
    assert [(node["depth"], node["exchange"]["id"]) for node in tree["exchanges"]] == [(0, CHAT.id)]
    async with stocked.get("/v1/sessions/nobody%2Fhere") as reply:
        assert (reply.status, await reply.text()) == (404, "nobody/here: no session's name begins so\n")


async def test_the_link_is_served_while_queries_take_long(
    stocked: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten queries that wait until a recorder's journal has been taken."""
    taken = threading.Event()

    def slow(_database: sqlite3.Connection, *_asked: object) -> ExchangePage:
        assert taken.wait(30)
        return ExchangePage([], None)

    monkeypatch.setattr(exchange_pages, "page", slow)
    journal = JOURNAL.replace("1", "9")
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(get(stocked, "/v1/exchanges")) for _ in range(10)]
        async with stocked.put(f"/v1/journals/{journal}/0", data=whole(9)) as reply:
            assert reply.status == 200
        assert not any(task.done() for task in asked)
        taken.set()
    assert all(task.result() == {"exchanges": [], "next": None} for task in asked)
