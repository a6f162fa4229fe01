"""Properties of the dialects of Anthropic's, Gemini's and Ollama's APIs: however an answer is cut into pieces it is the
same, and no JSON, of whatever shape, makes them fail.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traffic.llm.damage import event, read_anything
from tests.traffic.llm.dialects import anthropic_examples as anthropic
from tests.traffic.llm.dialects import gemini_examples as gemini
from tests.traffic.llm.dialects import ollama_examples as ollama
from traffic.llm.call import Message, Part, Reasoning, Text, ToolCall
from traffic.llm.dialect import Dialect
from traffic.llm.dialects.anthropic_messages import AnthropicMessages
from traffic.llm.dialects.gemini import Gemini
from traffic.llm.dialects.gemini_embeddings import GeminiEmbeddings
from traffic.llm.dialects.ollama_chat import OllamaChat
from traffic.llm.dialects.ollama_generate import OllamaGenerate

ALL_BLOCKS = [block for content in anthropic.CONTENTS.values() for block in content]
DOCUMENTS: list[tuple[str, Dialect, list[Any]]] = [
    (
        "/v1/messages",
        AnthropicMessages(),
        [
            {**anthropic.ASKED, "system": "x", "metadata": {"user_id": "u"}, "tools": [{"name": "a"}]},
            {"messages": [{"role": "user", "content": ALL_BLOCKS}]},
            {"type": "message", "content": ALL_BLOCKS, "usage": anthropic.CACHED, "stop_reason": "x"},
            anthropic.OVERLOADED,
            *anthropic.start(anthropic.CACHED),
            *anthropic.blocks(ALL_BLOCKS),
            *anthropic.end(anthropic.CACHED),
        ],
    ),
    (
        "/v1beta/models/m:generateContent",
        Gemini(),
        [
            gemini.ASKED,
            {"contents": [chunk["candidates"][0]["content"] for chunks in gemini.STREAMS.values() for chunk in chunks]},
            *(chunk for chunks in gemini.STREAMS.values() for chunk in chunks),
            gemini.QUOTA,
        ],
    ),
    (
        "/v1beta/models/m:batchEmbedContents",
        GeminiEmbeddings(),
        [{"requests": [{"content": {"parts": [{"text": "a"}]}}]}, {"usageMetadata": {"promptTokenCount": 1}}],
    ),
    (
        "/api/chat",
        OllamaChat(),
        [
            {**ollama.CHAT, "tools": [{"function": {"name": "a", "description": "b"}}]},
            {"messages": [line["message"] for lines in ollama.CHATS.values() for line in lines]},
            *(line for lines in ollama.CHATS.values() for line in lines),
        ],
    ),
    (
        "/api/generate",
        OllamaGenerate(),
        [
            {**ollama.GENERATE, "system": "a", "images": ["iVBORw=="]},
            *(line for lines in ollama.COMPLETIONS.values() for line in lines),
        ],
    ),
]
pieces = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=6)


@pytest.mark.parametrize(("path", "dialect", "documents"), DOCUMENTS, ids=[path for path, _, _ in DOCUMENTS])
@given(data=st.data())
def test_json_of_any_shape_is_read_without_a_failure(
    path: str, dialect: Dialect, documents: list[Any], data: st.DataObject
) -> None:
    read_anything(dialect, path, documents, data)


def fed(dialect: Dialect, documents: list[Any]) -> tuple[tuple[Message, ...], list[tuple[str, str]]]:
    """The output of a stream, and what its events added."""
    reader = dialect.stream()
    chunks = [chunk for document in documents for chunk in reader.feed(event(document))]
    return reader.answered().output, [(chunk.kind, chunk.text) for chunk in chunks]


@given(said=pieces, thought=pieces, arguments=pieces)
def test_pieces_of_any_size_add_up(said: list[str], thought: list[str], arguments: list[str]) -> None:
    parts = [("reasoning", thought), ("text", said)]
    output, added = fed(
        AnthropicMessages(),
        [
            *_streamed(0, {"type": "thinking", "thinking": ""}, "thinking_delta", "thinking", thought),
            *_streamed(1, {"type": "text", "text": ""}, "text_delta", "text", said),
            *_streamed(
                2, {"type": "tool_use", "name": "f", "input": {}}, "input_json_delta", "partial_json", arguments
            ),
        ],
    )
    call = ToolCall(None, "f", "".join(arguments) or "{}")
    thoughts, texts = "".join(thought), "".join(said)
    assert output == (Message("assistant", (Reasoning(thoughts), *([Text(texts)] if texts else []), call)),)
    expected = [(kind, piece) for kind, pieces in parts for piece in pieces]
    assert [each for each in added if each[0] != "tool_call"] == expected
    spoken: tuple[Part, ...] = (*([Reasoning(thoughts)] if thoughts else []), *([Text(texts)] if texts else []))
    alike = (Message("assistant", spoken),) if spoken else ()
    thinking = [gemini.chunk({"text": piece, "thought": True}) for piece in thought]
    assert fed(Gemini(), thinking + [gemini.chunk({"text": piece}) for piece in said]) == (alike, expected)
    lines = [ollama.said(thinking=piece) for piece in thought] + [ollama.said(content=piece) for piece in said]
    assert fed(OllamaChat(), lines) == (alike, expected)
    lines = [ollama.written(thinking=piece) for piece in thought] + [ollama.written(piece) for piece in said]
    assert fed(OllamaGenerate(), lines) == (alike, expected)


def _streamed(index: int, block: dict[str, Any], delta: str, field: str, added: list[str]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": {"type": delta, field: piece}} for piece in added),
        {"type": "content_block_stop", "index": index},
    ]
