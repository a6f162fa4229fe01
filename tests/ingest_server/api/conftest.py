"""A running ingest server that has four exchanges, in its files and in its index."""

import io
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from ingest_server.index.row import KEYS_PER_US
from ingest_server.index.schema import index_path, open_index
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from tests.e2e.scripted import until
from tests.ingest_server.api.stock import ALL, Stocked
from tests.ingest_server.index.filled import put
from tests.ingest_server.index.kept import kept
from tests.ingest_server.recorder_side import JOURNAL, STARTED_NS


@pytest.fixture
async def server(settings: IngestSettings) -> AsyncIterator[IngestServer]:
    async with IngestServer(settings) as server:
        yield server


@pytest.fixture
async def stocked(client: ClientSession, settings: IngestSettings) -> ClientSession:
    await stock(client, settings, *ALL)
    return client


async def stock(client: ClientSession, settings: IngestSettings, *exchanges: Stocked) -> None:
    frames = b"".join(each.frames for each in exchanges)
    async with client.put(f"/v1/journals/{JOURNAL}/0", data=io.BytesIO(frames)) as reply:
        assert reply.status == 200
    await until(lambda: all(is_stored(settings, each) for each in exchanges), "the files are written")
    database = open_index(index_path(settings.log_dir))
    put(database, [kept(id=each.id, stem=each.stem, at=at_of(each)) for each in exchanges])
    database.close()


def is_stored(settings: IngestSettings, each: Stocked) -> bool:
    path = settings.log_dir / f"{each.stem}_response.bin"
    is_described = path.with_name(f"{each.stem}_metadata.json").exists()
    return is_described and path.stat().st_size == len(each.response)


def at_of(each: Stocked) -> int:
    return (STARTED_NS // 1000 + each.number * 1_000_000) * KEYS_PER_US
