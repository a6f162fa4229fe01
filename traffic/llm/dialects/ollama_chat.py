"""Ollama's own chat: `.../api/chat`. It streams unless the request says `"stream": false`."""

from collections.abc import Iterator
from typing import Any, Final

from traffic.llm.call import Message, Part, Role, Tool, ToolCall, ToolResult
from traffic.llm.dialect import Answered, Asked, RequestView, StreamReader
from traffic.llm.dialects.ollama_lines import Added, LineReader, images, said_parts
from traffic.llm.shapes import json_text, mapping, sequence, text, text_or_none

_SAID_ELSEWHERE: Final = frozenset({"model", "messages", "tools", "stream"})
_ROLES: Final[dict[str, Role]] = {"system": "system", "user": "user", "assistant": "assistant"}


class OllamaChat:
    name = "ollama.chat"
    operation = "chat"
    framing = "ndjson"

    def matches(self, request: RequestView) -> bool:
        """Chat applications have an `/api/chat` of their own; it says no model, or no messages."""
        return request.posts_to("/api/chat", "messages") and request.posts_to("/api/chat", "model")

    def asked(self, request: RequestView) -> Asked:
        document = mapping(request.document)
        functions = (mapping(mapping(tool).get("function")) for tool in sequence(document.get("tools")))
        return Asked(
            model=text_or_none(document.get("model")),
            stream=document.get("stream") is not False,
            parameters={name: value for name, value in document.items() if name not in _SAID_ELSEWHERE},
            tools=tuple(Tool(text(each.get("name")), text_or_none(each.get("description"))) for each in functions),
            input=tuple(_message(mapping(message)) for message in sequence(document.get("messages"))),
        )

    def answered(self, document: Any) -> Answered:
        reader = LineReader(_added)
        reader.take(document, None)
        return reader.answered()

    def stream(self) -> StreamReader:
        return LineReader(_added)


def _message(message: dict[str, Any]) -> Message:
    thinking, said, others = _added({"message": message})
    role = text(message.get("role"))
    if role == "tool":
        name = text_or_none(message.get("tool_name")) or text_or_none(message.get("name"))
        result = ToolResult(text_or_none(message.get("tool_call_id")), name, said)
        return Message("tool", (result, *others))
    return Message(_ROLES.get(role, "user"), tuple(said_parts(thinking, said, list(others))))


def _added(line: dict[str, Any]) -> Added:
    message = mapping(line.get("message"))
    others = (*images(message.get("images")), *_calls(message.get("tool_calls")))
    return Added(text(message.get("thinking")), text(message.get("content")), others)


def _calls(value: Any) -> Iterator[Part]:
    for call in map(mapping, sequence(value)):
        function = mapping(call.get("function"))
        yield ToolCall(
            text_or_none(call.get("id")), text(function.get("name")), json_text(function.get("arguments", {}))
        )
