"""Gemini's API in the normal form, and what holds of it wherever the network cuts it."""

from typing import Any

import pytest

from tests.traffic.llm.dialects.gemini_examples import (
    ASKED,
    CODE,
    PARALLEL_TOOLS,
    PATH,
    PLAIN,
    QUOTA,
    STREAMS,
    THINKING,
    answer,
    chunk,
    last,
    listed,
    streamed,
    whole,
)
from tests.traffic.llm.example import DECODER, Example, decode, raw
from tests.traffic.llm.properties import check_all, timeless
from traffic.llm.call import (
    LlmCall,
    Media,
    Message,
    ProviderError,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)


def asked(**fields: Any) -> LlmCall:
    return decode(whole(PLAIN)._replace(asked={**ASKED, **fields})).call


@pytest.mark.parametrize("name", STREAMS)
def test_streamed_listed_and_whole_answers_are_the_same_call_wherever_they_are_cut(name: str) -> None:
    chunks = STREAMS[name]
    stream, elements, document = check_all(streamed(chunks)), check_all(listed(chunks)), check_all(whole(chunks))
    assert timeless(stream.call) == timeless(elements.call) == {**timeless(document.call), "stream": True}
    assert [(each.kind, each.text) for each in stream.chunks] == [(each.kind, each.text) for each in elements.chunks]
    assert (document.call.stream, document.chunks) == (False, [])
    assert (stream.call.problems, stream.call.truncated) == ((), False)


def test_text_thoughts_and_functions_take_the_normal_form() -> None:
    assert decode(streamed(PLAIN)).call.output == (Message("assistant", (Text("Grüezi! 21 °C, sonnig ☀️."),)),)
    assert decode(streamed(THINKING)).call.output == (
        Message("assistant", (Reasoning("**Weather** The user… asks."), Text("Sunny."))),
    )
    assert decode(streamed(PARALLEL_TOOLS)).call.output == (
        Message(
            "assistant",
            (
                Text("I'll look."),
                ToolCall("f1", "weather", '{"city":"Zürich"}'),
                ToolCall(None, "now", "{}"),
                ToolCall(None, "weather", '{"city":"Bern"}'),
            ),
        ),
    )
    assert decode(streamed(CODE)).call.output == (
        Message(
            "assistant",
            (
                ToolCall(None, "code_execution", '{"language":"PYTHON","code":"print(1)"}'),
                ToolResult(None, "code_execution", "1\n"),
                Text("One."),
            ),
        ),
    )


def test_thoughts_count_as_output_and_what_tools_put_into_the_prompt_as_input() -> None:
    assert decode(streamed(THINKING)).call.usage == Usage(
        input_tokens=10,
        output_tokens=48,
        cached_input_tokens=6,
        reasoning_tokens=45,
        sources={
            "input_tokens": "reported: usageMetadata.promptTokenCount",
            "output_tokens": "derived: usageMetadata.candidatesTokenCount + usageMetadata.thoughtsTokenCount",
            "cached_input_tokens": "reported: usageMetadata.cachedContentTokenCount",
            "reasoning_tokens": "reported: usageMetadata.thoughtsTokenCount",
        },
    )
    usage = decode(streamed(CODE)).call.usage
    assert (usage.input_tokens, usage.output_tokens, usage.source) == (50, 2, "derived")
    assert usage.sources["input_tokens"] == (
        "derived: usageMetadata.promptTokenCount + usageMetadata.toolUsePromptTokenCount"
    )


def test_the_last_usage_that_came_counts_and_none_is_guessed() -> None:
    call = decode(streamed(PLAIN[:2])).call
    assert (call.truncated, call.finish_reason) == (True, None)
    assert (call.usage.input_tokens, call.usage.output_tokens) == (10, 4)
    call = decode(streamed(PLAIN[:1])).call
    assert (call.usage.input_tokens, call.usage.output_tokens) == (10, None)


def test_candidates_are_messages_of_their_own_and_each_has_to_end() -> None:
    both: dict[str, Any] = {
        "candidates": [
            {"index": 1, "content": {"parts": [{"text": "B"}], "role": "model"}},
            {"content": {"parts": [{"text": "A"}], "role": "model"}, "finishReason": "STOP"},
        ]
    }
    end: dict[str, Any] = {"candidates": [{"index": 1, "finishReason": "MAX_TOKENS"}]}
    call = decode(streamed([both, end])).call
    assert [message.text for message in call.output] == ["A", "B"]
    assert (call.finish_reason, call.truncated) == ("STOP", False)
    assert decode(streamed([both])).call.truncated


def test_a_blocked_prompt_is_an_answer_without_output() -> None:
    call = decode(answer({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5}})).call
    assert (call.output, call.finish_reason, call.truncated, call.error) == ((), "SAFETY", False, None)


@pytest.mark.parametrize("make", [streamed, listed])
def test_an_error_in_the_middle_of_a_stream_ends_it_and_what_came_before_stays(make: Any) -> None:
    call = check_all(make([*PLAIN[:2], QUOTA])).call
    assert call.error == ProviderError("RESOURCE_EXHAUSTED", "429", "Quota exceeded")
    assert (call.truncated, call.output[0].text) == (False, "Grüezi! 21 °C, ")


