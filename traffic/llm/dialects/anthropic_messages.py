"""Anthropic's Messages API, also as llama.cpp, LM Studio, Ollama and gateways speak it: `.../v1/messages`. On Vertex it
is `.../models/MODEL:rawPredict` or `:streamRawPredict`, on Bedrock `/model/MODEL/invoke`, and says `anthropic_version`.

    request     system, messages[].content: text or blocks; tools; metadata.user_id names the session
    answer      {"type": "message", "content": [block, ...], "stop_reason", "usage"}
    stream      message_start, then for each block content_block_start, _delta ..., _stop; message_delta; message_stop;
                pings between them; an error ends it

The counts of a stream are cumulative: those of message_delta replace those of message_start, and a count that a later
event leaves out stays. `input_tokens` is without what was read from a cache or written into one.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple

from traffic.llm.call import (
    Chunk,
    Media,
    Message,
    Part,
    ProviderError,
    Reasoning,
    Role,
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

_SAID_ELSEWHERE: Final = frozenset({"model", "messages", "system", "tools", "stream"})
_CLOUD_ENDS: Final = (":rawPredict", ":streamRawPredict", "/invoke")
_CLOUD_PATH: Final = re.compile(r"/models?/(?P<model>[^/]+?)(?::rawPredict|:streamRawPredict|/invoke)/?$")
_ROLES: Final[dict[str, Role]] = {"user": "user", "assistant": "assistant", "system": "system"}
_MEDIA: Final[dict[str, Literal["image", "file"]]] = {"image": "image", "document": "file", "container_upload": "file"}
_DETAILS: Final = (
    ("cache_creation", "ephemeral_1h_input_tokens"),
    ("output_tokens_details", "thinking_tokens"),
)
_INPUT: Final = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")

_BLOCKS_MAX: Final = 4096  # of a stream: each takes memory

Figures = dict[str, tuple[int, str]]  # by field of `usage`: the count, and its JSON path


class _Delta(NamedTuple):
    source: str  # the field of the delta that holds what it adds
    field: str  # the field of the block that it continues
    kind: Literal["text", "reasoning", "tool_call"]


_DELTAS: Final = {
    "text_delta": _Delta("text", "text", "text"),
    "thinking_delta": _Delta("thinking", "thinking", "reasoning"),
    "input_json_delta": _Delta("partial_json", "input", "tool_call"),
    "compaction_delta": _Delta("content", "content", "text"),
}


class AnthropicMessages:
    name = "anthropic.messages"
    operation = "chat"
    framing = "sse"

    def matches(self, request: RequestView) -> bool:
        return request.posts_to("/v1/messages", "messages") or _path_model(request) is not None

    def asked(self, request: RequestView) -> Asked:
        document = mapping(request.document)
        user = text_or_none(mapping(document.get("metadata")).get("user_id"))
        return Asked(
            model=text_or_none(document.get("model")) or _path_model(request),
            stream=document.get("stream") is True,
            parameters={name: value for name, value in document.items() if name not in _SAID_ELSEWHERE},
            tools=tuple(_tools(document)),
            input=tuple(_input(document)),
            session=user,
            session_source="metadata.user_id" if user else None,
        )

    def answered(self, document: Any) -> Answered:
        document = mapping(document)
        figures: Figures = {}
        _count(document.get("usage"), "usage", figures)
        error = provider_error(document)
        return Answered(
            **_facts(document, tuple(_parts(document.get("content")))),
            usage=_usage(figures),
            error=error,
            ended="content" in document or error is not None,
        )

    def stream(self) -> StreamReader:
        return _Reader()


def _path_model(request: RequestView) -> str | None:
    """Of Vertex and Bedrock; None: it is neither's."""
    if request.document is None or not request.posts_to(_CLOUD_ENDS, "anthropic_version"):
        return None
    match = _CLOUD_PATH.search(request.path)
    return match["model"] if match is not None and match["model"] != "count-tokens" else None


