"""A call as a span of OpenTelemetry's GenAI conventions (status: Development), with the times of the recording.

    name         "{operation} {model}", kind CLIENT
    trace        that of the request's `traceparent` (W3C Trace Context), so that the call stands in the trace of the
                 program that made it; else one per session, made of its name
    parent       the `traceparent`'s span, else the span of the exchange that this one continues
    content      prompts and answers only where they are asked for: they may be private

Pure: gives attributes, ingest_server/spans.py sends them.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from traffic.capture.metadata import Metadata
from traffic.llm.call import LlmCall, Media, Message, Part, Reasoning, ToolCall, ToolResult
from traffic.llm.providers import authority_of
from traffic.llm.shapes import mapping

Attribute = str | int | float | bool | list[str]

_traceparent: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}").match
_PROVIDERS: Final = {  # where the convention's name differs from ours (traffic/llm/providers.py), or from a route's
    "aws": "aws.bedrock",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshotai": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "x-ai": "x_ai",
    "xai": "x_ai",
}
_PARAMETERS: Final = {  # of a request, under the names that dialects give them
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "maxOutputTokens": "max_tokens",
    "num_predict": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "topP": "top_p",
    "top_k": "top_k",
    "topK": "top_k",
    "frequency_penalty": "frequency_penalty",
    "frequencyPenalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "presencePenalty": "presence_penalty",
    "seed": "seed",
    "n": "choice.count",
    "candidateCount": "choice.count",
}
_STOPS: Final = ("stop", "stop_sequences", "stopSequences")
_NESTED: Final = ("generationConfig", "options")  # where Gemini's and Ollama's are
_encode: Final = msgspec.json.Encoder().encode


class Span(msgspec.Struct, frozen=True):
    """Times in nanoseconds since the epoch; ids as OpenTelemetry's integers."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int
    attributes: dict[str, Attribute]
    error: str | None  # why it failed, in words; None: it did not


class Place(msgspec.Struct, frozen=True):
    """Where the index puts an exchange."""

    session: str | None
    parent: str | None  # the id of the exchange that it continues


def span_of(facts: Metadata, call: LlmCall, place: Place, *, with_content: bool) -> Span:
    trace_id, parent_id = _trace(facts, place)
    start_ns = _epoch_ns(facts.started_at)
    error_type, error = _failure(facts, call)
    attributes = {
        **_request_attributes(facts, call),
        **_response_attributes(call),
        "gen_ai.conversation.id": place.session,
        "error.type": error_type,
        **(_content(call) if with_content else {}),
    }
    return Span(
        name=f"{call.operation} {call.model}" if call.model else call.operation,
        trace_id=trace_id,
        span_id=_span_id(facts.id),
        parent_id=parent_id,
        start_ns=start_ns,
        end_ns=start_ns + int((facts.durations_ms.total or 0) * 1_000_000),
        attributes={name: value for name, value in attributes.items() if value is not None},
        error=error,
    )


def _trace(facts: Metadata, place: Place) -> tuple[int, int | None]:
    for name, value in facts.request.headers:
        if name.lower() == "traceparent" and (match := _traceparent(value)) is not None and int(match[1], 16):
            return int(match[1], 16), int(match[2], 16) or None
    trace = hashlib.sha256((place.session or facts.id).encode()).digest()[:16]
    return int.from_bytes(trace) or 1, _span_id(place.parent) if place.parent is not None else None


def _span_id(exchange_id: str) -> int:
    """Of a UUID its last 16 digits: the random ones of every version."""
    return int(exchange_id.replace("-", "")[-16:], 16) or 1


def _epoch_ns(started_at: str) -> int:
    moment = datetime.fromisoformat(started_at).astimezone(UTC)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def _failure(facts: Metadata, call: LlmCall) -> tuple[str | None, str | None]:
    """error.type and words."""
    if call.error is not None:
        return call.error.type or call.error.code or str(facts.response.status), call.error.message
    if facts.error is not None:
        return facts.error.name, facts.error.detail
    if (facts.response.status or 0) >= 400:
        return str(facts.response.status), f"HTTP {facts.response.status}"
    return None, None


def _request_attributes(facts: Metadata, call: LlmCall) -> dict[str, Attribute | None]:
    address, port = _server(facts.upstream_url or "")
    found: dict[str, Attribute | None] = {
        "gen_ai.operation.name": call.operation,
        "gen_ai.provider.name": _PROVIDERS.get(call.provider, call.provider) if call.provider else None,
        "gen_ai.request.model": call.model,
        "gen_ai.request.stream": call.stream or None,
        "server.address": address,
        "server.port": port,
    }
    return found | _parameters(call.parameters)


def _server(url: str) -> tuple[str | None, int | None]:
    """Host and port. A redacted user has brackets, which only addresses may have; and anybody may have written it."""
    try:
        parts = urlsplit(f"//{authority_of(url).rpartition('@')[2]}")
        return parts.hostname, parts.port or {"http": 80, "https": 443}.get(url.partition("://")[0])
    except ValueError:
        return None, None


def _parameters(asked: dict[str, Any]) -> dict[str, Attribute | None]:
    found: dict[str, Attribute | None] = {}
    for place in (asked, *(mapping(asked.get(name)) for name in _NESTED)):
        for name, attribute in _PARAMETERS.items():
            value = place.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[f"gen_ai.request.{attribute}"] = value
        for name in _STOPS:
            stop = place.get(name)
            texts = [each for each in (stop if isinstance(stop, list) else [stop]) if isinstance(each, str)]
            if texts:
                found["gen_ai.request.stop_sequences"] = texts
    return found


def _response_attributes(call: LlmCall) -> dict[str, Attribute | None]:
    usage, ttft_ms = call.usage, call.timing.ttft_ms
    return {
        "gen_ai.response.id": call.response_id,
        "gen_ai.response.model": call.response_model,
        "gen_ai.response.finish_reasons": [call.finish_reason] if call.finish_reason else None,
        "gen_ai.response.time_to_first_chunk": ttft_ms / 1000 if ttft_ms is not None else None,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }


def _content(call: LlmCall) -> dict[str, Attribute | None]:
    """The opt-in attributes: JSON in strings, as spans have no structured values."""
    system = [part for message in call.input if message.role == "system" for part in message.parts]
    return {
        "gen_ai.system_instructions": _json([_part(part) for part in system]) if system else None,
        "gen_ai.input.messages": _json([_message(message) for message in call.input if message.role != "system"]),
        "gen_ai.output.messages": _json(
            [{**_message(message), "finish_reason": call.finish_reason or "error"} for message in call.output]
        ),
        "gen_ai.tool.definitions": _json(
            [{"type": "function", "name": tool.name, "description": tool.description} for tool in call.tools]
        )
        if call.tools
        else None,
    }


def _message(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": [_part(part) for part in message.parts]}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, ToolCall):
        return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": _arguments(part.arguments)}
    if isinstance(part, ToolResult):
        return {"type": "tool_call_response", "id": part.id, "response": part.text}
    if isinstance(part, Media):
        kind = "blob" if part.reference == "inline" else "uri"
        return {"type": kind, "modality": part.kind, "mime_type": part.mime_type, "uri": part.reference}
    return {"type": "reasoning" if isinstance(part, Reasoning) else "text", "content": part.text}


def _arguments(text: str) -> Any:
    """As JSON where it is JSON: it may be cut."""
    try:
        return msgspec.Raw(msgspec.json.format(text.encode(), indent=-1)) if text else {}
    except (ValueError, RecursionError):
        return text


def _json(value: object) -> str:
    return _encode(value).decode()
