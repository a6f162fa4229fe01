"""The indexer in its own process: whatever happens to it, recordings are whole and the index comes up to them."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from ingest_server import indexer as indexer_module
from ingest_server import sweeper
from ingest_server.index import attempts
from ingest_server.index.orders import Reindex
from ingest_server.index.reading import SPENT
from ingest_server.index.schema import index_path
from ingest_server.indexer import Indexer
from ingest_server.server import IngestServer
from ingest_server.settings import IndexSettings, IngestSettings, Retention
from replay.verify import verify
from tests.e2e.indexed import PATIENCE_S, Link, chat, check, rows, until_indexed
from tests.e2e.scripted import until
from tests.e2e.service import Service


@pytest.fixture
def settings(tmp_path: Path) -> IngestSettings:
    return IngestSettings(host="127.0.0.1", port=0, log_dir=tmp_path / "logs", key_dir=tmp_path / "key")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer_module, "RESTART_FIRST_S", 0.05)


@asynccontextmanager
async def running(settings: IngestSettings) -> AsyncIterator[tuple[IngestServer, Indexer, Link]]:
    async with IngestServer(settings) as server:
        assert server._indexer is not None
        yield server, server._indexer, Link(server.port)


def pid_of(indexer: Indexer) -> int | None:
    """Of a child that is at work."""
    return indexer._child.pid if indexer._child is not None and indexer._is_ready else None


async def kill(indexer: Indexer) -> None:
    """In the middle of its work, but not before it has written anything: then its first exchange would be to blame."""
    await until(lambda: pid_of(indexer) is not None and indexer.status.problem is None, "the indexer writes")
    pid = pid_of(indexer)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: pid_of(indexer) != pid, "its end is noticed")


async def test_an_exchange_is_in_the_index_soon_after_it_has_ended(settings: IngestSettings) -> None:
    async with running(settings) as (_, indexer, link):
        await link.send_many(range(1, 4))
        await until_indexed(settings.log_dir, 3)
        await until(lambda: indexer.status.state == "ready" and indexer.status.indexed == 3, "it says so")
        assert indexer.status.waiting == 0
    check(settings.log_dir, 3)
    assert index_path(settings.log_dir).stat().st_mode & 0o777 == 0o600


async def test_who_watches_is_told_of_each_call_and_metrics_and_health_count_it(settings: IngestSettings) -> None:
    url = "http://127.0.0.1:{}"
    async with running(settings) as (_, _, link), aiohttp.ClientSession(url.format(link.port)) as client:
        async with client.get("/v1/live") as live:
            assert await live.content.readline() == b": listening\n"
            await link.send(chat(1))
            while await live.content.readline() != b"event: call\n":
                pass
            told = json.loads((await live.content.readline()).removeprefix(b"data: "))
        async with client.get(f"/v1/exchanges/{told['id']}") as reply:
            assert (await reply.json())["call"]["model"] == told["call"]["model"] == "gpt-4o"
        assert (told["call"]["preview"], told["status"], told["completed"]) == ("question 1", 200, True)
        async with client.get("/metrics") as reply:
            text = await reply.text()
        async with client.get("/health/detailed") as reply:
            (part,) = [part for part in (await reply.json())["parts"] if part["name"] == "index"]
    assert 'llm_proxy_requests_total{model="gpt-4o",provider="openai",status="200"} 1.0' in text
    assert 'llm_proxy_tokens_total{model="gpt-4o",provider="openai",type="total"} 7.0' in text
    assert (part["status"], part["text"].partition(", ")[2]) == ("ok", "0 exchanges wait")


OBSERVER = """
import logging

class Watching:
    def on_end(self, call):
        print("printed")
        logging.warning("logged")
        raise ValueError(call.call.input[0].text)
