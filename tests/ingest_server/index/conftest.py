"""An index that a test fills, and what reads it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest_server.index.queries import Queries
from ingest_server.index.schema import open_index
from ingest_server.index.writer import IndexWriter


@pytest.fixture
def index_file(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


@pytest.fixture
def index(index_file: Path) -> Iterator[sqlite3.Connection]:
    """The writer's connection."""
    database = open_index(index_file)
    yield database
    database.close()


@pytest.fixture
def writer(index_file: Path) -> Iterator[IndexWriter]:
    writer = IndexWriter(index_file)
    yield writer
    writer.close()


@pytest.fixture
def queries(index: sqlite3.Connection, index_file: Path) -> Queries:
    """Of an index that is there."""
    del index
    return Queries(index_file)
