"""Summaries of exchanges for tests of what prints them."""

from typing import Any

from ingest_server.index.summary import CallSummary, ExchangeSummary, UsageSummary

CALL = CallSummary(
    provider="openai",
    dialect="openai.chat",
    operation="chat",
    model="gpt-4o",
    response_model="gpt-4o-2024-08-06",
    stream=True,
    finish_reason="stop",
    truncated=False,
    usage=UsageSummary(1234, 56, None, None, None, "reported"),
    cost_usd=0.0042,
    cost_source="genai-prices: openai/gpt-4o",
    ttft_ms=310.4,
    tokens_per_s=45.2,
    preview="What do you record?",
    tool_calls=(),
)


def exchange(digits: str, **changes: Any) -> ExchangeSummary:
    """`digits`: eight, of its id."""
    fields: dict[str, Any] = {
        "id": f"{digits}-1111-4111-8111-111111111111",
        "started_at": "2026-09-13T02:11:09.123456Z",
        "route": "openai",
        "key": None,
        "method": "POST",
        "url": "http://localhost:5601/openai/v1/chat/completions",
        "status": 200,
        "completed": True,
        "error": None,
        "duration_ms": 1240.1,
        "session": None,
        "parent": None,
        "call": CALL,
    }
    return ExchangeSummary(**{**fields, **changes})