@pytest.mark.parametrize("example", [answer(QUOTA, 429), listed([QUOTA])._replace(status=429)])
def test_an_error_instead_of_an_answer_is_told(example: Example) -> None:
    call = decode(example).call
    assert call.error == ProviderError("RESOURCE_EXHAUSTED", "429", "Quota exceeded")
    assert (call.output, call.usage, call.truncated) == ((), Usage(), False)


@pytest.mark.parametrize(
    ("system", "inline", "mime", "file", "uri", "call", "result"),
    [
        ("systemInstruction", "inlineData", "mimeType", "fileData", "fileUri", "functionCall", "functionResponse"),
        (
            "system_instruction",
            "inline_data",
            "mime_type",
            "file_data",
            "file_uri",
            "function_call",
            "function_response",
        ),
    ],
)
def test_a_request_takes_the_normal_form_in_both_spellings(
    system: str, inline: str, mime: str, file: str, uri: str, call: str, result: str
) -> None:
    contents = [
        {
            "role": "user",
            "parts": [
                {"text": "Look"},
                {inline: {mime: "image/png", "data": "iVBORw=="}},
                {file: {mime: "video/mp4", uri: "gs://a/b.mp4"}},
                {file: {uri: "files/1"}},
            ],
        },
        {"role": "model", "parts": [{call: {"id": "f1", "name": "weather", "args": {"city": "Bern"}}}]},
        {
            "role": "user",
            "parts": [
                {result: {"id": "f1", "name": "weather", "response": {"result": "21 °C"}}},
                {result: {"name": "now", "response": {"error": "no clock"}}},
                {"text": "And now?"},
            ],
        },
    ]
    assert asked(contents=contents, **{system: {"parts": [{"text": "Be kind."}]}}).input == (
        Message("system", (Text("Be kind."),)),
        Message(
            "user",
            (
                Text("Look"),
                Media("image", "image/png", "inline", 4),
                Media("video", "video/mp4", "gs://a/b.mp4"),
                Media("file", None, "files/1"),
            ),
        ),
        Message("assistant", (ToolCall("f1", "weather", '{"city":"Bern"}'),)),
        Message("tool", (ToolResult("f1", "weather", '{"result":"21 °C"}'),)),
        Message("tool", (ToolResult(None, "now", '{"error":"no clock"}', is_error=True),)),
        Message("user", (Text("And now?"),)),
    )


def test_one_content_and_one_part_may_stand_without_a_list() -> None:
    said = (Message("system", (Text("Hm"),)), Message("user", (Text("Hi"),)))
    assert asked(contents={"parts": {"text": "Hi"}}, systemInstruction={"parts": {"text": "Hm"}}).input == said


def test_the_rest_of_a_request_is_tools_parameters_and_the_model_of_the_path() -> None:
    tools = [
        {"functionDeclarations": [{"name": "weather", "description": "Tells it"}, {"name": "now"}]},
        {"googleSearch": {}},
    ]
    call = asked(tools=tools, generationConfig={"temperature": 0.5})
    assert call.tools == (Tool("weather", "Tells it"), Tool("now"), Tool("googleSearch"))
    assert call.parameters == {"generationConfig": {"temperature": 0.5}}
    assert (call.model, call.response_model, call.response_id) == ("gemini-test", "gemini-test-001", "r_1")


@pytest.mark.parametrize(
    ("path", "document", "model"),
    [
        (f"{PATH}:generateContent", ASKED, "gemini-test"),
        (f"/gemini{PATH}:streamGenerateContent?alt=sse", ASKED, "gemini-test"),
        ("/v1/projects/p/locations/l/publishers/google/models/gemini-2:generateContent", ASKED, "gemini-2"),
        ("/v1beta/tunedModels/mine:generateContent", ASKED, "mine"),
        ("/v1beta/models/gemini%2D2%3AgenerateContent", ASKED, "gemini-2"),
        (f"{PATH}:countTokens", ASKED, None),
        (f"{PATH}:generateContent", {"instances": []}, None),
        (f"{PATH}:generateContent", None, None),  # GET
    ],
)
def test_it_is_recognised_by_the_end_of_its_path_and_its_shape(path: str, document: Any, model: str | None) -> None:
    decoded = DECODER.decode(raw(Example(path, document, b"{}")))
    assert (decoded.call.model if decoded is not None else None) == model


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [[]], [{"text": 7}], {"text": []}])
def test_nonsense_in_any_place_costs_a_field_at_most(wrong: Any) -> None:
    names = ("systemInstruction", "contents", "tools", "generationConfig")
    assert decode(whole(PLAIN)._replace(asked=dict.fromkeys(names, wrong))).call.response_id == "r_1"
    parts = [{"functionCall": wrong}, {"functionResponse": wrong}, {"inlineData": wrong}, {"fileData": wrong}]
    parts += [{"executableCode": wrong}, {"codeExecutionResult": wrong}, {"text": wrong}, {"unheard_of": wrong}]
    asked(contents=[{"role": wrong, "parts": [*parts, wrong]}], tools=[{"functionDeclarations": wrong}])
    strange = {"candidates": [{"index": [wrong], "content": wrong, "finishReason": wrong}], "usageMetadata": wrong}
    odd = chunk(*parts)
    call = decode(
        streamed([odd, strange, {"candidates": wrong}, {"promptFeedback": wrong}, last({"text": "end"})])
    ).call
    assert call.output[0].text.endswith("end")
    assert not call.truncated
