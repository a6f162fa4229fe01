"""Answers of OpenAI's Responses API, whole and as the events that amount to the same."""

from collections.abc import Iterator
from typing import Any

from tests.traffic.llm.example import Example, sse

MODEL = "gpt-5-mini-2025-08-07"
ASKED: dict[str, Any] = {"model": "gpt-5-mini", "input": "Weather in Zürich?"}
USAGE: dict[str, Any] = {
    "input_tokens": 328,
    "input_tokens_details": {"cached_tokens": 128, "cache_write_tokens": 64},
    "output_tokens": 52,
    "output_tokens_details": {"reasoning_tokens": 32},
    "total_tokens": 380,
}
Item = dict[str, Any]


def message(*content: Item) -> Item:
    return {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": list(content)}


def text(said: str) -> Item:
    return {"type": "output_text", "text": said, "annotations": [], "logprobs": []}


def function_call(number: int, name: str, arguments: str) -> Item:
    return {
        "id": f"fc_{number}",
        "type": "function_call",
        "status": "completed",
        "arguments": arguments,
        "call_id": f"call_{number}",
        "name": name,
    }


PLAIN = [message(text("Grüezi! 21 °C ☀️"))]
TOOLS = [function_call(1, "weather", '{"city": "Zürich"}'), function_call(2, "now", "{}")]
REFUSAL = [message({"type": "refusal", "refusal": "I can't help with that."})]
REASONING: list[Item] = [
    {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "The user"}, {"type": "summary_text", "text": "wants…"}],
    },
    {"id": "rs_2", "type": "reasoning", "summary": [], "encrypted_content": "gAAAAB"},
    message(text("Sunny."), text(" Really.")),
]
OPEN_REASONING: list[Item] = [
    {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "The user wants…"}],
    },
    message(text("Sunny.")),
]
OWN_TOOLS: list[Item] = [
    {
        "id": "ws_1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "weather"},
    },
    {
        "id": "ci_1",
        "type": "code_interpreter_call",
        "status": "completed",
        "container_id": "cntr_1",
        "code": "print(1)",
        "outputs": [{"type": "logs", "logs": "1\n"}],
    },
    {
        "id": "mcp_1",
        "type": "mcp_call",
        "server_label": "docs",
        "name": "look_up",
        "arguments": '{"q": 1}',
        "output": "found",
        "error": None,
    },
    {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_9", "name": "sql", "input": "select 1"},
    {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "AAEC"},
    message(text("Done.")),
]
ANSWERS: dict[str, list[Item]] = {
    "plain": PLAIN,
    "parallel tools": TOOLS,
    "refusal": REFUSAL,
    "reasoning": REASONING,
    "open reasoning": OPEN_REASONING,
    "the provider's tools": OWN_TOOLS,
}


def response(output: list[Item], status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {
        "id": "resp_67ccd",
        "object": "response",
        "created_at": 1741476542,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": MODEL,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        **fields,
    }


def answered(document: dict[str, Any], status: int = 200) -> Example:
    return Example("/v1/responses", ASKED, sse(document)[6:-2], status=status)


def whole(output: list[Item], **fields: Any) -> Example:
    return answered(response(output, **{"usage": USAGE, **fields}))


def streamed(output: list[Item], status: str = "completed", **fields: Any) -> Example:
    """`fields`: of the whole response at the end, e.g. `usage`."""
    return played(*events(output), (f"response.{status}", {"response": response(output, status, **fields)}))


def played(*named: tuple[str, dict[str, Any]]) -> Example:
    documents = [
        (name, {"type": name, **fields, "sequence_number": number}) for number, (name, fields) in enumerate(named)
    ]
    return Example("/v1/responses", {**ASKED, "stream": True}, sse(*documents), "text/event-stream; charset=utf-8")


def events(output: list[Item]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All but the last one."""
    yield "response.created", {"response": response([], "in_progress")}
    yield "response.in_progress", {"response": response([], "in_progress")}
    for index, item in enumerate(output):
        place = {"output_index": index, "item_id": item["id"]}
        yield "response.output_item.added", {"output_index": index, "item": _begun(item)}
        yield from _grown(item, place)
        yield "response.output_item.done", {"output_index": index, "item": item}


def _begun(item: Item) -> Item:
    empty: dict[str, Any] = {"content": [], "summary": [], "arguments": "", "input": "", "code": "", "outputs": None}
    kept = {name: value for name, value in item.items() if name not in ("action", "output", "result")}
    return {name: empty.get(name, value) for name, value in kept.items()} | {"status": "in_progress"}


def _grown(item: Item, place: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for field, name in (
        ("arguments", "mcp_call_arguments" if item["type"] == "mcp_call" else "function_call_arguments"),
        ("input", "custom_tool_call_input"),
        ("code", "code_interpreter_call_code"),
    ):
        if field in item:
            for piece in _pieces(item[field]):
                yield f"response.{name}.delta", {**place, "delta": piece}
            yield f"response.{name}.done", {**place, field: item[field]}
    for number, part in enumerate(item.get("summary", [])):
        at = {**place, "summary_index": number}
        yield "response.reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
        for piece in _pieces(part["text"]):
            yield "response.reasoning_summary_text.delta", {**at, "delta": piece}
        yield "response.reasoning_summary_text.done", {**at, "text": part["text"]}
        yield "response.reasoning_summary_part.done", {**at, "part": part}
    for number, part in enumerate(item.get("content", [])):
        at = {**place, "content_index": number}
        field = "refusal" if part["type"] == "refusal" else "text"
        yield "response.content_part.added", {**at, "part": {**part, field: ""}}
        for piece in _pieces(part[field]):
            yield f"response.{part['type']}.delta", {**at, "delta": piece, "logprobs": [], "obfuscation": "x7"}
        yield f"response.{part['type']}.done", {**at, field: part[field], "logprobs": []}
        yield "response.content_part.done", {**at, "part": part}


def _pieces(said: str) -> Iterator[str]:
    for start in range(0, len(said), 8):
        yield said[start : start + 8]
