"""Audit records: one per call to an LLM that has ended, newest first, whatever became of it. Called by queries.py."""

import sqlite3
from typing import Final, NamedTuple

import msgspec

from ingest_server.index.filters import Filters
from ingest_server.index.outcome import outcome
from ingest_server.index.plan import Plan, keys_of
from ingest_server.index.row import KEYS_PER_US, error_of


class AuditRecord(msgspec.Struct, frozen=True):
    """None: not known."""

    request_id: str
    timestamp: int  # ms since the epoch, of the start
    key_name: str | None
    model: str | None  # as asked for; as served where none was asked for
    provider: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_micros: int | None  # millionths of a US dollar
    latency_ms: float | None
    status: int


class _Ended(NamedTuple):
    at: int
    id: str
    key: str | None
    model: str | None
    response_model: str | None
    provider: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    duration_ms: float | None
    status: int | None
    error: str | None
    provider_error: str | None


_COLUMNS: Final = ", ".join(_Ended._fields)
_ENDED_CALLS: Final = "e.dialect IS NOT NULL AND e.is_open = 0"


def audit(database: sqlite3.Connection, filters: Filters, limit: int) -> list[AuditRecord]:
    """`filters`: as for exchanges."""
    keys = Plan(database, filters, keys_of(filters), _ENDED_CALLS).newest(limit)
    sql = f"SELECT {_COLUMNS} FROM exchanges WHERE at IN ({keys.sql}) ORDER BY at DESC"
    return [_record(_Ended(*row)) for row in database.execute(sql, keys.values)]


def _record(row: _Ended) -> AuditRecord:
    return AuditRecord(
        request_id=row.id,
        timestamp=row.at // KEYS_PER_US // 1000,
        key_name=row.key,
        model=row.model or row.response_model,
        provider=row.provider,
        prompt_tokens=row.input_tokens,
        completion_tokens=row.output_tokens,
        cost_micros=None if row.cost_usd is None else round(row.cost_usd * 1e6),
        latency_ms=row.duration_ms,
        status=outcome(row.status, row.error, error_of(row.provider_error)),
    )
