"""A small exchange of each dialect, streamed and not: what tests change, cut and fuzz."""

import json
from typing import Any, Final

from tests.traffic.llm.example import Example, ndjson, raw, sse
from traffic.capture.exchange import RecordedExchange

MESSAGES = [{"role": "user", "content": "Hi"}]
TOOLS = {"name": "f", "description": "d", "parameters": {"type": "object"}}
CHAT_DELTA = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "x"}}]}
CHAT_TOOL = {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}}]}
ANTHROPIC: list[Any] = [
    {"type": "message_start", "message": {"id": "1", "model": "m", "usage": {"input_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
RESPONSES: list[Any] = [
    {"type": "response.created", "response": {"id": "r", "model": "m", "output": []}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "i", "content": []}},
    {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": "x"},
    {"type": "response.completed", "response": {"id": "r", "status": "completed", "usage": {"input_tokens": 3}}},
]
GEMINI = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}], "usageMetadata": {}}
# What each dialect is asked, and its answer, streamed or not: (path, request, answer, content type)
SEEDS: Final[list[tuple[str, Any, list[Any], str]]] = [
    (
        "/v1/chat/completions",
        {"model": "m", "messages": MESSAGES, "tools": [{"function": TOOLS}]},
        [CHAT_DELTA],
        "json",
    ),
    ("/v1/chat/completions", {"messages": MESSAGES, "stream": True}, [CHAT_DELTA, CHAT_TOOL, b"[DONE]"], "sse"),
    ("/v1/completions", {"prompt": "Hi", "stream": True}, [{"choices": [{"text": "x"}]}, b"[DONE]"], "sse"),
    ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, [RESPONSES[3]], "json"),
    ("/v1/responses", {"input": "Hi", "stream": True}, RESPONSES, "sse"),
    ("/v1/embeddings", {"input": ["Hi"]}, [{"data": [{"embedding": [0.1]}], "usage": {"prompt_tokens": 1}}], "json"),
    ("/v1/messages", {"messages": MESSAGES, "system": [{"type": "text", "text": "s"}]}, ANTHROPIC[:1], "json"),
    ("/v1/messages", {"messages": MESSAGES, "stream": True}, ANTHROPIC, "sse"),
    ("/v1beta/models/g:generateContent", {"contents": [{"parts": [{"text": "Hi"}]}]}, [GEMINI], "json"),
    ("/v1beta/models/g:streamGenerateContent", {"contents": []}, [GEMINI, GEMINI], "list"),
    ("/v1beta/models/g:streamGenerateContent?alt=sse", {"contents": []}, [GEMINI], "sse"),
    ("/v1beta/models/g:embedContent", {"content": {"parts": []}}, [{"embedding": {"values": [1]}}], "json"),
    ("/api/chat", {"model": "m", "messages": MESSAGES}, [{"message": {"content": "x"}}, {"done": True}], "ndjson"),
    ("/api/generate", {"model": "m", "prompt": "Hi"}, [{"response": "x"}, {"done": True}], "ndjson"),
]
_TYPES = {"json": "application/json", "sse": "text/event-stream", "ndjson": "application/x-ndjson"}


def files(path: str, asked: Any, answers: list[Any], kind: str, coding: str = "") -> RecordedExchange:
    if kind == "sse":
        body = sse(*answers)
    elif kind == "ndjson":
        body = ndjson(*answers)
    else:
        body = json.dumps(answers if kind == "list" else answers[0]).encode()
    return raw(Example(path, asked, body, _TYPES.get(kind, "application/json")), coding)
