"""OpenAI's chat completions in the normal form, and what holds of them wherever the network cuts them."""

from typing import Any

import pytest

from tests.traffic.llm.dialects.openai_chat_examples import (
    ANSWERS,
    ASKED,
    AUDIO_DELTAS,
    LLAMA_DELTAS,
    MODEL,
    PLAIN,
    PLAIN_DELTAS,
    REFUSAL_DELTAS,
    TOOLS,
    TOOLS_DELTAS,
    USAGE,
    answered,
    chunk,
    played,
    streamed,
    whole,
)
from tests.traffic.llm.example import DECODER, Example, decode, raw
from tests.traffic.llm.properties import check_all, check_end
from traffic.llm import answer
from traffic.llm.call import (
    LlmCall,
    Media,
    Message,
    Part,
    ProviderError,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)


def ask(**fields: Any) -> LlmCall:
    """The call of a request with these fields."""
    return decode(whole(PLAIN)._replace(asked={**ASKED, **fields})).call


def said(example: Example) -> tuple[Part, ...]:
    (message,) = decode(example).call.output
    return message.parts


@pytest.mark.parametrize("name", ANSWERS)
def test_streamed_and_whole_answers_are_the_same_call_wherever_they_are_cut(name: str) -> None:
    message, deltas, reason = ANSWERS[name]
    call = check_all(streamed(deltas, reason, USAGE)).call
    alike = check_all(whole(message, reason=reason, usage=USAGE)).call
    assert (call.stream, alike.stream) == (True, False)
    for field in set(LlmCall.__struct_fields__) - {"stream", "timing"}:
        assert getattr(call, field) == getattr(alike, field), field
    assert (call.dialect, call.operation, call.truncated, call.problems) == ("openai.chat", "chat", False, ())
    assert (call.model, call.response_model, call.response_id) == ("gpt-4o-mini", MODEL, "chatcmpl-B9MBs8")
    assert call.finish_reason == reason


def test_text_refusals_reasoning_tools_and_audio_take_the_normal_form() -> None:
    assert said(streamed(PLAIN_DELTAS)) == (Text("Grüezi! 21 °C ☀️"),)
    assert said(streamed(REFUSAL_DELTAS)) == (Refusal("I can't help with that."),)
    assert said(streamed(LLAMA_DELTAS)) == (Reasoning("The user wants…"), Text("Sunny."))
    assert said(streamed(AUDIO_DELTAS)) == (Text("Yes, sunny."), Media("audio", None, "audio_1", 6))
    assert said(streamed(TOOLS_DELTAS)) == (
        ToolCall("call_1", "weather", '{"city": "Zürich"}'),
        ToolCall("call_2", "now", "{}"),
    )
    custom = {"id": "call_3", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    assert said(whole({"role": "assistant", "tool_calls": [custom]})) == (ToolCall("call_3", "sql", "select 1"),)


def test_each_event_tells_what_it_added_and_when() -> None:
    chunks = decode(raw(streamed(TOOLS_DELTAS), block_bytes=1_000_000)).chunks
    assert [(each.kind, each.text) for each in chunks[:4]] == [
        ("tool_call", "weather"),
        ("tool_call", '{"city'),
        ("tool_call", "now"),
        ("tool_call", "{"),
    ]
    assert {each.at_ms for each in chunks} == {2.0}


def test_each_choice_is_a_message_streamed_alternately_or_whole() -> None:
    pieces = [(0, "A"), (1, "B"), (1, "b"), (0, "a")]
    chunks = [chunk({"index": index, "delta": {"content": text}}) for index, text in pieces]
    ends = [chunk({"index": 1, "delta": {}, "finish_reason": "length"})]
    ends.append(chunk({"index": 0, "delta": {}, "finish_reason": "stop"}))
    call = check_all(played(*chunks, *ends, b"[DONE]")).call
    assert call.output == (Message("assistant", (Text("Aa"),)), Message("assistant", (Text("Bb"),)))
    assert call.finish_reason == "stop"
    alike = decode(whole({"role": "assistant", "content": "Aa"}, {"role": "assistant", "content": "Bb"})).call
    assert alike.output == call.output


def test_a_stream_of_more_choices_than_anyone_asks_for_is_not_kept_whole() -> None:
    chunks = [chunk({"index": index, "delta": {"content": "a"}}) for index in range(5000)]
    assert len(decode(played(*chunks)).call.output) == 4096


def test_a_stream_of_more_calls_than_any_model_makes_is_not_kept_whole() -> None:
    calls = [{"index": index, "id": f"c{index}", "function": {"name": "f"}} for index in range(5000)]
    (message,) = decode(played(*(chunk({"index": 0, "delta": {"tool_calls": [call]}}) for call in calls))).call.output
    assert len(message.parts) == 4096


def test_events_of_very_many_pieces_are_decoded_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "CHUNKS_MAX", 200)
    choices = [{"index": index, "delta": {"content": "ab"}} for index in range(100)]
    found = decode(played(*[{"choices": choices}] * 3))
    assert len(found.chunks) == 200
    assert found.call.problems == ("only the first 200 pieces are decoded",)


