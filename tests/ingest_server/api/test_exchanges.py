"""Exchanges, listed and one by one."""

from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest
from aiohttp import ClientSession

from ingest_server.api.detail import CallDetail
from ingest_server.index.filters import PARAMETERS
from ingest_server.index.summary import CallSummary, ExchangeSummary
from ingest_server.server import IngestServer
from ingest_server.settings import IndexSettings, IngestSettings
from tests.ingest_server.api.conftest import serving
from tests.ingest_server.api.stock import ALL, ASKED, CHAT, OPEN, PLAIN, STREAMED, Stocked
from tests.ingest_server.recorder_side import described_as
from traffic.llm.call import LlmCall

ENDPOINTS = [
    "/v1/sessions",
    "/v1/sessions/x",
    "/v1/stats",
    "/v1/admin/logs",
    "/v1/exchanges",
    "/v1/exchanges/last",
    "/v1/exchanges/last/request",
    "/v1/exchanges/last/events",
]


async def test_the_newest_come_first_and_pages_join_without_a_gap(stocked: ClientSession) -> None:
    async with stocked.get("/v1/exchanges") as reply:
        whole = await reply.json()
    assert [each["id"] for each in whole["exchanges"]] == [each.id for each in reversed(ALL)]
    assert whole["next"] is None
    found, cursor = [], ""
    while cursor is not None:
        async with stocked.get(f"/v1/exchanges?limit=1{cursor}") as reply:
            page = await reply.json()
        found += page["exchanges"]
        cursor = page["next"] and f"&cursor={page['next']}"
    assert found == whole["exchanges"]


async def test_an_exchange_of_a_list_has_the_fields_that_are_promised(stocked: ClientSession) -> None:
    async with stocked.get("/v1/exchanges?limit=1") as reply:
        (found,) = (await reply.json())["exchanges"]
    msgspec.convert(found, ExchangeSummary)
    promised = "id started_at route key method url status completed error duration_ms session call"
    assert set(promised.split()) <= set(found)
    promised = "provider dialect operation model response_model stream finish_reason truncated usage cost_usd"
    assert {*promised.split(), "cost_source", "ttft_ms", "tokens_per_s", "preview"} <= set(found["call"])
    promised = "input_tokens output_tokens cached_input_tokens cache_write_tokens reasoning_tokens source"
    assert set(promised.split()) == set(found["call"]["usage"])


async def test_every_filter_is_taken(stocked: ClientSession) -> None:
    for parameter in PARAMETERS:
        async with stocked.get("/v1/exchanges", params={parameter.name: parameter.example}) as reply:
            assert reply.status == 200, parameter.name


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("limt=1", "limt: no such parameter; did you mean limit?"),
        ("limit=0", "limit=0: expected a whole number from 1 to 1,000"),
        ("limit=1001", "limit=1001: expected a whole number from 1 to 1,000"),
        ("limit=%D9%A3", "limit=٣: expected a whole number from 1 to 1,000"),
        ("limit=1&limit=2", "limit: given twice; expected once"),
        ("cursor=zz", "cursor=zz: expected the `next` of an earlier page"),
        ("status=huge", "status=huge: expected a status, as 404, or a class of them, as 4xx"),
    ],
)
async def test_a_wrong_parameter_is_told_what_is_expected(client: ClientSession, query: str, text: str) -> None:
    async with client.get(f"/v1/exchanges?{query}") as reply:
        assert (reply.status, await reply.text(), reply.content_type) == (400, f"{text}\n", "text/plain")


@pytest.mark.parametrize("path", ["/v1/exchanges/last", "/v1/exchanges/last/response", "/openapi.json"])
async def test_a_parameter_that_an_endpoint_does_not_know_is_refused(client: ClientSession, path: str) -> None:
    async with client.get(f"{path}?decode=1") as reply:
        hint = "did you mean decoded?" if path.endswith("response") else "there are none"
        assert (reply.status, await reply.text()) == (400, f"decode: no such parameter; {hint}\n")