"""


async def test_what_an_observer_prints_and_logs_goes_to_stderr_and_why_it_is_detached_is_said_once(
    settings: IngestSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "watching.py").write_text(OBSERVER)
    monkeypatch.syspath_prepend(tmp_path)
    async with running(replace(settings, index=IndexSettings(observers=("watching:Watching",)))) as (_, _, link):
        await link.send_many(range(1, 3))
        await until_indexed(settings.log_dir, 2)
        await until(lambda: "called no more" in caplog.text, "the server is told")
    (line,) = [each.getMessage() for each in caplog.records if each.name == "ingest_server.indexer"]
    assert line.startswith("the observer watching:Watching raised ValueError at exchange ")
    said = capfd.readouterr()
    assert (said.out, sorted(said.err.splitlines())) == ("", ["WARNING:root:logged", "printed"])


async def test_reindexing_goes_on_where_the_indexer_is_killed_in_it(settings: IngestSettings) -> None:
    async with running(settings) as (_, indexer, link):
        await link.send_many(range(1, 301))
        await until_indexed(settings.log_dir, 300)
        indexer.reindex(Reindex(None, decoder_changed=False))
        indexer.reindex(Reindex(0, decoder_changed=False))
        await kill(indexer)
        assert indexer.status.state != "ready"
        await until_ready(indexer)
    check(settings.log_dir, 300)


async def until_ready(indexer: Indexer) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while indexer.status.state != "ready":
        assert time.monotonic() < deadline, indexer.status
        await asyncio.sleep(0.02)


async def test_an_indexer_that_is_killed_again_and_again_leaves_nothing_out(
    settings: IngestSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """Also in the middle of batches: what it had not answered is told to the next one."""
    async with running(settings) as (_, indexer, link):
        for batch in range(6):
            await link.send_many(range(1 + batch * 100, 101 + batch * 100))
            await kill(indexer)
        await until_indexed(settings.log_dir, 600)
        assert indexer.figures._totals["openai", "gpt-4o"].requests["200"] >= 500
    check(settings.log_dir, 600)
    text = "the indexer ended with -9; it is started again, and nothing is lost"
    assert caplog.messages.count(text) == 6


async def test_a_server_that_is_killed_leaves_the_rest_to_its_next_start(settings: IngestSettings) -> None:
    async with Service(settings) as service:
        link = Link(service.port)
        await link.send_many(range(1, 301))
        await service.kill()
    async with running(settings):
        await until_indexed(settings.log_dir, 300)
    check(settings.log_dir, 300)


async def test_what_finds_no_room_in_the_queue_is_found_in_the_files(
    settings: IngestSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer_module, "WAITING_MAX", 5)
    monkeypatch.setattr(indexer_module, "SENT_MAX", 3)
    async with running(settings) as (_, indexer, link):
        await until(lambda: indexer.status.state == "ready", "it has caught up with nothing")
        for batch in range(4):
            await link.send_many(range(1 + batch * 50, 51 + batch * 50))
            assert indexer.status.waiting <= 8
        await until_indexed(settings.log_dir, 200)
    check(settings.log_dir, 200)


_STUCK = """
import re
from ingest_server.index import attempts
from traffic.llm.dialects.openai_chat import OpenAIChat

attempts.EXCHANGE_S = 0.5

class Stuck(OpenAIChat):
    name = "acme.stuck"

    def matches(self, request):
        return request.path == "/v1/stuck"

    def asked(self, request):
        re.match("(a|a)*b", "a" * 64)
"""


@pytest.fixture
def stuck_dialect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As an installed package registers it."""
    folder = tmp_path / "site"
    (folder / "acme-1.0.dist-info").mkdir(parents=True)
    (folder / "acme-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (folder / "acme-1.0.dist-info" / "entry_points.txt").write_text(
        "[llm_flight_recorder.dialects]\nstuck = acme_stuck:Stuck\n"
    )
    (folder / "acme_stuck.py").write_text(_STUCK)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(attempts, "EXCHANGE_S", 0.5)  # put back afterwards: this process may load the dialect, too
    yield
    sys.modules.pop("acme_stuck", None)


@pytest.mark.usefixtures("stuck_dialect")
async def test_an_exchange_that_hangs_the_indexer_twice_is_passed_over_and_the_rest_goes_on(
    settings: IngestSettings,
) -> None:
    async with running(settings) as (_, indexer, link):
        await link.send(chat(1), chat(2, "/v1/stuck"), chat(3))
        await until_indexed(settings.log_dir, 3)
        await link.send(chat(4))
        await until_indexed(settings.log_dir, 4)
        await until(lambda: indexer.status.problem is None, "all is well again")
    first, passed_over, *others = rows(settings.log_dir)
    assert (passed_over.dialect, passed_over.problems) == (None, SPENT)
    assert {(row.dialect, row.problems) for row in (first, *others)} == {("openai.chat", None)}
    assert verify(settings.log_dir).faults == ()


