"""A running ingest server on a free port, and a client of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ingest_server.indexer import Indexer
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings


@pytest.fixture
def settings(tmp_path: Path) -> IngestSettings:
    return IngestSettings(port=0, log_dir=tmp_path / "logs", key_dir=tmp_path / "key")


@pytest.fixture(autouse=True)
def no_indexer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the index is the test's own business here; tests/e2e/ has the process that fills it."""
    monkeypatch.setattr(Indexer, "start", lambda _: None)


@pytest.fixture
async def server(settings: IngestSettings) -> AsyncIterator[IngestServer]:
    async with IngestServer(settings) as server:
        yield server


@pytest.fixture
async def client(server: IngestServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield session