class _Block:
    """One that is being streamed: how it started, and what was added."""

    __slots__ = ("added", "field", "is_whole", "start")

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.added: list[str] = []
        self.field = ""
        self.is_whole = False

    def part(self) -> Part | None:
        if self.added:
            return _part({**self.start, self.field: text(self.start.get(self.field)) + "".join(self.added)})
        if "input" in self.start and not self.is_whole:  # `{}` so far; what it will be comes next
            return _part({**self.start, "input": ""})
        return _part(self.start)


class _Reader:
    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}
        self._figures: Figures = {}
        self._error: ProviderError | None = None
        self._has_ended = False

    def feed(self, event: Event) -> list[Chunk]:
        document = mapping(event.document())
        match document.get("type"):
            case "content_block_delta":
                return self._add(document, event.at_ms)
            case "content_block_start":
                return self._start(document, event.at_ms)
            case "content_block_stop":
                self._block(document).is_whole = True
            case "message_start":
                self._message = mapping(document.get("message"))
                _count(self._message.get("usage"), "message.usage", self._figures)
            case "message_delta":
                self._message = {**self._message, **mapping(document.get("delta"))}
                _count(document.get("usage"), "usage", self._figures)
            case "message_stop":
                self._has_ended = True
            case _:
                self._error = provider_error(document) or self._error
        return []

    def answered(self) -> Answered:
        parts = (block.part() for _, block in sorted(self._blocks.items()))
        return Answered(
            **_facts(self._message, tuple(part for part in parts if part)),
            usage=_usage(self._figures),
            error=self._error,
            ended=self._has_ended or self._error is not None,
        )

    def _start(self, document: dict[str, Any], at_ms: float | None) -> list[Chunk]:
        block = _Block(mapping(document.get("content_block")))
        index = count(document.get("index"))
        if index is None:
            raise ValueError("content_block_start has no index")
        if len(self._blocks) < _BLOCKS_MAX:
            self._blocks[index] = block
        match _part(block.start):
            case Text(said):
                return [Chunk(at_ms, "text", said)]
            case Reasoning(thought) if thought:
                return [Chunk(at_ms, "reasoning", thought)]
            case ToolCall(name=name):
                return [Chunk(at_ms, "tool_call", name)]
        return []

    def _add(self, document: dict[str, Any], at_ms: float | None) -> list[Chunk]:
        delta = mapping(document.get("delta"))
        known = _DELTAS.get(text(delta.get("type")))
        if known is None:  # a signature, a citation
            return []
        source, field, kind = known
        added = delta.get(source)
        if not isinstance(added, str) or not added:
            return []
        block = self._block(document)
        block.added.append(added)
        block.field = field
        return [Chunk(at_ms, kind, added)]

    def _block(self, document: dict[str, Any]) -> _Block:
        index = document.get("index")
        block = self._blocks.get(index) if isinstance(index, int) else None
        if block is None:
            raise ValueError(f"{document['type']} of a block that did not start")
        return block


def _facts(message: dict[str, Any], parts: tuple[Part, ...]) -> dict[str, Any]:
    return {
        "response_model": text_or_none(message.get("model")),
        "response_id": text_or_none(message.get("id")),
        "output": (Message("assistant", parts),) if parts else (),
        "finish_reason": text_or_none(message.get("stop_reason")),
    }


def _count(usage: Any, path: str, figures: Figures) -> None:
    """Add the counts of one `usage`; they replace earlier ones."""
    usage = mapping(usage)
    for name in (*_INPUT, "output_tokens"):
        tokens = count(usage.get(name))
        if tokens is not None:
            figures[name] = tokens, f"{path}.{name}"
    for details, name in _DETAILS:
        of_these = usage.get(details)
        tokens = count(of_these.get(name)) if isinstance(of_these, dict) else None
        if tokens is not None:
            figures[name] = tokens, f"{path}.{details}.{name}"