async def test_an_index_that_is_deleted_under_it_is_made_anew(settings: IngestSettings) -> None:
    async with running(settings) as (_, _, link):
        await link.send_many(range(1, 51))
        await until_indexed(settings.log_dir, 50)
        for path in settings.log_dir.glob(".ingest/index.sqlite*"):
            path.unlink()
        await link.send_many(range(51, 61))
        await until_indexed(settings.log_dir, 60)
    check(settings.log_dir, 60)


@pytest.mark.parametrize("is_running", [True, False])
async def test_an_index_that_is_damaged_is_made_anew(settings: IngestSettings, *, is_running: bool) -> None:
    async with running(settings) as (_, _, link):
        await link.send_many(range(1, 51))
        await until_indexed(settings.log_dir, 50)
        if is_running:
            damage(index_path(settings.log_dir))
            await until_indexed(settings.log_dir, 50)
    if not is_running:
        damage(index_path(settings.log_dir))
        async with running(settings):
            await until_indexed(settings.log_dir, 50)
    check(settings.log_dir, 50)


def damage(path: Path) -> None:
    for each in (path, path.with_name(path.name + "-wal")):
        if each.exists():
            with each.open("r+b") as file:
                file.write(b"\xff" * each.stat().st_size)


async def test_a_disk_without_room_for_the_index_costs_no_recording(settings: IngestSettings) -> None:
    """No file may grow beyond 20 kB, which is enough for recordings."""
    async with Service(settings, file_bytes_max=20_000) as service:
        link = Link(service.port)
        await link.send_many(range(1, 31))
        await until(lambda: len(list(settings.log_dir.glob("*_metadata.json"))) == 30, "they are recorded")
        assert rows(settings.log_dir) == []
        service.lift_limit()
        await until_indexed(settings.log_dir, 30)
    check(settings.log_dir, 30)


async def test_a_stop_waits_for_no_catching_up_which_the_next_start_goes_on_with(settings: IngestSettings) -> None:
    async with running(replace(settings, index=replace(settings.index, enabled=False))) as (_, _, link):
        for start in range(1, 3001, 500):
            await link.send_many(range(start, start + 500))
    assert rows(settings.log_dir) == []
    async with running(settings) as (_, indexer, _):
        await until(lambda: (indexer.status.indexed or 0) > 0, "it catches up")
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 10
    assert verify(settings.log_dir).faults == ()
    async with running(settings):
        await until_indexed(settings.log_dir, 3000)
    check(settings.log_dir, 3000)


async def test_what_retention_deletes_leaves_the_index(
    settings: IngestSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "PASS_S", 0.05)
    monkeypatch.setattr(sweeper, "REST_FACTOR", 0)
    async with running(replace(settings, retention=Retention(max_bytes=1))) as (_, _, link):
        await link.send_many(range(1, 11))
        await until_indexed(settings.log_dir, 10)
        for path in settings.log_dir.glob("*_metadata.json"):
            os.utime(path, (0, 0))  # it ended long ago
        await until_indexed(settings.log_dir, 0)


async def test_new_prices_hold_from_a_reload_on(settings: IngestSettings) -> None:
    async with running(settings) as (server, indexer, link):
        await link.send(chat(1, model="mine"))
        await until_indexed(settings.log_dir, 1)
        waiting = await server.reload(
            replace(settings, index=replace(settings.index, prices={"mine": {"input": 1.0, "output": 2.0}}))
        )
        assert waiting == ()
        await link.send(chat(2, model="mine"))
        await until_indexed(settings.log_dir, 2)
        off = replace(settings, index=replace(settings.index, enabled=False))
        await server.reload(off)
        assert indexer.status.state == "off"
        await link.send(chat(3, model="mine"))
    before, after = rows(settings.log_dir)
    assert before.cost_source == "genai-prices: openai/gpt-4o"
    assert (after.cost_usd, after.cost_source) == (9e-6, "prices: mine")
