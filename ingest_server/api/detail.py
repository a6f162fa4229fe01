"""All that is known of one exchange: what a list says of it, its metadata, and its call to an LLM as a whole.

A CallDetail is both a CallSummary and an LlmCall, with more fields: what reads one of these reads it, too. Made by
exchanges.py.
"""

from typing import Any, Literal, cast

import msgspec

from ingest_server.index.summary import CallSummary, ExchangeSummary, UsageSummary, summary_of
from traffic.capture.metadata import Metadata
from traffic.llm.call import Cost, LlmCall, Message, Timing, Tool


class UsageDetail(UsageSummary, frozen=True):
    cache_write_1h_tokens: int | None
    sources: dict[str, str]  # of each figure


class CallDetail(CallSummary, frozen=True, kw_only=True):
    usage: UsageDetail
    provider_source: Literal["route", "host", "model"] | None
    response_id: str | None
    parameters: dict[str, Any]
    tools: tuple[Tool, ...]
    input: tuple[Message, ...]
    output: tuple[Message, ...]
    cost: Cost | None
    timing: Timing
    problems: tuple[str, ...]
    session: str | None
    session_source: str | None
    previous_response_id: str | None


class ExchangeDetail(ExchangeSummary, frozen=True, kw_only=True):
    call: CallDetail | None
    metadata: Metadata  # as stored


def detail_of(summary: ExchangeSummary, metadata: bytes, call: LlmCall | None) -> ExchangeDetail:
    """`metadata` is the file, which goes out as it is, with fields that this version does not know."""
    fields = msgspec.structs.asdict(summary) | {
        "call": _call_detail(call) if call is not None else None,
        "metadata": cast("Metadata", msgspec.Raw(metadata)),
    }
    return ExchangeDetail(**fields)


def _call_detail(call: LlmCall) -> CallDetail:
    summary = summary_of(call)
    usage = UsageDetail(**msgspec.structs.asdict(call.usage), source=call.usage.source)
    fields = {name: getattr(call, name) for name in CallDetail.__struct_fields__ if hasattr(call, name)}
    return CallDetail(**(msgspec.structs.asdict(summary) | fields | {"usage": usage}))
