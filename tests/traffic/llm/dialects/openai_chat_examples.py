"""Chat completions as OpenAI, OpenRouter, llama.cpp, vLLM and LM Studio send them, whole and streamed."""

from collections.abc import Iterable
from typing import Any

from tests.traffic.llm.example import Example, sse

MODEL = "gpt-4o-mini-2024-07-18"
ASKED: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Weather in Zürich?"}]}
USAGE: dict[str, Any] = {
    "prompt_tokens": 1117,
    "completion_tokens": 46,
    "total_tokens": 1163,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 20,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def call(number: int, name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


# Messages of whole answers, and the deltas that amount to the same.
PLAIN: dict[str, Any] = {"role": "assistant", "content": "Grüezi! 21 °C ☀️", "refusal": None, "annotations": []}
PLAIN_DELTAS: list[dict[str, Any]] = [
    {"role": "assistant", "content": "", "refusal": None},
    *({"content": piece} for piece in ("Gr", "üezi!", " 21 °C", " ☀️")),
]
TOOLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [call(1, "weather", '{"city": "Zürich"}'), call(2, "now", "{}")],
    "refusal": None,
}
TOOLS_DELTAS: list[dict[str, Any]] = [
    {"role": "assistant", "content": None},
    {"tool_calls": [{"index": 0, **call(1, "weather", "")}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"city'}}]},
    {"tool_calls": [{"index": 1, **call(2, "now", "{")}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '": "Zürich"}'}}]},
    {"tool_calls": [{"index": 1, "function": {"arguments": "}"}}]},
]
REFUSAL = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
REFUSAL_DELTAS: list[dict[str, Any]] = [
    {"role": "assistant", "content": None, "refusal": ""},
    {"refusal": "I can't"},
    {"refusal": " help with that."},
]
LLAMA = {"role": "assistant", "reasoning_content": "The user wants…", "content": "Sunny."}
LLAMA_DELTAS: list[dict[str, Any]] = [
    {"role": "assistant", "content": None},
    {"reasoning_content": "The user"},
    {"reasoning_content": " wants…"},
    {"content": "Sunny."},
]
FUNCTION = {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": '{"a": 1}'}}
FUNCTION_DELTAS: list[dict[str, Any]] = [
    {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": ""}},
    {"function_call": {"arguments": '{"a":'}},
    {"function_call": {"arguments": " 1}"}},
]
AUDIO = {
    "role": "assistant",
    "content": None,
    "audio": {"id": "audio_1", "data": "AAECAwQF", "expires_at": 1729234747, "transcript": "Yes, sunny."},
}
AUDIO_DELTAS: list[dict[str, Any]] = [
    {"role": "assistant", "content": None, "audio": {"id": "audio_1", "transcript": "Yes,"}},
    {"audio": {"data": "AAEC"}},
    {"audio": {"transcript": " sunny."}},
    {"audio": {"data": "AwQF"}},
    {"audio": {"expires_at": 1729234747}},
]
ANSWERS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]] = {
    "plain": (PLAIN, PLAIN_DELTAS, "stop"),
    "parallel tools": (TOOLS, TOOLS_DELTAS, "tool_calls"),
    "refusal": (REFUSAL, REFUSAL_DELTAS, "stop"),
    "reasoning": (LLAMA, LLAMA_DELTAS, "length"),
    "deprecated function call": (FUNCTION, FUNCTION_DELTAS, "function_call"),
    "audio": (AUDIO, AUDIO_DELTAS, "stop"),
}


def whole(*messages: dict[str, Any], reason: str = "stop", **fields: Any) -> Example:
    """`fields`: of the answer, e.g. `usage`."""
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": reason}
        for index, message in enumerate(messages)
    ]
    return answered({**_head("chat.completion"), "choices": choices, "system_fingerprint": "fp_1", **fields})


def answered(document: dict[str, Any], status: int = 200) -> Example:
    return Example("/v1/chat/completions", ASKED, sse(document)[6:-2], status=status)


def chunk(*choices: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**_head("chat.completion.chunk"), "choices": list(choices), "obfuscation": "aZ3", **fields}


def streamed(deltas: Iterable[dict[str, Any]], reason: str = "stop", usage: dict[str, Any] | None = None) -> Example:
    """As OpenAI sends one choice; usage in a last chunk of its own, if the client asked for it."""
    steps: list[dict[str, Any]] = [
        *({"delta": delta, "finish_reason": None} for delta in deltas),
        {"delta": {}, "finish_reason": reason},
    ]
    null: dict[str, Any] = {} if usage is None else {"usage": None}
    chunks = [chunk({"index": 0, "logprobs": None, **step}, **null) for step in steps]
    return played(*chunks, *([] if usage is None else [chunk(usage=usage)]), b"[DONE]")


def played(*events: Any) -> Example:
    return Example("/v1/chat/completions", {**ASKED, "stream": True}, sse(*events), "text/event-stream; charset=utf-8")


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-B9MBs8", "object": kind, "created": 1741569952, "model": MODEL}
