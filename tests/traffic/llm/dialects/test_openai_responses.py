"""OpenAI's Responses API in the normal form, and what holds of it wherever the network cuts it."""

from typing import Any

import pytest

from tests.traffic.llm.dialects.openai_responses_examples import (
    ANSWERS,
    ASKED,
    MODEL,
    OPEN_REASONING,
    OWN_TOOLS,
    PLAIN,
    REASONING,
    REFUSAL,
    TOOLS,
    USAGE,
    answered,
    events,
    played,
    response,
    streamed,
    whole,
)
from tests.traffic.llm.example import DECODER, Example, decode, raw
from tests.traffic.llm.properties import check_all, check_end
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
    call = check_all(streamed(ANSWERS[name], usage=USAGE)).call
    alike = check_all(whole(ANSWERS[name])).call
    assert (call.stream, alike.stream) == (True, False)
    for field in set(LlmCall.__struct_fields__) - {"stream", "timing", "usage"}:
        assert getattr(call, field) == getattr(alike, field), field
    assert (call.dialect, call.operation, call.truncated, call.problems) == ("openai.responses", "chat", False, ())
    assert (call.model, call.response_model, call.response_id) == ("gpt-5-mini", MODEL, "resp_67ccd")
    assert call.finish_reason == "completed"


@pytest.mark.parametrize("name", ANSWERS)
def test_an_end_that_leaves_the_output_out_changes_nothing(name: str) -> None:
    end = ("response.completed", {"response": response([], usage=USAGE)})
    assert decode(played(*events(ANSWERS[name]), end)).call == decode(streamed(ANSWERS[name], usage=USAGE)).call


@pytest.mark.parametrize("name", ["parallel tools", "the provider's tools", "open reasoning"])
def test_events_that_tell_no_places_tell_items_apart_by_their_ids(name: str) -> None:
    """As llama.cpp sends them."""
    placeless = [
        (kind, {field: value for field, value in fields.items() if field not in ("output_index", "content_index")})
        for kind, fields in events(ANSWERS[name])
    ]
    end = ("response.completed", {"response": response([])})
    assert decode(played(*placeless, end)).call.output == decode(streamed(ANSWERS[name])).call.output


def test_text_refusals_reasoning_and_calls_take_the_normal_form() -> None:
    assert said(streamed(PLAIN)) == (Text("Grüezi! 21 °C ☀️"),)
    assert said(streamed(REFUSAL)) == (Refusal("I can't help with that."),)
    assert said(streamed(OPEN_REASONING)) == (Reasoning("The user wants…"), Text("Sunny."))
    assert said(streamed(REASONING)) == (
        Reasoning("The user"),
        Reasoning("wants…"),
        Reasoning(""),
        Text("Sunny."),
        Text(" Really."),
    )
    assert said(streamed(TOOLS)) == (
        ToolCall("call_1", "weather", '{"city": "Zürich"}'),
        ToolCall("call_2", "now", "{}"),
    )
    assert said(streamed(OWN_TOOLS)) == (
        ToolCall("ws_1", "web_search", '{"type":"search","query":"weather"}'),
        ToolCall("ci_1", "code_interpreter", "print(1)"),
        ToolResult("ci_1", "code_interpreter", "1\n"),
        ToolCall("mcp_1", "look_up", '{"q": 1}'),
        ToolResult("mcp_1", "look_up", "found"),
        ToolCall("call_9", "sql", "select 1"),
        ToolCall("ig_1", "image_generation", ""),
        Media("image", None, "inline", 3),
        Text("Done."),
    )


def test_each_event_tells_what_it_added_and_when() -> None:
    chunks = decode(raw(streamed(TOOLS), block_bytes=1_000_000)).chunks
    assert [(each.kind, each.text) for each in chunks] == [
        ("tool_call", "weather"),
        ("tool_call", '{"city":'),
        ("tool_call", ' "Zürich'),
        ("tool_call", '"}'),
        ("tool_call", "now"),
        ("tool_call", "{}"),
    ]
    assert {each.at_ms for each in chunks} == {2.0}


def test_each_figure_of_usage_names_its_json_path() -> None:
    usage = decode(whole(PLAIN)).call.usage
    assert usage == Usage(
        input_tokens=328,
        output_tokens=52,
        cached_input_tokens=128,
        cache_write_tokens=64,
        reasoning_tokens=32,
        sources={
            "input_tokens": "reported: usage.input_tokens",
            "output_tokens": "reported: usage.output_tokens",
            "cached_input_tokens": "reported: usage.input_tokens_details.cached_tokens",
            "cache_write_tokens": "reported: usage.input_tokens_details.cache_write_tokens",
            "reasoning_tokens": "reported: usage.output_tokens_details.reasoning_tokens",
        },
    )
    streamed_usage = decode(streamed(PLAIN, usage=USAGE)).call.usage
    assert streamed_usage.sources["input_tokens"] == "reported: response.usage.input_tokens"
    assert streamed_usage.input_tokens == 328
    assert decode(streamed(PLAIN)).call.usage == Usage()


