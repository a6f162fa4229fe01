"""A running ingest server that has four exchanges, in its files and in its index."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession

from ingest_server.index.entry import entry_of
from ingest_server.index.schema import index_path
from ingest_server.index.writer import IndexWriter
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from ingest_server.store import Store
from tests.ingest_server.api.stock import ALL, Stocked
from tests.ingest_server.recorder_side import JOURNAL
from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange
from traffic.llm.decode import Decoder
from traffic.llm.dialects import BUILT_IN


@pytest.fixture
async def stocked(settings: IngestSettings) -> AsyncIterator[ClientSession]:
    async with serving(settings, *ALL) as client:
        yield client


@asynccontextmanager
async def serving(settings: IngestSettings, *exchanges: Stocked) -> AsyncIterator[ClientSession]:
    """A client of a server that has these besides what there is."""
    if exchanges:
        keep(settings, *exchanges)
    async with (
        IngestServer(settings) as server,
        ClientSession(f"http://127.0.0.1:{server.port}") as client,
    ):
        yield client


def keep(settings: IngestSettings, *exchanges: Stocked) -> None:
    store = Store(settings)
    store.apply(JOURNAL, 0, [each.frames for each in exchanges])
    store.settle(flush=True)
    index_path(settings.log_dir).parent.mkdir(exist_ok=True)
    writer = IndexWriter(index_path(settings.log_dir))
    decoder = Decoder(BUILT_IN)
    raws = [(each.stem, raw(settings, each)) for each in exchanges]
    writer.put([entry_of(stem, raw.metadata, decoder.decode(raw), "1") for stem, raw in raws])
    writer.close()


def raw(settings: IngestSettings, each: Stocked) -> RecordedExchange:
    request, response, facts = [(settings.log_dir / f"{each.stem}{part}").read_bytes() for part in names.PARTS]
    return RecordedExchange(metadata.decode(facts), request, response)