def _usage(figures: Figures) -> Usage:
    found: dict[str, Any] = {}
    sources = {}
    for name, ours in (
        ("output_tokens", "output_tokens"),
        ("cache_read_input_tokens", "cached_input_tokens"),
        ("cache_creation_input_tokens", "cache_write_tokens"),
        ("ephemeral_1h_input_tokens", "cache_write_1h_tokens"),
        ("thinking_tokens", "reasoning_tokens"),
    ):
        if name in figures:
            found[ours], path = figures[name]
            sources[ours] = f"reported: {path}"
    if "input_tokens" in figures:
        summands = [figures[name] for name in _INPUT if name in figures]
        found["input_tokens"] = sum(tokens for tokens, _ in summands)
        kind = "derived" if len(summands) > 1 else "reported"
        sources["input_tokens"] = f"{kind}: {' + '.join(path for _, path in summands)}"
    return Usage(**found, sources=sources)


def _tools(document: dict[str, Any]) -> Iterator[Tool]:
    for tool in map(mapping, sequence(document.get("tools"))):
        name = text(tool.get("name")) or text(tool.get("type"))
        if name:
            yield Tool(name, text_or_none(tool.get("description")))


def _input(document: dict[str, Any]) -> Iterator[Message]:
    """Results of tools, which are said in the user's name, become messages of their own."""
    system = tuple(_parts(document.get("system")))
    if system:
        yield Message("system", system)
    for message in map(mapping, sequence(document.get("messages"))):
        role = _ROLES.get(text(message.get("role")), "user")
        content = message.get("content")
        if role != "user" or not isinstance(content, list):
            yield Message(role, tuple(_parts(content)))
            continue
        for is_result, blocks in groupby(map(mapping, content), lambda block: block.get("type") == "tool_result"):
            if is_result:
                yield from (Message("tool", tuple(_result(block))) for block in blocks)
            else:
                yield Message("user", tuple(_parts(list(blocks))))


def _result(block: dict[str, Any]) -> Iterator[Part]:
    """The result, and the images and documents in it."""
    parts = tuple(_parts(block.get("content")))
    said = "\n".join(part.text for part in parts if isinstance(part, Text))
    yield ToolResult(text_or_none(block.get("tool_use_id")), None, said, block.get("is_error") is True)
    yield from (part for part in parts if isinstance(part, Media))


def _parts(content: Any) -> Iterator[Part]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for block in sequence(content):
        part = _part(mapping(block))
        if part is not None:
            yield part


def _part(block: dict[str, Any]) -> Part | None:
    """None: of no kind that is known."""
    kind = text(block.get("type"))
    match kind:
        case "text":
            return _said(block.get("text"))
        case "thinking" | "redacted_thinking":
            return Reasoning(text(block.get("thinking")))
        case "compaction":
            return _said(block.get("content"))
        case "search_result":
            words = (text(each.get("text")) for each in map(mapping, sequence(block.get("content"))))
            return _said("\n".join(filter(None, words)))
        case "image" | "document" | "container_upload":
            return _media(block, _MEDIA[kind])
    if kind.endswith("tool_use"):  # server_tool_use, mcp_tool_use
        return ToolCall(text_or_none(block.get("id")), text(block.get("name")), json_text(block.get("input", {})))
    if kind.endswith("tool_result"):  # of a tool that the provider called: its content is of many shapes
        content = block.get("content")
        is_error = block.get("is_error") is True or text(mapping(content).get("type")).endswith("_error")
        return ToolResult(text_or_none(block.get("tool_use_id")), None, json_text(content), is_error)
    return None


def _said(words: Any) -> Text | None:
    return Text(words) if isinstance(words, str) and words else None


def _media(block: dict[str, Any], kind: Literal["image", "file"]) -> Media:
    source = mapping(block.get("source"))
    mime_type = text_or_none(source.get("media_type"))
    reference = text(source.get("url")) or text(source.get("file_id")) or text(block.get("file_id"))
    if reference:
        return Media(kind, mime_type, reference)
    data = text(source.get("data"))
    size = base64_bytes(data) if source.get("type") == "base64" else len(data.encode("utf-8", "replace"))
    return Media(kind, mime_type, "inline", size if data else None)
