"""Gemini's API, of Google AI and of Vertex: `.../models/MODEL:generateContent` and `:streamGenerateContent`.

    request     systemInstruction, contents[].parts[], tools[].functionDeclarations[], generationConfig; names may also
                be in snake_case
    answer      candidates[].content.parts[], finishReason; usageMetadata
    stream      answers whose parts continue each other: server-sent events with `alt=sse`, else elements of one list,
                which comes as it grows. No event ends it: it is whole once each candidate has its finishReason

`usageMetadata` grows from one to the next, so the last one counts.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from traffic.llm.call import Chunk, Message, Part, ProviderError, Reasoning, Text, Tool, ToolCall, ToolResult
from traffic.llm.dialect import Answered, Asked, RequestView, StreamReader
from traffic.llm.dialects.gemini_content import content_parts, either, path_model, read_usage
from traffic.llm.errors import provider_error
from traffic.llm.events import Event
from traffic.llm.shapes import count, mapping, sequence, text, text_or_none

_STREAMED: Final = ":streamGenerateContent"
_METHODS: Final = (":generateContent", _STREAMED)
_CANDIDATES_MAX: Final = 4096  # of a stream: each takes memory
_SAID_ELSEWHERE: Final = frozenset({"model", "contents", "systemInstruction", "system_instruction", "tools"})


class Gemini:
    name = "gemini.generate_content"
    operation = "generate_content"
    framing = "sse"

    def matches(self, request: RequestView) -> bool:
        return request.posts_to(_METHODS, "contents")

    def asked(self, request: RequestView) -> Asked:
        document = mapping(request.document)
        return Asked(
            model=path_model(request),
            stream=request.path.rstrip("/").endswith(_STREAMED),
            parameters={name: value for name, value in document.items() if name not in _SAID_ELSEWHERE},
            tools=tuple(_tools(document)),
            input=tuple(_input(document)),
        )

    def answered(self, document: Any) -> Answered:
        reader = _Reader()
        reader.take(document, None)
        return reader.answered()

    def stream(self) -> StreamReader:
        return _Reader()


class _Candidate:
    __slots__ = ("finish_reason", "parts")

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.finish_reason: str | None = None

    def message(self) -> Message:
        """What was said piece by piece is one part."""
        parts: list[Part] = []
        for kind, pieces in groupby(self.parts, type):
            if kind is Text or kind is Reasoning:
                said = "".join(piece.text for piece in pieces if isinstance(piece, Text | Reasoning))
                parts.append(Text(said) if kind is Text else Reasoning(said))
            else:
                parts += pieces
        return Message("assistant", tuple(parts))


class _Reader:
    """Also reads a whole answer: it is a stream of one."""

    def __init__(self) -> None:
        self._candidates: dict[int, _Candidate] = {}
        self._last: dict[str, Any] = {}  # of each field, what came last
        self._error: ProviderError | None = None

    def feed(self, event: Event) -> list[Chunk]:
        return self.take(event.document(), event.at_ms)

    def take(self, document: Any, at_ms: float | None) -> list[Chunk]:
        if not isinstance(document, dict) or "candidates" not in document:
            self._error = provider_error(document) or self._error
            document = mapping(document)
        self._last.update(document)
        chunks: list[Chunk] = []
        for found in sequence(document.get("candidates")):
            candidate = self._candidate(mapping(found))
            for part in content_parts(mapping(found).get("content")):
                candidate.parts.append(part)
                chunk = _chunk(part, at_ms)
                if chunk is not None:
                    chunks.append(chunk)
        return chunks

    def _candidate(self, found: dict[str, Any]) -> _Candidate:
        index = count(found.get("index")) or 0
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = _Candidate()
            if len(self._candidates) < _CANDIDATES_MAX:
                self._candidates[index] = candidate
        reason = found.get("finishReason")
        if isinstance(reason, str):
            candidate.finish_reason = reason
        return candidate

    def answered(self) -> Answered:
        candidates = [candidate for _, candidate in sorted(self._candidates.items())]
        blocked = mapping(self._last.get("promptFeedback")).get("blockReason")
        reasons = [candidate.finish_reason for candidate in candidates] or [text_or_none(blocked)]
        return Answered(
            response_model=text_or_none(self._last.get("modelVersion")),
            response_id=text_or_none(self._last.get("responseId")),
            output=tuple(candidate.message() for candidate in candidates if candidate.parts),
            finish_reason=reasons[0],
            usage=read_usage(self._last.get("usageMetadata")),
            error=self._error,
            ended=None not in reasons or self._error is not None,
        )


def _chunk(part: Part, at_ms: float | None) -> Chunk | None:
    if isinstance(part, Text):
        return Chunk(at_ms, "text", part.text)
    if isinstance(part, Reasoning):
        return Chunk(at_ms, "reasoning", part.text)
    return Chunk(at_ms, "tool_call", part.name + part.arguments) if isinstance(part, ToolCall) else None


def _tools(document: dict[str, Any]) -> Iterator[Tool]:
    for tool in map(mapping, sequence(document.get("tools"))):
        for name, value in tool.items():
            if name not in ("functionDeclarations", "function_declarations"):
                yield Tool(name)  # one of Google's own: googleSearch
                continue
            for function in map(mapping, sequence(value)):
                yield Tool(text(function.get("name")), text_or_none(function.get("description")))


def _input(document: dict[str, Any]) -> Iterator[Message]:
    """Results of functions, which are said in the user's name, become messages of their own."""
    system = tuple(content_parts(either(document, "systemInstruction", "system_instruction")))
    if system:
        yield Message("system", system)
    contents = document.get("contents")
    for content in map(mapping, contents if isinstance(contents, list) else [contents]):
        parts = content_parts(content)
        if content.get("role") == "model":
            yield Message("assistant", tuple(parts))
            continue
        for is_result, group in groupby(parts, lambda part: isinstance(part, ToolResult)):
            if is_result:
                yield from (Message("tool", (part,)) for part in group)
            else:
                yield Message("user", tuple(group))
