"""The items of OpenAI's Responses API, of which both what is asked and what is answered consist. Called by
openai_responses.py.

    message                     a role and its content
    reasoning                   summary[] and content[], or only `encrypted_content`
    ..._call                    a call of the client's function, or of a tool of the provider's own with its result
    ..._call_output             a result from the client

What the assistant does in a row is one message, as in a chat.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from traffic.llm.call import Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from traffic.llm.dialects.openai_content import content_parts, inline_media, role
from traffic.llm.shapes import json_text, mapping, sequence, text, text_or_none

# Where an item that is a call says what it asks for, and what came of it.
_ARGUMENTS: Final = ("arguments", "input", "code", "action", "actions", "operation", "queries", "revised_prompt")
_RESULTS: Final = ("output", "outputs", "results")

Said = tuple[Role, list[Part]]


def messages(items: Iterable[Any]) -> tuple[Message, ...]:
    said = (each for item in items if (each := _said(mapping(item))) is not None)
    found: list[Message] = []
    for who, group in groupby(said, key=lambda each: each[0]):
        if who == "assistant":
            found.append(Message(who, tuple(part for _, parts in group for part in parts)))
        else:
            found += [Message(who, tuple(parts)) for _, parts in group]
    return tuple(found)


def answer(items: Iterable[Any]) -> tuple[Message, ...]:
    """All that an answer holds is the assistant's: what its provider's own tools did, too."""
    parts = tuple(part for item in items if (said := _said(mapping(item))) is not None for part in said[1])
    return (Message("assistant", parts),) if parts else ()


def _said(item: dict[str, Any]) -> Said | None:
    """None: nothing that is said, as a reference to an earlier item."""
    kind = text(item.get("type"))
    if kind == "message" or (not kind and "content" in item):
        return role(item.get("role")), content_parts(item.get("content"))
    if kind == "reasoning":
        return "assistant", _reasoning(item)
    if kind.endswith("_output"):
        return "tool", _result(item)
    if call_name(item):
        return "assistant", _call(item, kind)
    return None


def call_name(item: dict[str, Any]) -> str:
    """The tool that an item calls; empty: it is no call."""
    kind = text(item.get("type"))
    is_call = kind.endswith("_call") or kind == "mcp_approval_request"
    return text(item.get("name")) or kind.removesuffix("_call") if is_call else ""


def _reasoning(item: dict[str, Any]) -> list[Part]:
    told = [*sequence(item.get("summary")), *sequence(item.get("content"))]
    return [Reasoning(text(mapping(each).get("text"))) for each in told] or [Reasoning("")]


def _call(item: dict[str, Any], kind: str) -> list[Part]:
    call_id = text_or_none(item.get("call_id")) or text_or_none(item.get("id"))
    name = call_name(item)
    parts: list[Part] = [ToolCall(call_id, name, _json_text(_first(item, _ARGUMENTS)))]
    result, error = _first(item, _RESULTS), item.get("error")
    if result or error:
        said, others = _told(result or error)
        parts += [ToolResult(call_id, name, said, is_error=bool(error)), *others]
    if kind == "image_generation_call" and (image := text(item.get("result"))):
        parts.append(inline_media("image", image))
    return parts


def _result(item: dict[str, Any]) -> list[Part]:
    said, others = _told(item.get("output"))
    is_error = item.get("status") in ("failed", "incomplete")
    name = text_or_none(item.get("name"))
    return [
        ToolResult(text_or_none(item.get("call_id")) or text_or_none(item.get("id")), name, said, is_error),
        *others,
    ]


def _told(result: Any) -> tuple[str, list[Part]]:
    """The text of a result, and what in it is none; what has another shape is told as JSON."""
    if isinstance(result, str):
        return result, []
    parts = content_parts(result if isinstance(result, list) else [result])
    said = "".join(part.text for part in parts if isinstance(part, Text))
    others: list[Part] = [part for part in parts if not isinstance(part, Text)]
    return (said, others) if parts else (_json_text(result), [])


def _first(item: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((item[name] for name in names if item.get(name)), None)


def _json_text(value: Any) -> str:
    return "" if value is None else json_text(value)
