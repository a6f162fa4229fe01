"""Summaries of exchanges, with what a test wants to be different."""

from typing import Any

import msgspec

from ingest_server.index.summary import CallSummary, ExchangeSummary, UsageSummary

_CALL = CallSummary(
    provider="openai",
    dialect="openai.chat",
    operation="chat",
    model="gpt-4o",
    response_model="gpt-4o-2024-08-06",
    stream=True,
    finish_reason="stop",
    truncated=False,
    usage=UsageSummary(12, 34, None, None, None, "reported"),
    cost_usd=0.25,
    cost_source="genai-prices: openai/gpt-4o",
    ttft_ms=100.0,
    tokens_per_s=50.0,
    preview="hi",
    tool_calls=(),
)
_EXCHANGE = ExchangeSummary(
    id="092d0424-0000-4000-8000-000000000000",
    started_at="2026-09-13T02:11:09.123456Z",
    route="openai",
    key=None,
    method="POST",
    url="http://localhost:5601/openai/chat/completions",
    status=200,
    completed=True,
    error=None,
    duration_ms=2000.0,
    session=None,
    parent=None,
    call=_CALL,
)


def call(**changes: Any) -> CallSummary:
    return msgspec.structs.replace(_CALL, **changes)


def summary(**changes: Any) -> ExchangeSummary:
    return msgspec.structs.replace(_EXCHANGE, **changes)
