"""Answers of Gemini's API, whole and streamed, as its documentation shows them."""

import json
from typing import Any

from tests.traffic.llm.example import Example, sse

Chunks = list[dict[str, Any]]

MODEL = "gemini-test"
PATH = f"/v1beta/models/{MODEL}"
ASKED: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Weather in Zürich?"}]}]}


def chunk(*parts: dict[str, Any], **usage: int) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0}],
        "usageMetadata": {f"{name}TokenCount": count for name, count in usage.items()},
        "modelVersion": "gemini-test-001",
        "responseId": "r_1",
    }


def last(*parts: dict[str, Any], reason: str = "STOP", **usage: int) -> dict[str, Any]:
    document = chunk(*parts, **usage)
    document["candidates"][0]["finishReason"] = reason
    return document


PLAIN: Chunks = [
    chunk({"text": "Grüezi! "}, prompt=10, total=10),
    chunk({"text": "21 °C, "}, prompt=10, candidates=4, total=14),
    last({"text": "sonnig ☀️."}, prompt=10, candidates=9, total=19),
]
THINKING: Chunks = [
    chunk({"text": "**Weather** The user…", "thought": True}, prompt=10, thoughts=30, total=40),
    chunk({"text": " asks.", "thought": True}, prompt=10, thoughts=45, total=55),
    chunk({"text": "Sunny."}, prompt=10, cachedContent=6, candidates=2, thoughts=45, total=57),
    last({"text": "", "thoughtSignature": "CiQB"}, prompt=10, cachedContent=6, candidates=3, thoughts=45, total=58),
]
PARALLEL_TOOLS: Chunks = [
    chunk({"text": "I'll look."}, prompt=10, candidates=3, total=13),
    chunk(
        {"functionCall": {"id": "f1", "name": "weather", "args": {"city": "Zürich"}}, "thoughtSignature": "CiQB"},
        {"functionCall": {"name": "now", "args": {}}},
        prompt=10,
        candidates=9,
        total=19,
    ),
    last({"functionCall": {"name": "weather", "args": {"city": "Bern"}}}, prompt=10, candidates=14, total=24),
]
CODE: Chunks = [
    chunk({"executableCode": {"language": "PYTHON", "code": "print(1)"}}, prompt=10, total=10),
    chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}, prompt=10, toolUsePrompt=40, total=50),
    last({"text": "One."}, prompt=10, toolUsePrompt=40, candidates=2, total=52),
]
STREAMS: dict[str, Chunks] = {"plain": PLAIN, "thinking": THINKING, "parallel tools": PARALLEL_TOOLS, "code": CODE}
QUOTA = {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}


def streamed(chunks: Chunks) -> Example:
    return Example(f"{PATH}:streamGenerateContent?alt=sse", ASKED, sse(*chunks), "text/event-stream")


def listed(chunks: Chunks) -> Example:
    """As it comes without `alt=sse`."""
    content = json.dumps(chunks, ensure_ascii=False, indent=1).encode()
    return Example(f"{PATH}:streamGenerateContent", ASKED, content, "application/json; charset=UTF-8")


def whole(chunks: Chunks) -> Example:
    """All of it in one answer."""
    parts = [part for each in chunks for part in each["candidates"][0]["content"]["parts"]]
    end = chunks[-1]
    document = {**end, "candidates": [{**end["candidates"][0], "content": {"role": "model", "parts": parts}}]}
    return answer(document)


def answer(document: Any, status: int = 200) -> Example:
    content = json.dumps(document, ensure_ascii=False).encode()
    return Example(f"{PATH}:generateContent", ASKED, content, "application/json; charset=UTF-8", status)
