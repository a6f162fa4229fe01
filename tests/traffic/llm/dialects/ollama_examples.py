"""Answers of Ollama's own API, whole and streamed, as its docs/api.md shows them."""

import json
from typing import Any

from tests.traffic.llm.example import Example, ndjson

Lines = list[dict[str, Any]]

CHAT: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Weather in Zürich?"}]}
GENERATE: dict[str, Any] = {"model": "tiny", "prompt": "Weather in Zürich?"}
COMMON = {"model": "tiny:latest", "created_at": "2026-09-13T02:11:09.123456Z"}
END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 342546000,
    "eval_count": 282,
    "eval_duration": 4535599000,
}


def said(**fields: Any) -> dict[str, Any]:
    """A line of a chat."""
    return {**COMMON, "message": {"role": "assistant", "content": "", **fields}, "done": False}


def written(words: str = "", **fields: Any) -> dict[str, Any]:
    """A line of a completion."""
    return {**COMMON, "response": words, "done": False, **fields}


CHATS: dict[str, Lines] = {
    "plain": [said(content="Grüezi! "), said(content="21 °C ☀️"), {**said(), **END}],
    "thinking": [
        said(thinking="The user"),
        said(thinking=" wants…"),
        said(content="Sunny."),
        {**said(), **END, "done_reason": "length"},
    ],
    "parallel tools": [
        said(content="I'll look."),
        said(
            tool_calls=[
                {"id": "call_1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Zürich"}}},
                {"function": {"name": "now", "arguments": {}}},
            ]
        ),
        said(tool_calls=[{"function": {"name": "weather", "arguments": {"city": "Bern", "days": [1, 2]}}}]),
        {**said(), **END},
    ],
    "uncounted": [said(content="Hi."), {**said(), "done": True, "done_reason": "stop", "eval_count": 2}],
}
COMPLETIONS: dict[str, Lines] = {
    "plain": [written("Grüezi! "), written("21 °C ☀️"), {**written(), **END, "context": [1, 2, 3]}],
    "thinking": [written(thinking="Hm"), written(thinking="…"), written("Sunny."), {**written(), **END}],
    "loaded": [{**written(), "done": True, "done_reason": "load"}],
}


def streamed(lines: Lines) -> Example:
    """Of a request that does not say whether to stream."""
    path, asked = ("/api/chat", CHAT) if "message" in lines[0] else ("/api/generate", GENERATE)
    return Example(path, asked, ndjson(*lines), "application/x-ndjson")


def whole(lines: Lines) -> Example:
    """All of it in one answer."""
    example = streamed(lines)
    content = json.dumps(_together(lines), ensure_ascii=False).encode()
    return Example(example.path, {**example.asked, "stream": False}, content, "application/json; charset=utf-8")


def _together(lines: Lines) -> dict[str, Any]:
    if "message" not in lines[0]:
        words = {name: "".join(line.get(name, "") for line in lines) for name in ("response", "thinking")}
        return {**lines[-1], **{name: text for name, text in words.items() if text or name == "response"}}
    messages = [line["message"] for line in lines]
    words = {name: "".join(message.get(name, "") for message in messages) for name in ("content", "thinking")}
    calls = [call for message in messages for call in message.get("tool_calls", [])]
    message = {"role": "assistant", **{name: text for name, text in words.items() if text or name == "content"}}
    return {**lines[-1], "message": {**message, **({"tool_calls": calls} if calls else {})}}
