"""Properties of the dialects of OpenAI's APIs: however an answer is cut into pieces it is the same, and no JSON, of
whatever shape, makes them fail.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traffic.llm.damage import event, read_anything
from tests.traffic.llm.dialects import openai_chat_examples as chat
from tests.traffic.llm.dialects import openai_responses_examples as responses
from traffic.llm.dialect import Dialect
from traffic.llm.dialects.openai_chat import OpenAIChat
from traffic.llm.dialects.openai_completions import OpenAICompletions
from traffic.llm.dialects.openai_embeddings import OpenAIEmbeddings
from traffic.llm.dialects.openai_responses import OpenAIResponses

DIALECTS: dict[str, Dialect] = {
    "/v1/chat/completions": OpenAIChat(),
    "/v1/completions": OpenAICompletions(),
    "/v1/embeddings": OpenAIEmbeddings(),
    "/v1/responses": OpenAIResponses(),
}
CHAT = [message for message, _, _ in chat.ANSWERS.values()]
USAGE: dict[str, Any] = {**chat.USAGE, "cost": 1}
DOCUMENTS: dict[str, list[Any]] = {
    "/v1/chat/completions": [
        {"model": "m", "messages": CHAT, "tools": [{"type": "function", "function": {"name": "a"}}], "user": "u"},
        *({"choices": [{"index": 0, "message": message}], "usage": USAGE} for message in CHAT),
        *(chat.chunk({"index": 0, "delta": delta}) for _, deltas, _ in chat.ANSWERS.values() for delta in deltas),
    ],
    "/v1/completions": [{"prompt": [["a"], [1]]}, {"choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]}],
    "/v1/embeddings": [{"input": ["a"], "model": "m"}, {"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 1}}],
    "/v1/responses": [
        *({"input": items, "instructions": items, "tools": items} for items in responses.ANSWERS.values()),
        *(responses.response(items, usage=responses.USAGE) for items in responses.ANSWERS.values()),
        *({"type": name, **fields} for items in responses.ANSWERS.values() for name, fields in responses.events(items)),
    ],
}


texts = st.text(st.characters(codec="utf-8"), max_size=20)
calls = st.lists(st.tuples(st.text("abc_", min_size=1, max_size=5), texts), max_size=3)
sizes = st.lists(st.integers(1, 5), min_size=1, max_size=5)


@pytest.mark.parametrize("path", DIALECTS)
@given(data=st.data())
def test_json_of_any_shape_is_read_without_a_failure(path: str, data: st.DataObject) -> None:
    read_anything(DIALECTS[path], path, DOCUMENTS[path], data)


@given(said=texts, thought=texts, refusal=texts, tools=calls, sizes=sizes)
def test_a_chat_message_is_the_same_whole_and_in_pieces_of_any_size(
    said: str, thought: str, refusal: str, tools: list[tuple[str, str]], sizes: list[int]
) -> None:
    named = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(tools)
    ]
    whole = {"role": "assistant", "content": said, "reasoning_content": thought, "refusal": refusal}
    deltas: list[dict[str, Any]] = [
        {field: piece} for field in ("reasoning_content", "content", "refusal") for piece in cut(whole[field], sizes)
    ]
    for number, each in enumerate(named):
        deltas.append({"tool_calls": [{**each, "index": number, "function": {"name": tools[number][0]}}]})
        deltas += (
            {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}
            for piece in cut(tools[number][1], sizes)
        )
    reader = OpenAIChat().stream()
    chunks = [each for delta in deltas for each in reader.feed(event(chat.chunk({"index": 0, "delta": delta})))]
    expected = OpenAIChat().answered(chat.chunk({"message": {**whole, "tool_calls": named}}))
    assert reader.answered().output == (expected.output if deltas else ())
    for kind, expected_text in (("text", said), ("reasoning", thought), ("refusal", refusal)):
        assert "".join(each.text for each in chunks if each.kind == kind) == expected_text


@given(said=st.lists(texts, max_size=3), tools=calls, sizes=sizes)
def test_a_response_is_the_same_whole_and_in_pieces_of_any_size(
    said: list[str], tools: list[tuple[str, str]], sizes: list[int]
) -> None:
    items = [
        responses.message(*(responses.text(each) for each in said)),
        *(responses.function_call(1, *tool) for tool in tools),
    ]
    reader = OpenAIResponses().stream()
    for number, item in enumerate(items):
        begun = {**item, "content": []} if number == 0 else {**item, "arguments": ""}
        added = {"type": "response.output_item.added", "output_index": number, "item": begun}
        for each in [added, *pieces(item, number, sizes)]:
            reader.feed(event(each))
    expected = OpenAIResponses().answered(responses.response([item for item in items if item.get("content") != []]))
    assert _filled(reader.answered().output) == _filled(expected.output)


def pieces(item: dict[str, Any], number: int, sizes: list[int]) -> Iterator[dict[str, Any]]:
    if item["type"] == "function_call":
        for piece in cut(item["arguments"], sizes):
            yield {"type": "response.function_call_arguments.delta", "output_index": number, "delta": piece}
    for place, part in enumerate(item.get("content", [])):
        at = {"output_index": number, "content_index": place}
        for piece in cut(part["text"], sizes):
            yield {"type": "response.output_text.delta", **at, "delta": piece}


def _filled(output: Any) -> list[Any]:
    """Without empty texts, which no event tells of."""
    return [part for each in output for part in each.parts if getattr(part, "text", part) != ""]


def cut(whole: Any, sizes: list[int]) -> Iterator[str]:
    start, turn = 0, 0
    while start < len(whole):
        end = start + sizes[turn % len(sizes)]
        yield whole[start:end]
        start, turn = end, turn + 1
