"""What other servers add to OpenAI's chat completions: OpenRouter, LM Studio, vLLM, Azure, Mistral."""

from typing import Any

import pytest

from tests.traffic.llm.dialects.openai_chat_examples import MODEL, PLAIN, answered, call, chunk, played, whole
from tests.traffic.llm.example import decode
from tests.traffic.llm.properties import check_all
from traffic.llm.call import LlmCall, Media, Part, ProviderError, Reasoning, Text, ToolCall
from traffic.llm.dialects.openai_chat import OpenAIChat


def told(*deltas: dict[str, Any]) -> LlmCall:
    chunks = [chunk({"index": 0, "delta": delta, "finish_reason": None}) for delta in deltas]
    return check_all(played(b": OPENROUTER PROCESSING", *chunks, b"[DONE]")).call


def parts(*deltas: dict[str, Any]) -> tuple[Part, ...]:
    return told(*deltas).output[0].parts


def test_comments_are_no_events() -> None:
    call = told({"content": "a"}, {"content": "b"})
    assert (call.output[0].text, call.problems) == ("ab", ())


@pytest.mark.parametrize(
    ("usage", "cost", "source"),
    [
        ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 0.95, "reported: usage.cost"),
        ({"cost": 0, "is_byok": False}, 0.0, "reported: usage.cost"),
        (
            {"cost": 0.05, "is_byok": True, "cost_details": {"upstream_inference_cost": 1}},
            1.05,
            "derived: usage.cost + usage.cost_details.upstream_inference_cost",
        ),
        ({"cost": {"total_cost": 1}}, None, None),
        ({"cost": -1}, None, None),
        ({}, None, None),
    ],
)
def test_a_cost_is_taken_where_it_is_reported(usage: dict[str, Any], cost: float | None, source: str | None) -> None:
    """OpenRouter charges a fee alone where the client brings its own key of the provider's."""
    document = {"choices": [], "usage": {"prompt_tokens": 194, **usage}}
    answer = OpenAIChat().answered(document)
    assert (answer.reported_cost_usd, answer.reported_cost_source) == (cost, source)


def test_reasoning_that_is_told_in_several_fields_counts_once() -> None:
    def detail(text: str) -> dict[str, Any]:
        return {"type": "reasoning.text", "text": text, "format": "anthropic-claude-v1", "index": 0}

    deltas = [{"reasoning": piece, "reasoning_details": [detail(piece)]} for piece in ("The ", "user")]
    assert parts(*deltas, {"content": "Hi"}) == (Reasoning("The user"), Text("Hi"))
    message = {"content": "Hi", "reasoning": "The user", "reasoning_details": [detail("The user")]}
    assert decode(whole(message)).call.output[0].parts == (Reasoning("The user"), Text("Hi"))


def test_reasoning_may_come_as_details_alone_or_encrypted() -> None:
    summary = {"type": "reasoning.summary", "summary": "It thought"}
    encrypted = {"type": "reasoning.encrypted", "data": "gAAAA"}
    assert parts({"reasoning_details": [summary, encrypted]}, {"content": "a"}) == (Reasoning("It thought"), Text("a"))
    assert parts({"content": "a"}, {"reasoning_details": [encrypted]}) == (Reasoning(""), Text("a"))


def test_reasoning_may_come_as_parts_of_the_content() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    assert parts({"content": [thinking]}, {"content": "Hi"}) == (Reasoning("Hm"), Text("Hi"))
    message = {"content": [thinking, {"type": "text", "text": "Hi"}]}
    assert decode(whole(message)).call.output[0].parts == (Reasoning("Hm"), Text("Hi"))


def test_images_come_beside_the_content() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}, "index": 0}
    assert parts({"content": "Here"}, {"images": [image]}) == (Text("Here"), Media("image", "image/png", "inline", 3))


def test_calls_that_share_an_index_or_have_none_begin_with_their_names() -> None:
    both = (ToolCall("call_1", "weather", '{"a":1}'), ToolCall("call_2", "now", "{}"))
    for place in ({"index": 0}, {}):
        begun = {**place, **call(1, "weather", '{"a"')}
        more = {**place, "function": {"arguments": ":1}"}}
        other = {**place, **call(2, "now", "{}")}
        assert parts({"tool_calls": [begun]}, {"tool_calls": [more]}, {"tool_calls": [other]}) == both


def test_a_call_whose_pieces_all_have_ids_of_their_own_is_one_call() -> None:
    pieces = [
        {"index": 0, "id": "chatcmpl-tool-1", "function": {"name": "weather"}},
        {"index": 0, "id": "chatcmpl-tool-2", "function": {"arguments": "{}"}},
    ]
    assert parts(*({"tool_calls": [piece]} for piece in pieces)) == (ToolCall("chatcmpl-tool-1", "weather", "{}"),)


def test_an_error_in_a_choice_is_the_providers() -> None:
    error = {"code": 502, "message": "Upstream failed", "metadata": {"provider_name": "X"}}
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "error", "error": error}
    found = check_all(answered({"id": "gen-1", "model": MODEL, "choices": [choice]})).call
    assert found.error == ProviderError(None, "502", "Upstream failed")
    mid_stream = {"error": error, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}
    streamed = check_all(played(chunk({"index": 0, "delta": {"content": "a"}}), mid_stream)).call
    assert (streamed.error, streamed.finish_reason, streamed.truncated) == (found.error, "error", False)


def test_the_first_chunk_of_azure_says_neither_id_nor_model() -> None:
    first = {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    call = check_all(played(first, chunk({"index": 0, "delta": {"content": "a"}}), b"[DONE]")).call
    assert (call.response_id, call.response_model, call.error) == ("chatcmpl-B9MBs8", MODEL, None)


def test_the_statistics_of_lm_studio_are_no_usage() -> None:
    stats = {"tokens_per_second": 51.4, "time_to_first_token": 0.11, "generation_time": 0.95, "stop_reason": "eosFound"}
    usage = {"prompt_tokens": 24, "completion_tokens": 53, "total_tokens": 77}
    call = check_all(whole(PLAIN, stats=stats, usage=usage, model_info={"arch": "granite"})).call
    assert (call.usage.input_tokens, call.usage.output_tokens) == (24, 53)
    assert decode(whole(PLAIN, stats=stats)).call.usage.source == "missing"
