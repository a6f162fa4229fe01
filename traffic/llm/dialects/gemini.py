"""Gemini's API, of Google AI and of Vertex: `.../models/MODEL:generateContent` and `:streamGenerateContent`.

    request     systemInstruction, contents[].parts[], tools[].functionDeclarations[], generationConfig; names may also
                be in snake_case
    answer      candidates[].content.parts[], finishReason; usageMetadata
    stream      answers whose parts continue each other: server-sent events with `alt=sse`, else elements of one list,
                which comes as it grows. No event ends it: it is whole once each candidate has its finishReason

`usageMetadata` grows from one to the next, so the last one counts. The prompt's tokens include cached ones, the
candidates' do not include thoughts, and what Google's own tools put into the prompt is counted apart.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Final, Literal

from traffic.llm.call import (
    Chunk,
    Media,
    Message,
    Part,
    ProviderError,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from traffic.llm.dialect import Answered, Asked, RequestView, StreamReader
from traffic.llm.errors import provider_error
from traffic.llm.events import Event
from traffic.llm.shapes import base64_bytes, count, json_text, mapping, sequence, text, text_or_none

_METHODS: Final = (":generateContent", ":streamGenerateContent")
_SAID_ELSEWHERE: Final = frozenset({"model", "contents", "systemInstruction", "system_instruction", "tools"})
_KINDS: Final[dict[str, Literal["image", "audio", "video", "file"]]] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
}


class Gemini:
    name = "gemini.generate_content"
    operation = "generate_content"
    framing = "sse"

    def matches(self, request: RequestView) -> bool:
        return request.posts_to(_METHODS, "contents")

    def asked(self, request: RequestView) -> Asked:
        document = mapping(request.document)
        model, _, method = request.path.rpartition("/")[2].partition(":")
        return Asked(
            model=model or None,
            stream=method.startswith("stream"),
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
            for part in _parts(mapping(found).get("content")):
                candidate.parts.append(part)
                chunk = _chunk(part, at_ms)
                if chunk is not None:
                    chunks.append(chunk)
        return chunks

    def _candidate(self, found: dict[str, Any]) -> _Candidate:
        index = count(found.get("index")) or 0
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate()
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
            usage=_usage(mapping(self._last.get("usageMetadata"))),
            error=self._error,
            ended=None not in reasons or self._error is not None,
        )


def _chunk(part: Part, at_ms: float | None) -> Chunk | None:
    if isinstance(part, Text):
        return Chunk(at_ms, "text", part.text)
    if isinstance(part, Reasoning):
        return Chunk(at_ms, "reasoning", part.text)
    return Chunk(at_ms, "tool_call", part.name + part.arguments) if isinstance(part, ToolCall) else None


def _usage(metadata: dict[str, Any]) -> Usage:
    found: dict[str, Any] = {}
    sources = {}
    for ours, names in (
        ("input_tokens", ("promptTokenCount", "toolUsePromptTokenCount")),
        ("output_tokens", ("candidatesTokenCount", "thoughtsTokenCount")),
        ("cached_input_tokens", ("cachedContentTokenCount",)),
        ("reasoning_tokens", ("thoughtsTokenCount",)),
    ):
        counts = {name: tokens for name in names if (tokens := count(metadata.get(name))) is not None}
        if counts:
            found[ours] = sum(counts.values())
            kind = "derived" if len(counts) > 1 else "reported"
            sources[ours] = f"{kind}: {' + '.join(f'usageMetadata.{name}' for name in counts)}"
    return Usage(**found, sources=sources)


def _either(document: dict[str, Any], name: str, other: str) -> Any:
    return document[name] if name in document else document.get(other)


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
    system = tuple(_parts(_either(document, "systemInstruction", "system_instruction")))
    if system:
        yield Message("system", system)
    contents = document.get("contents")
    for content in map(mapping, contents if isinstance(contents, list) else [contents]):
        parts = _parts(content)
        if content.get("role") == "model":
            yield Message("assistant", tuple(parts))
            continue
        for is_result, group in groupby(parts, lambda part: isinstance(part, ToolResult)):
            if is_result:
                yield from (Message("tool", (part,)) for part in group)
            else:
                yield Message("user", tuple(group))


def _parts(content: Any) -> Iterator[Part]:
    if isinstance(content, str):
        content = {"parts": [{"text": content}]}
    parts = mapping(content).get("parts")
    for part in map(mapping, parts if isinstance(parts, list) else [parts]):
        found = _part(part)
        if found is not None:
            yield found


def _part(part: dict[str, Any]) -> Part | None:
    """None: of no kind that is known."""
    words = text(part.get("text"))
    if words:
        return Reasoning(words) if part.get("thought") is True else Text(words)
    for name, value in part.items():
        read = _PARTS.get(name)
        if read is not None:
            return read(mapping(value))
    return None


def _call(call: dict[str, Any]) -> Part | None:
    name = text(call.get("name")) or text(call.get("toolType"))
    return ToolCall(text_or_none(call.get("id")), name, json_text(call.get("args", {}))) if name else None


def _response(response: dict[str, Any]) -> Part | None:
    name = text_or_none(response.get("name")) or text_or_none(response.get("toolType"))
    said = response.get("response")
    is_error = "error" in mapping(said)
    return ToolResult(text_or_none(response.get("id")), name, json_text(said), is_error)


def _code(code: dict[str, Any]) -> Part | None:
    return ToolCall(text_or_none(code.get("id")), "code_execution", json_text(code))


def _outcome(result: dict[str, Any]) -> Part | None:
    is_error = result.get("outcome") != "OUTCOME_OK"
    return ToolResult(text_or_none(result.get("id")), "code_execution", text(result.get("output")), is_error)


def _media(data: dict[str, Any]) -> Part | None:
    mime_type = text_or_none(_either(data, "mimeType", "mime_type"))
    kind = _KINDS.get((mime_type or "").partition("/")[0], "file")
    reference = text(_either(data, "fileUri", "file_uri"))
    if reference:
        return Media(kind, mime_type, reference)
    return Media(kind, mime_type, "inline", base64_bytes(text(data.get("data"))))


_PARTS: Final[dict[str, Callable[[dict[str, Any]], Part | None]]] = {
    "functionCall": _call,
    "function_call": _call,
    "toolCall": _call,
    "functionResponse": _response,
    "function_response": _response,
    "toolResponse": _response,
    "executableCode": _code,
    "codeExecutionResult": _outcome,
    "inlineData": _media,
    "inline_data": _media,
    "fileData": _media,
    "file_data": _media,
}
