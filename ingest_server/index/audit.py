"""Audit records: a line per call to an LLM that has ended, newest first, whatever became of it. Called by queries.py.

`status` is the response's where that tells of an error; else, in this order: what the provider said in its answer; 504
where something took too long; 500 where it failed otherwise, or nothing came; else the response's. That the client
went, or that bytes were lost on the way into the files, is no failure of the call.
"""

import re
import sqlite3
from typing import Final, NamedTuple

import msgspec

from ingest_server.index.filters import Filters
from ingest_server.index.plan import Plan, keys_of
from ingest_server.index.row import KEYS_PER_US
from traffic.llm.call import ProviderError


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
_NO_FAILURES: Final = frozenset({"client_disconnect", "capture_gap", "capture_failed"})
# What providers call errors that they send within a stream, whose status is 200 by then.
_STATUS_BY_NAME: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
    "INVALID_ARGUMENT": 400,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_is_failure = re.compile(r"[45]\d\d", re.ASCII).fullmatch
_decode_error = msgspec.json.Decoder(ProviderError).decode


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
        status=_status(row),
    )


def _status(row: _Ended) -> int:
    if row.status is not None and row.status >= 400:
        return row.status
    if row.provider_error is not None:
        return _status_of_provider(row.provider_error)
    if row.error is not None and row.error.endswith("_timeout"):
        return 504
    if row.error is not None and row.error not in _NO_FAILURES:
        return 500
    return 500 if row.status is None else row.status


def _status_of_provider(text: str) -> int:
    try:
        error = _decode_error(text)
    except (ValueError, RecursionError):  # cut, because it was long
        return 500
    for name in (error.code, error.type):
        if name is not None and _is_failure(name):
            return int(name)
        if name in _STATUS_BY_NAME:
            return _STATUS_BY_NAME[name]
    return 500
