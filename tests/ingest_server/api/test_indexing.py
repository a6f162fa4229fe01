"""How far the index is, and the order to make it anew, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession

from ingest_server.settings import IndexSettings, IngestSettings
from tests.ingest_server.api.conftest import serving
from tests.ingest_server.api.stock import ALL, ASKED, CHAT

LOOK_S = 0.05


@pytest.fixture
def no_indexer() -> None:
    """Here it is what is tested."""


@pytest.fixture
async def client(settings: IngestSettings) -> AsyncIterator[ClientSession]:
    async with serving(settings, *ALL) as client:
        yield client


async def ready(client: ClientSession) -> dict[str, Any]:
    """What /v1/index says once nothing is at work any more."""
    async with asyncio.timeout(60):
        while True:
            async with client.get("/v1/index") as reply:
                status: dict[str, Any] = await reply.json()
            if status["state"] == "ready":
                return status
            await asyncio.sleep(LOOK_S)


async def test_the_index_tells_how_far_it_is(client: ClientSession) -> None:
    expected = {"state": "ready", "indexed": 4, "waiting": 0, "done": None, "total": None, "problem": None}
    assert await ready(client) == expected


async def test_what_is_decoded_anew_has_the_prices_of_today(settings: IngestSettings) -> None:
    prices = {"gpt-4o": {"input": 1_000_000.0, "output": 2_000_000.0}}
    async with serving(replace(settings, index=IndexSettings(prices=prices)), *ALL) as client:
        await ready(client)
        async with client.get("/v1/admin/logs?limit=1&until=2026-09-13T02:11:11") as reply:
            (before,) = await reply.json()
        async with client.post("/v1/reindex?decoder_changed=1") as reply:
            assert (reply.status, (await reply.json())["state"]) == (202, "reindexing")
        await ready(client)
        async with client.get("/v1/admin/logs?limit=1&until=2026-09-13T02:11:11") as reply:
            (after,) = await reply.json()
    assert before["request_id"] == after["request_id"] == CHAT.id
    assert before["cost_micros"] != after["cost_micros"] == 18_000_000


async def test_an_index_that_was_lost_is_made_anew_from_the_files(settings: IngestSettings) -> None:
    async with serving(settings, *ALL):
        pass
    for file in (settings.log_dir / ".ingest").glob("index.sqlite*"):
        file.unlink()
    async with serving(settings) as client:
        assert (await ready(client))["indexed"] == 4
        async with client.get("/v1/exchanges?q=capital") as reply:
            found = (await reply.json())["exchanges"]
    assert {each["call"]["preview"] for each in found} == {ASKED}


async def test_a_wrong_order_is_refused(client: ClientSession) -> None:
    async with client.post("/v1/reindex?all=1") as reply:
        text = "all: no such parameter; there are since, decoder_changed\n"
        assert (reply.status, await reply.text()) == (400, text)


async def test_where_there_is_no_index_there_is_none_to_be_made_anew(settings: IngestSettings) -> None:
    async with serving(replace(settings, index=IndexSettings(enabled=False))) as client:
        async with client.get("/v1/index") as reply:
            assert (reply.status, (await reply.json())["state"]) == (200, "off")
        async with client.post("/v1/reindex") as reply:
            text = "this server keeps no index (ingest.index: false): set it to true and restart, "
            assert (reply.status, await reply.text()) == (404, f"{text}or read the files in log_dir\n")