def test_each_figure_of_usage_names_its_json_path() -> None:
    assert decode(streamed(PLAIN_DELTAS, usage=USAGE)).call.usage == Usage(
        input_tokens=1117,
        output_tokens=46,
        cached_input_tokens=1024,
        reasoning_tokens=20,
        sources={
            "input_tokens": "reported: usage.prompt_tokens",
            "output_tokens": "reported: usage.completion_tokens",
            "cached_input_tokens": "reported: usage.prompt_tokens_details.cached_tokens",
            "reasoning_tokens": "reported: usage.completion_tokens_details.reasoning_tokens",
        },
    )


def test_usage_that_nobody_reported_is_missing() -> None:
    assert decode(streamed(PLAIN_DELTAS)).call.usage == Usage()
    assert decode(streamed(PLAIN_DELTAS)).call.usage.source == "missing"
    assert decode(whole(PLAIN, usage={"prompt_tokens": -1, "completion_tokens": True})).call.usage == Usage()


def test_of_usage_in_each_chunk_the_last_one_counts() -> None:
    chunks = [
        chunk({"index": 0, "delta": {"content": "a"}}, usage={"prompt_tokens": 5, "completion_tokens": count})
        for count in (1, 2, 3)
    ]
    assert decode(played(*chunks, b"[DONE]")).call.usage.output_tokens == 3


def test_reasoning_that_a_total_shows_to_be_beside_the_completion_is_added_to_the_output() -> None:
    """As xAI counts."""
    details = {"completion_tokens_details": {"reasoning_tokens": 100}}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115, **details}
    found = decode(whole(PLAIN, usage=usage)).call.usage
    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens) == (10, 105, 100)
    assert found.source == "derived"
    assert found.sources["output_tokens"] == (
        "derived: usage.completion_tokens + usage.completion_tokens_details.reasoning_tokens"
    )


def test_llama_cpp_tells_tokens_by_its_timings_where_usage_was_not_asked_for() -> None:
    timings = {"cache_n": 236, "prompt_n": 1, "prompt_ms": 30.9, "predicted_n": 35, "predicted_ms": 661.0}
    end = chunk({"index": 0, "delta": {}, "finish_reason": "stop"}, timings=timings)
    call = check_all(played(chunk({"index": 0, "delta": {"content": "a"}}), end, b"[DONE]")).call
    assert call.usage == Usage(
        input_tokens=237,
        output_tokens=35,
        cached_input_tokens=236,
        sources={
            "input_tokens": "derived: timings.prompt_n + timings.cache_n",
            "cached_input_tokens": "reported: timings.cache_n",
            "output_tokens": "reported: timings.predicted_n",
        },
    )
    with_usage = decode(whole(PLAIN, usage=USAGE, timings=timings)).call
    assert with_usage.usage.sources["input_tokens"] == "reported: usage.prompt_tokens"


