"""What the API, the live feed and the commands say of an exchange, in a list of many: the fields, and their making.

The same from a database's row, from a call that was just decoded, or back from JSON. docs/api.md explains the fields.
"""

import msgspec

from traffic.llm.call import LlmCall, ProviderError, ToolCall
from traffic.llm.sessions import NAME_CHARACTERS_MAX

PREVIEW_CHARACTERS_MAX = 200
ERROR_CHARACTERS_MAX = 1_000


class UsageSummary(msgspec.Struct, frozen=True):
    """Tokens; None: not reported."""

    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    source: str  # "reported", "derived", "missing"


class CallSummary(msgspec.Struct, frozen=True):
    provider: str | None
    dialect: str
    operation: str
    model: str | None
    response_model: str | None
    stream: bool
    finish_reason: str | None
    truncated: bool
    usage: UsageSummary
    cost_usd: float | None
    cost_source: str | None
    ttft_ms: float | None
    tokens_per_s: float | None
    preview: str  # the beginning of the newest prompt
    tool_calls: tuple[str, ...]  # names of the tools that the answer calls, each once
    error: ProviderError | None = None  # its message may be cut


class ExchangeSummary(msgspec.Struct, frozen=True):
    id: str
    started_at: str  # as in the metadata: 2026-09-13T02:11:09.123456Z
    route: str | None
    key: str | None
    method: str
    url: str
    status: int | None
    completed: bool
    error: str | None  # the name of the recording's error
    duration_ms: float | None
    session: str | None
    parent: str | None  # the id of the exchange that this one continues
    call: CallSummary | None  # None: plain HTTP
    snippet: str | None = None  # of what was said, around «words» that were looked for


def summary_of(call: LlmCall) -> CallSummary:
    usage, cost = call.usage, call.cost
    return CallSummary(
        provider=call.provider,
        dialect=call.dialect,
        operation=call.operation,
        model=call.model,
        response_model=call.response_model,
        stream=call.stream,
        finish_reason=call.finish_reason,
        truncated=call.truncated,
        usage=UsageSummary(
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_input_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
            usage.source,
        ),
        cost_usd=cost.usd if cost is not None else None,
        cost_source=cost.source if cost is not None else None,
        ttft_ms=call.timing.ttft_ms,
        tokens_per_s=call.timing.tokens_per_s,
        preview=preview_of(call),
        tool_calls=tool_calls_of(call),
        error=error_of(call),
    )


def tool_calls_of(call: LlmCall) -> tuple[str, ...]:
    """Names of one line, as the index keeps them."""
    parts = (part for message in call.output for part in message.parts if isinstance(part, ToolCall))
    return tuple(dict.fromkeys(part.name[:NAME_CHARACTERS_MAX].replace("\n", " ") for part in parts))


def error_of(call: LlmCall) -> ProviderError | None:
    """Short, as the index keeps it."""
    error = call.error
    if error is None:
        return None
    kind, code = (text and text[:NAME_CHARACTERS_MAX] for text in (error.type, error.code))
    return ProviderError(kind, code, error.message[:ERROR_CHARACTERS_MAX])


def newest_prompt(call: LlmCall) -> str:
    """What the user said last, else what the last message says, else nothing."""
    messages = [message for message in call.input if message.role == "user" and message.text] or call.input[-1:]
    return messages[-1].text if messages else ""


def preview_of(call: LlmCall) -> str:
    """The newest prompt's beginning, in one line."""
    line = " ".join(newest_prompt(call)[: 4 * PREVIEW_CHARACTERS_MAX].split())
    return line if len(line) <= PREVIEW_CHARACTERS_MAX else line[: PREVIEW_CHARACTERS_MAX - 1] + "…"