async def test_one_exchange_has_its_metadata_as_stored_and_its_call_decoded_from_the_files(
    stocked: ClientSession, settings: IngestSettings
) -> None:
    async with stocked.get(f"/v1/exchanges/{CHAT.id}") as reply:
        found = await reply.json()
    assert found["metadata"] == described_as(settings.log_dir, CHAT.id)
    assert found["id"] == CHAT.id
    call = msgspec.convert(found["call"], LlmCall)
    assert (call.model, call.response_model, call.finish_reason) == ("gpt-4o", "gpt-4o-2024-08-06", "stop")
    assert [message.text for message in (*call.input, *call.output)] == [ASKED, "Paris."]
    assert (call.usage.input_tokens, call.usage.output_tokens) == (12, 3)
    summary = msgspec.convert(found["call"], CallSummary)
    assert (summary.usage.source, summary.preview) == ("reported", ASKED)


async def test_one_exchange_of_a_list_and_alone_have_the_same_fields(stocked: ClientSession) -> None:
    async with stocked.get("/v1/exchanges") as reply:
        listed = (await reply.json())["exchanges"]
    for each in listed:
        async with stocked.get(f"/v1/exchanges/{each['id']}") as reply:
            alone = await reply.json()
        del each["call"]
        assert {name: alone[name] for name in each} == each


def test_a_call_alone_has_every_field_of_a_call_and_of_its_summary() -> None:
    assert set(CallDetail.__struct_fields__) == {*LlmCall.__struct_fields__, *CallSummary.__struct_fields__}


async def test_a_call_costs_what_the_configuration_says(settings: IngestSettings) -> None:
    prices = {"gpt-4o": {"input": 1_000_000.0, "output": 2_000_000.0}}
    async with serving(replace(settings, index=IndexSettings(prices=prices)), CHAT) as client:
        found = await (await client.get("/v1/exchanges/last")).json()
    assert (found["call"]["cost_usd"], found["call"]["cost_source"]) == (18.0, "prices: gpt-4o")


async def test_what_is_no_call_and_what_still_runs_are_shown_as_well(stocked: ClientSession) -> None:
    async with stocked.get(f"/v1/exchanges/{PLAIN.id}") as reply:
        assert (await reply.json())["call"] is None
    async with stocked.get(f"/v1/exchanges/{OPEN.id}") as reply:
        found = await reply.json()
    assert (found["metadata"]["completed"], found["call"]["truncated"]) == (False, True)


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (STREAMED.id, STREAMED),
        (STREAMED.id.upper(), STREAMED),
        (STREAMED.id[:8], STREAMED),
        ("last", OPEN),
        ("last~3", CHAT),
    ],
)
async def test_an_exchange_may_be_named_in_short(stocked: ClientSession, ref: str, expected: Stocked) -> None:
    async with stocked.get(f"/v1/exchanges/{ref}/request") as reply:
        assert (reply.status, await reply.read()) == (200, expected.request)


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        ("last~9", "last~9: only 4 exchanges are recorded"),
        ("abcd", "abcd: no exchange's id begins so"),
        ("x", "x: expected an exchange's id, four or more of its first digits, last or last~2"),
        ("..%2F..%2Fetc", "../../etc: expected an exchange's id, four or more of its first digits, last or last~2"),
    ],
)
async def test_an_exchange_that_is_not_there_is_told_as_such(stocked: ClientSession, ref: str, text: str) -> None:
    async with stocked.get(f"/v1/exchanges/{ref}/request") as reply:
        assert (reply.status, await reply.text()) == (404, f"{text}\n")


# --- without an index


@pytest.fixture
async def without(settings: IngestSettings) -> AsyncIterator[ClientSession]:
    settings = replace(settings, index=IndexSettings(enabled=False))
    async with (
        IngestServer(settings) as server,
        ClientSession(f"http://127.0.0.1:{server.port}") as client,
    ):
        yield client


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_server_without_an_index_says_so(without: ClientSession, path: str) -> None:
    async with without.get(path) as reply:
        text = "this server keeps no index (ingest.index: false): set it to true and restart, "
        assert (reply.status, await reply.text()) == (404, f"{text}or read the files in log_dir\n")
