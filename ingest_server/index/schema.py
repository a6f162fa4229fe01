"""The index's database: its tables, and how it is opened. What each column means says row.py.

The database holds nothing that is not in the recordings' files: one of another version, or a damaged one, is deleted
and made anew, empty, and catch_up.py fills it. SQLite 3.40 or newer; WAL: one writer, any number of readers beside it.
"""

import logging
import os
import sqlite3
import zlib
from pathlib import Path

from ingest_server import files

# Every key of an index carries `at` behind its columns, as SQLite appends the row's key: each filter answers newest
# first. Those that are empty in many rows leave these out. What comes in no order, as ids and hashes do, costs most to
# keep: each row changes a page somewhere in such an index.
_TABLES = """
CREATE TABLE exchanges (
    at INTEGER PRIMARY KEY, id TEXT NOT NULL, stem TEXT NOT NULL,
    is_open INTEGER NOT NULL, failed INTEGER NOT NULL, completed INTEGER NOT NULL,
    route TEXT, key TEXT, method TEXT NOT NULL, url TEXT NOT NULL, path TEXT NOT NULL, client TEXT NOT NULL,
    status INTEGER, error TEXT, duration_ms REAL, session TEXT, parent TEXT, decoder TEXT NOT NULL,
    dialect TEXT, operation TEXT, provider TEXT, model TEXT, response_model TEXT, stream INTEGER NOT NULL,
    finish_reason TEXT, truncated INTEGER NOT NULL,
    input_tokens INTEGER, output_tokens INTEGER, cached_input_tokens INTEGER, cache_write_tokens INTEGER,
    reasoning_tokens INTEGER, usage_source TEXT, cost_usd REAL, cost_source TEXT, ttft_ms REAL, tokens_per_s REAL,
    preview TEXT NOT NULL, tools TEXT, provider_error TEXT, problems TEXT,
    response_id TEXT, request_hash INTEGER, answer_hash INTEGER, base_hash INTEGER
);
CREATE INDEX by_id ON exchanges (id);
CREATE INDEX by_route ON exchanges (route);
CREATE INDEX by_key ON exchanges (key) WHERE key IS NOT NULL;
CREATE INDEX by_method ON exchanges (method);
CREATE INDEX by_path ON exchanges (path);
CREATE INDEX by_status ON exchanges (status);
CREATE INDEX by_error ON exchanges (error) WHERE error IS NOT NULL;
CREATE INDEX by_session ON exchanges (session) WHERE session IS NOT NULL;
CREATE INDEX by_provider ON exchanges (provider) WHERE provider IS NOT NULL;
CREATE INDEX by_model ON exchanges (model) WHERE model IS NOT NULL;
CREATE INDEX by_served ON exchanges (response_model) WHERE response_model IS NOT model;
CREATE INDEX by_time ON exchanges (at, status, error, duration_ms, input_tokens, output_tokens, cost_usd);
CREATE INDEX by_response_id ON exchanges (response_id) WHERE dialect = 'openai.responses';
CREATE INDEX by_request_hash ON exchanges (request_hash) WHERE request_hash IS NOT NULL;
CREATE INDEX by_base_hash ON exchanges (base_hash) WHERE base_hash IS NOT NULL;

-- What was said, and is new in the exchange; rowid = at.
CREATE VIRTUAL TABLE words USING fts5(prompt, answer, tools, columnsize = 0);
INSERT INTO words (words, rank) VALUES ('automerge', 8);  -- a third less to write than with the default of 4

-- Which tools the answer calls.
CREATE TABLE tools (name TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (name, at)) WITHOUT ROWID;

-- Of all exchanges of one session; first_at and last_at are keys of exchanges.
CREATE TABLE sessions (
    session TEXT PRIMARY KEY, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, exchanges INTEGER NOT NULL,
    errors INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cost_nano_usd INTEGER NOT NULL, priced INTEGER NOT NULL  -- calls whose cost is known
);
CREATE INDEX sessions_by_last ON sessions (last_at);

-- rollup.Figures of the exchanges that began within an hour since the epoch: by "all" (value ""), "model", "route",
-- "key" and "provider" ("": the exchange has none).
CREATE TABLE hours (
    by TEXT NOT NULL, hour INTEGER NOT NULL, value TEXT NOT NULL, figures BLOB NOT NULL, PRIMARY KEY (by, hour, value)
) WITHOUT ROWID;
"""
_MEANING = 3  # raise it when what is in a column changes, but not the tables
_APPLICATION = 0x464C5452  # "FLTR"
VERSION = (zlib.crc32(_TABLES.encode()) + _MEANING) & 0x7FFFFFFF
FILE_NAME = "index.sqlite"

_SIGN = f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {VERSION};"
_WRITER = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA cache_size = -49152;
PRAGMA wal_autocheckpoint = 16000;
PRAGMA journal_size_limit = 67108864;
"""
_BUSY_S = 10.0

log = logging.getLogger(__name__)


class OtherVersionError(sqlite3.DatabaseError):
    """The writer makes such an index anew when it opens it."""

    sqlite_errorcode = sqlite3.SQLITE_NOTADB


def index_path(log_dir: Path) -> Path:
    return log_dir / ".ingest" / FILE_NAME


def open_index(path: Path) -> sqlite3.Connection:
    """For the one writer. Raises OSError, or sqlite3.OperationalError where it cannot be opened, as on a full disk."""
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        log.warning("the index is made anew from the recordings: %s", error)
    remove_index(path)
    return _open(path)


def open_reader(path: Path) -> sqlite3.Connection:
    """For one thread at a time; changes nothing. Raises FileNotFoundError where there is no index, OtherVersionError
    where it is being made, and other sqlite3.DatabaseError.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no index at {path}")
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _check_version(database)
    except BaseException:
        database.close()
        raise
    return database


def remove_index(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        files.remove(f"{path}{suffix}")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the database is broken, and not just full, busy or unreachable: it is to be removed and made anew."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _open(path: Path) -> sqlite3.Connection:
    """SQLite gives its other files the mode of the first."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        is_new = _is_empty(database)
        if not is_new:
            _check_version(database)
        database.executescript(_WRITER)
        if is_new:
            database.executescript(f"BEGIN; {_TABLES} {_SIGN} COMMIT")
    except BaseException:
        database.close()
        raise
    return database


def _is_empty(database: sqlite3.Connection) -> bool:
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(tables == 0)


def _check_version(database: sqlite3.Connection) -> None:
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if (application, version) != (_APPLICATION, VERSION):
        raise OtherVersionError("it is of another version")
