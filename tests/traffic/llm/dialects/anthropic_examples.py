"""Answers of Anthropic's Messages API, whole and streamed, as its documentation shows them."""

import json
from typing import Any

from tests.traffic.llm.example import Example, sse

Blocks = list[dict[str, Any]]

MODEL = "claude-test-1"  # the SDK warns of real ones that are old
ASKED: dict[str, Any] = {
    "model": "claude-test",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": "Weather in Zürich?"}],
}
PLAIN: Blocks = [{"type": "text", "text": "Grüezi! 21 °C, "}, {"type": "text", "text": "sonnig ☀️."}]
CITED: Blocks = [
    {
        "type": "text",
        "text": "Gras ist grün.",
        "citations": [
            {
                "type": "char_location",
                "cited_text": "grün",
                "document_index": 0,
                "document_title": "Gras",
                "start_char_index": 0,
                "end_char_index": 4,
                "file_id": None,
            }
        ],
    }
]
PARALLEL_TOOLS: Blocks = [
    {"type": "text", "text": "I'll look."},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Zürich", "days": [1, 2]}},
    {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
]
THINKING: Blocks = [
    {"type": "thinking", "thinking": "The user wants…", "signature": "EqQBCgIYAhIM"},
    {"type": "redacted_thinking", "data": "EmwKAhgB"},
    {"type": "text", "text": "Sunny."},
]
SERVER_TOOLS: Blocks = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "weather"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {
                "type": "web_search_result",
                "url": "https://a.test",
                "title": "A",
                "encrypted_content": "x",
                "page_age": None,
            }
        ],
    },
    {
        "type": "web_fetch_tool_result",
        "tool_use_id": "srvtoolu_2",
        "content": {"type": "web_fetch_tool_result_error", "error_code": "url_not_accessible"},
    },
    {"type": "text", "text": "Found."},
]
CONTENTS: dict[str, Blocks] = {
    "plain": PLAIN,
    "citations": CITED,
    "parallel tools": PARALLEL_TOOLS,
    "thinking": THINKING,
    "server tools": SERVER_TOOLS,
}
CACHED: dict[str, Any] = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
    "cache_read_input_tokens": 2000,
    "output_tokens": 57,
    "output_tokens_details": {"thinking_tokens": 20},
}
OVERLOADED: dict[str, Any] = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def whole(content: Blocks, usage: dict[str, Any], stop_reason: str = "end_turn") -> Example:
    message = {**_message(usage), "content": content, "stop_reason": stop_reason}
    return Example("/v1/messages", ASKED, _json(message))


def streamed(content: Blocks, usage: dict[str, Any], stop_reason: str = "end_turn") -> Example:
    """At first one output token is counted, in the end all."""
    return events(*start(usage), *blocks(content), *end(usage, stop_reason))


def events(*documents: dict[str, Any]) -> Example:
    named = [(document["type"], document) for document in documents]
    return Example("/v1/messages", {**ASKED, "stream": True}, sse(*named), "text/event-stream; charset=utf-8")


def start(usage: dict[str, Any]) -> list[dict[str, Any]]:
    first = {name: count for name, count in usage.items() if name != "output_tokens_details"}
    return [{"type": "message_start", "message": _message({**first, "output_tokens": 1})}, {"type": "ping"}]


def blocks(content: Blocks) -> list[dict[str, Any]]:
    return [event for index, block in enumerate(content) for event in _block(index, block)]


def end(usage: dict[str, Any], stop_reason: str = "end_turn") -> list[dict[str, Any]]:
    last = {name: usage[name] for name in ("output_tokens", "output_tokens_details") if name in usage}
    return [
        {"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None}, "usage": last},
        {"type": "message_stop"},
    ]


def _message(usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _block(index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    empty, deltas = _taken_apart(block)
    return [
        {"type": "content_block_start", "index": index, "content_block": empty},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _taken_apart(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The block as it starts, and what is then added."""
    match block["type"]:
        case "text":
            added = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations", [])]
            said = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
            return {**block, "text": "", **({"citations": []} if added else {})}, added + said
        case "thinking":
            thought = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*thought, signed]
        case "tool_use" | "server_tool_use":
            written = _json(block["input"]).decode() if block["input"] else ""
            pieces = ["", *_pieces(written)]
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block, []


def _pieces(words: str) -> list[str]:
    return [words[at : at + 6] for at in range(0, len(words), 6)]


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
