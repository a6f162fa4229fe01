"""Audit records: which calls they tell of, with what figures, and with what status where a call failed."""

import sqlite3
from typing import Any

import msgspec
import pytest

from ingest_server.index.audit import AuditRecord
from ingest_server.index.filters import Filters
from ingest_server.index.queries import Queries
from tests.ingest_server.index.filled import put
from tests.ingest_server.index.kept import kept
from tests.ingest_server.index.moments import NOW_US
from traffic.llm.call import ProviderError


def test_a_record_tells_the_figures_of_a_call(index: sqlite3.Connection, queries: Queries) -> None:
    columns: dict[str, Any] = {
        "key": "alice",
        "model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06",
        "provider": "openai",
    }
    figures: dict[str, Any] = {"input_tokens": 12, "output_tokens": 3, "cost_usd": 0.0000125, "duration_ms": 310.5}
    put(index, [kept(1, **columns, **figures)])
    expected = AuditRecord(kept(1).row.id, NOW_US // 1000 + 1000, "alice", "gpt-4o", "openai", 12, 3, 12, 310.5, 200)
    assert queries.audit(Filters()) == [expected]


def test_what_nobody_told_is_null(index: sqlite3.Connection, queries: Queries) -> None:
    put(index, [kept(1, duration_ms=None, response_model="served")])
    assert msgspec.to_builtins(queries.audit(Filters()))[0] == {
        "request_id": kept(1).row.id,
        "timestamp": NOW_US // 1000 + 1000,
        "key_name": None,
        "model": "served",
        "provider": None,
        "prompt_tokens": None,
        "completion_tokens": None,
        "cost_micros": None,
        "latency_ms": None,
        "status": 200,
    }


def test_records_are_of_calls_that_have_ended_newest_first(index: sqlite3.Connection, queries: Queries) -> None:
    put(index, [kept(1), kept(2, dialect=None), kept(3, is_open=True), kept(4, truncated=True), kept(5)])
    assert [each.request_id for each in queries.audit(Filters())] == [kept(number).row.id for number in (5, 4, 1)]
    assert [each.request_id for each in queries.audit(Filters(), 2)] == [kept(number).row.id for number in (5, 4)]


def test_a_key_a_model_and_a_time_choose_records(index: sqlite3.Connection, queries: Queries) -> None:
    put(
        index, [kept(1, key="a", model="m"), kept(2, key="b", model="m"), kept(3, key="a", model="n"), kept(4, key="a")]
    )
    filters = Filters(key="a", model="m", since_us=NOW_US, until_us=NOW_US + 4_000_000)
    assert [each.request_id for each in queries.audit(filters)] == [kept(1).row.id]


def _said(type: str | None = None, code: str | None = None) -> str:  # noqa: A002 (the names of the fields)
    return msgspec.json.encode(ProviderError(type, code, "m")).decode()


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"status": 429, "error": None}, 429),
        ({"status": 429, "provider_error": _said(code="invalid_request_error")}, 429),
        ({"status": 200, "provider_error": _said(code="502")}, 502),
        ({"status": 200, "provider_error": _said(type="overloaded_error")}, 529),
        ({"status": 200, "provider_error": _said(code="UNAVAILABLE", type="x")}, 503),
        ({"status": 200, "provider_error": _said(code="5000", type="server_error")}, 500),
        ({"status": 200, "error": "upstream_timeout"}, 504),
        ({"status": None, "error": "exchange_timeout"}, 504),
        ({"status": None, "error": "upstream_refused"}, 500),
        ({"status": 502, "error": "upstream_refused"}, 502),
        ({"status": 200, "error": "upstream_reset"}, 500),
        ({"status": 200, "error": "client_disconnect"}, 200),
        ({"status": None, "error": "client_disconnect"}, 500),
        ({"status": 200, "error": "capture_gap"}, 200),
        ({"status": 200, "truncated": True}, 200),
    ],
)
def test_the_status_says_how_a_call_ended(
    index: sqlite3.Connection, queries: Queries, columns: dict[str, Any], status: int
) -> None:
    put(index, [kept(1, **columns)])
    assert queries.audit(Filters())[0].status == status