def test_what_the_assistant_did_in_a_row_is_one_message_and_items_of_any_kind_are_read() -> None:
    items = [
        {"role": "developer", "content": "Be brief."},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAEC", "detail": "auto"},
                {"type": "input_image", "file_id": "file-1", "detail": "auto"},
                {"type": "input_file", "file_url": "https://a.test/b.pdf"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAEC"},
            ],
        },
        *REASONING[1:],
        *TOOLS,
        {"type": "function_call_output", "call_id": "call_1", "output": "21 °C"},
        {
            "type": "function_call_output",
            "call_id": "call_2",
            "output": [{"type": "input_text", "text": "12:00"}, {"type": "input_image", "file_id": "file-2"}],
        },
        {"type": "shell_call_output", "call_id": "call_3", "output": [{"stdout": "a", "stderr": ""}]},
        {"type": "item_reference", "id": "msg_0"},
        {"id": "msg_0"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Warm."}]},
    ]
    call = ask(instructions="You know the weather.", input=items)
    assert call.input == (
        Message("system", (Text("You know the weather."),)),
        Message("system", (Text("Be brief."),)),
        Message(
            "user",
            (
                Text("Look"),
                Media("image", "image/png", "inline", 3),
                Media("image", None, "file-1"),
                Media("file", None, "https://a.test/b.pdf"),
                Media("file", "application/pdf", "inline", 3),
            ),
        ),
        Message(
            "assistant",
            (
                Reasoning(""),
                Text("Sunny."),
                Text(" Really."),
                ToolCall("call_1", "weather", '{"city": "Zürich"}'),
                ToolCall("call_2", "now", "{}"),
            ),
        ),
        Message("tool", (ToolResult("call_1", None, "21 °C"),)),
        Message("tool", (ToolResult("call_2", None, "12:00"), Media("image", None, "file-2"))),
        Message("tool", (ToolResult("call_3", None, '[{"stdout":"a","stderr":""}]'),)),
        Message("assistant", (Text("Warm."),)),
    )


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_said_again_in_the_next_request_is_the_same_message(name: str) -> None:
    assert ask(input=ANSWERS[name]).input == decode(streamed(ANSWERS[name])).call.output


def test_tools_and_parameters_are_told_apart() -> None:
    call = ask(
        tools=[
            {"type": "function", "name": "weather", "description": "Tells it", "parameters": {}},
            {"type": "web_search"},
            {"type": "mcp", "server_label": "docs", "server_url": "https://a.test"},
        ],
        max_output_tokens=9,
        instructions="x",
    )
    assert call.tools == (Tool("weather", "Tells it"), Tool("web_search"), Tool("docs"))
    assert call.parameters == {"max_output_tokens": 9}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"conversation": "conv_1", "user": "u"}, ("conv_1", "conversation")),
        ({"conversation": {"id": "conv_1"}}, ("conv_1", "conversation.id")),
        ({"metadata": {"user_id": "u"}}, ("u", "metadata.user_id")),
    ],
)
def test_a_conversation_names_the_session(fields: Any, expected: Any) -> None:
    call = ask(**fields)
    assert (call.session, call.session_source) == expected


def test_the_response_that_it_continues_is_told() -> None:
    assert ask(previous_response_id="resp_1").previous_response_id == "resp_1"
    assert ask(previous_response_id=None).previous_response_id is None


ERROR = {"code": "server_error", "message": "It broke"}


def test_an_answer_cut_short_by_a_limit_says_why() -> None:
    why = {"incomplete_details": {"reason": "max_output_tokens"}, "usage": USAGE}
    call = check_all(streamed(PLAIN, "incomplete", **why)).call
    assert (call.finish_reason, call.truncated, call.usage.output_tokens) == ("max_output_tokens", False, 52)
    assert decode(whole(PLAIN, status="incomplete", **why)).call.finish_reason == "max_output_tokens"


def test_a_failure_is_the_providers_error_and_what_came_before_stays() -> None:
    failed = ("response.failed", {"response": response([], "failed", error=ERROR)})
    call = check_all(played(*events(PLAIN), failed)).call
    assert (call.error, call.truncated) == (ProviderError(None, "server_error", "It broke"), False)
    assert call.finish_reason == "failed"
    assert call.output == (Message("assistant", (Text("Grüezi! 21 °C ☀️"),)),)
    assert decode(whole([], status="failed", error=ERROR)).call.error == call.error


def test_a_stream_of_more_items_than_any_answer_has_is_not_kept_whole() -> None:
    pieces = [("response.output_text.delta", {"output_index": index, "delta": "a"}) for index in range(5000)]
    (message,) = decode(played(*pieces)).call.output
    assert len(message.parts) == 4096


def test_an_error_event_ends_a_stream() -> None:
    call = check_all(played(*events(PLAIN), ("error", {"code": "rate_limit", "message": "Slow", "param": None}))).call
    assert (call.error, call.truncated) == (ProviderError(None, "rate_limit", "Slow"), False)


def test_an_error_stands_instead_of_an_answer() -> None:
    error = {"message": "No such model", "type": "invalid_request_error", "param": "model", "code": None}
    call = check_all(answered({"error": error}, status=400)).call
    assert call.error == ProviderError("invalid_request_error", None, "No such model")
    assert (call.output, call.truncated) == ((), False)


def test_without_its_end_it_is_truncated() -> None:
    for status in ("completed", "incomplete", "failed"):
        check_end(streamed(PLAIN, status), b"}")
    call = decode(played(*events(TOOLS))).call
    assert (call.truncated, call.finish_reason) == (True, None)
    assert decode(played(("response.created", {"response": {"id": "resp_1"}}))).call.truncated
    assert decode(whole([], status="queued")).call.truncated


@pytest.mark.parametrize("path", ["/v1/responses", "/openai/v1/responses?api-version=preview", "/a/b/responses"])
def test_it_is_known_by_the_end_of_its_path_behind_any_prefix(path: str) -> None:
    assert decode(whole(PLAIN)._replace(path=path)).call.dialect == "openai.responses"


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/v1/responses", None), ("/v1/responses", {"survey": 1}), ("/v1/responses/resp_1", ASKED)],
)
def test_what_has_another_path_or_shape_is_not_it(path: str, asked: Any) -> None:
    assert DECODER.decode(raw(whole(PLAIN)._replace(path=path, asked=asked))) is None