def test_a_message_of_each_role_takes_the_normal_form() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC", "detail": "low"}}
    linked = {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}
    sound = {"type": "input_audio", "input_audio": {"data": "AAECAw==", "format": "wav"}}
    file = {"type": "file", "file": {"file_id": "file-1"}}
    uploaded = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAEC"}}
    call = ask(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Look"}, image, linked, sound, file, uploaded]},
            TOOLS,
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "21 °C"}]},
            {"role": "function", "name": "now", "content": "12:00"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}], "audio": {"id": "audio_1"}},
        ]
    )
    assert call.input == (
        Message("system", (Text("Be brief."),)),
        Message(
            "user",
            (
                Text("Look"),
                Media("image", "image/png", "inline", 3),
                Media("image", None, "https://a.test/b.png"),
                Media("audio", "audio/wav", "inline", 4),
                Media("file", None, "file-1"),
                Media("file", "application/pdf", "inline", 3),
            ),
        ),
        Message("assistant", (ToolCall("call_1", "weather", '{"city": "Zürich"}'), ToolCall("call_2", "now", "{}"))),
        Message("tool", (ToolResult("call_1", None, "21 °C"),)),
        Message("tool", (ToolResult(None, "now", "12:00"),)),
        Message("assistant", (Refusal("No."), Media("audio", None, "audio_1"))),
    )


def test_an_answer_said_again_in_the_next_request_is_the_same_message() -> None:
    for message, deltas, _ in ANSWERS.values():
        again = {name: value for name, value in message.items() if name != "audio"}
        if again == message:
            assert ask(messages=[again]).input == decode(streamed(deltas)).call.output


def test_tools_and_parameters_are_told_apart() -> None:
    weather = {"name": "weather", "description": "Tells it", "parameters": {"type": "object"}}
    call = ask(
        tools=[{"type": "function", "function": weather}, {"type": "custom", "custom": {"name": "sql"}}],
        functions=[{"name": "old"}],
        temperature=0.5,
        stream_options={"include_usage": True},
    )
    assert call.tools == (Tool("weather", "Tells it"), Tool("sql"), Tool("old"))
    assert call.parameters == {"temperature": 0.5, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"user": "u1"}, ("u1", "user")),
        ({"user": "u1", "metadata": {"user_id": "u2"}}, ("u2", "metadata.user_id")),
        ({"metadata": {"user_id": "u2", "session_id": "s1"}}, ("s1", "metadata.session_id")),
        ({"metadata": {"session_id": "s1"}, "session_id": "s2"}, ("s2", "session_id")),
        ({"safety_identifier": "u3"}, ("u3", "safety_identifier")),
        ({"prompt_cache_key": "k", "user": "", "metadata": []}, (None, None)),
    ],
)
def test_what_names_the_conversation_or_its_user_names_the_session(fields: Any, expected: Any) -> None:
    call = ask(**fields)
    assert (call.session, call.session_source) == expected


FAILURE = {"message": "No such model", "type": "invalid_request_error", "param": None, "code": "model_not_found"}
ERROR = ProviderError("invalid_request_error", "model_not_found", "No such model")


def test_an_error_stands_instead_of_an_answer() -> None:
    call = check_all(answered({"error": FAILURE}, status=404)).call
    assert (call.error, call.output, call.truncated, call.problems) == (ERROR, (), False, ())


def test_an_error_in_mid_stream_ends_it_and_what_came_before_stays() -> None:
    call = check_all(played(chunk({"index": 0, "delta": {"content": "So"}}), {"error": FAILURE})).call
    assert (call.error, call.truncated) == (ERROR, False)
    assert call.output == (Message("assistant", (Text("So"),)),)


def test_a_stream_without_its_end_is_truncated() -> None:
    check_end(streamed(PLAIN_DELTAS), b"[DONE]")
    check_end(played({"error": FAILURE}), b"}")
    check_end(whole(PLAIN), b"}")
    finished = chunk({"index": 0, "delta": {"content": "So"}, "finish_reason": "stop"})
    call = decode(played(finished)).call
    assert (call.truncated, call.finish_reason) == (True, "stop")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21",
        "/api/v0/chat/completions",
        "/some/gateway/api/v1/chat/completions/",
    ],
)
def test_it_is_known_by_the_end_of_its_path_behind_any_prefix(path: str) -> None:
    assert decode(whole(PLAIN)._replace(path=path)).call.dialect == "openai.chat"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/chat/completions", None),  # GET: the stored completions
        ("/v1/chat/completions", {"model": "x"}),
        ("/v1/chat/completions", [1]),
        ("/v1/chat/completions/chatcmpl-1", ASKED),
        ("/v1/models", ASKED),
    ],
)
def test_what_has_another_path_or_shape_is_not_it(path: str, asked: Any) -> None:
    assert DECODER.decode(raw(whole(PLAIN)._replace(path=path, asked=asked))) is None
