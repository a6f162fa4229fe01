"""Ollama's own API in the normal form, and what holds of it wherever the network cuts it."""

import json
from typing import Any

import pytest

from tests.traffic.llm.dialects.ollama_examples import (
    CHAT,
    CHATS,
    COMPLETIONS,
    END,
    GENERATE,
    Lines,
    said,
    streamed,
    whole,
    written,
)
from tests.traffic.llm.example import DECODER, Example, decode, ndjson, raw
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

ANSWERS = {
    f"{kind}, {name}": lines
    for kind, all_ in (("chat", CHATS), ("generate", COMPLETIONS))
    for name, lines in all_.items()
}


def asked(base: dict[str, Any], **fields: Any) -> LlmCall:
    path = "/api/chat" if base is CHAT else "/api/generate"
    return decode(Example(path, {**base, **fields}, b'{"done":true}')).call


@pytest.mark.parametrize("lines", ANSWERS.values(), ids=ANSWERS)
def test_streamed_and_whole_answers_are_the_same_call_wherever_they_are_cut(lines: Lines) -> None:
    stream, document = check_all(streamed(lines)), check_all(whole(lines))
    assert timeless(stream.call) == {**timeless(document.call), "stream": True}
    assert (document.call.stream, document.chunks) == (False, [])
    assert (stream.call.problems, stream.call.truncated) == ((), False)


def test_text_thinking_and_tools_take_the_normal_form() -> None:
    assert decode(streamed(CHATS["thinking"])).call.output == (
        Message("assistant", (Reasoning("The user wants…"), Text("Sunny."))),
    )
    assert decode(streamed(CHATS["parallel tools"])).call.output == (
        Message(
            "assistant",
            (
                Text("I'll look."),
                ToolCall("call_1", "weather", '{"city":"Zürich"}'),
                ToolCall(None, "now", "{}"),
                ToolCall(None, "weather", '{"city":"Bern","days":[1,2]}'),
            ),
        ),
    )
    assert decode(streamed(COMPLETIONS["thinking"])).call.output == (
        Message("assistant", (Reasoning("Hm…"), Text("Sunny."))),
    )
    drawn = {**written(), **END, "image": "iVBORw=="}
    assert decode(streamed([drawn])).call.output == (Message("assistant", (Media("image", None, "inline", 4),)),)


def test_each_line_tells_what_it_added() -> None:
    chunks = decode(streamed(CHATS["parallel tools"])).chunks
    assert [(chunk.kind, chunk.text) for chunk in chunks] == [
        ("text", "I'll look."),
        ("tool_call", 'weather{"city":"Zürich"}'),
        ("tool_call", "now{}"),
        ("tool_call", 'weather{"city":"Bern","days":[1,2]}'),
    ]


def test_usage_is_what_the_last_line_counts() -> None:
    call = decode(streamed(CHATS["plain"])).call
    assert call.usage == Usage(
        input_tokens=26,
        output_tokens=282,
        sources={"input_tokens": "reported: prompt_eval_count", "output_tokens": "reported: eval_count"},
    )
    assert (call.model, call.response_model, call.finish_reason) == ("tiny", "tiny:latest", "stop")
    assert decode(streamed(CHATS["uncounted"])).call.usage == Usage(
        output_tokens=2, sources={"output_tokens": "reported: eval_count"}
    )
    cut = decode(streamed(CHATS["plain"][:-1])).call
    assert (cut.usage, cut.truncated, cut.output[0].text) == (Usage(), True, "Grüezi! 21 °C ☀️")


def test_an_error_in_the_middle_of_a_stream_ends_it_and_what_came_before_stays() -> None:
    lines = [*CHATS["plain"][:2], {"error": "an error was encountered while running the model"}]
    call = check_all(streamed(lines)).call
    assert call.error == ProviderError(None, None, "an error was encountered while running the model")
    assert (call.truncated, call.output[0].text, call.response_model) == (False, "Grüezi! 21 °C ☀️", "tiny:latest")


@pytest.mark.parametrize(("path", "base"), [("/api/chat", CHAT), ("/api/generate", GENERATE)])
def test_an_error_instead_of_an_answer_is_told(path: str, base: dict[str, Any]) -> None:
    call = decode(Example(path, base, b'{"error":"model \'x\' not found"}', status=404)).call
    assert call.error == ProviderError(None, None, "model 'x' not found")
    assert (call.output, call.usage, call.truncated) == ((), Usage(), False)


def test_a_chats_messages_take_the_normal_form() -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Look", "images": ["iVBORw=="]},
        {"role": "assistant", "content": "", "thinking": "Hm", "tool_calls": [{"function": {"name": "now"}}]},
        {"role": "tool", "tool_name": "now", "content": "noon"},
        {"role": "tool", "name": "now", "tool_call_id": "c1", "content": "noon"},
        {"role": "unheard_of", "content": "?"},
    ]
    assert asked(CHAT, messages=messages).input == (
        Message("system", (Text("Be kind."),)),
        Message("user", (Text("Look"), Media("image", None, "inline", 4))),
        Message("assistant", (Reasoning("Hm"), ToolCall(None, "now", "{}"))),
        Message("tool", (ToolResult(None, "now", "noon"),)),
        Message("tool", (ToolResult("c1", "now", "noon"),)),
        Message("user", (Text("?"),)),
    )


def test_a_completions_prompt_takes_the_normal_form() -> None:
    call = asked(GENERATE, system="Be kind.", images=["iVBORw=="], context=[1, 2], suffix="!", options={"seed": 1})
    assert call.input == (
        Message("system", (Text("Be kind."),)),
        Message("user", (Text("Weather in Zürich?"), Media("image", None, "inline", 4))),
    )
    assert call.parameters == {"suffix": "!", "options": {"seed": 1}}
    assert asked(GENERATE, prompt="").input == ()


def test_the_rest_of_a_request_is_tools_and_parameters() -> None:
    tools = [{"type": "function", "function": {"name": "weather", "description": "Tells it"}}]
    call = asked(CHAT, tools=tools, think=True, keep_alive="5m", options={"temperature": 0})
    assert call.tools == (Tool("weather", "Tells it"),)
    assert call.parameters == {"think": True, "keep_alive": "5m", "options": {"temperature": 0}}


@pytest.mark.parametrize("stream", [True, None])
def test_it_streams_unless_told_otherwise(stream: bool | None) -> None:
    assert asked(CHAT, stream=stream).stream
    assert asked(GENERATE).stream
    assert not asked(CHAT, stream=False).stream
    assert not asked(GENERATE, stream=False).stream


@pytest.mark.parametrize(
    ("path", "document", "dialect"),
    [
        ("/api/chat", CHAT, "ollama.chat"),
        ("/ollama/api/chat", CHAT, "ollama.chat"),
        ("/api/generate", GENERATE, "ollama.generate"),
        ("/x/api/generate", {"model": "tiny"}, "ollama.generate"),
        ("/api/chat", {"id": "1", "messages": []}, None),  # a chat application's own
        ("/api/chat", ["model", "messages"], None),
        ("/api/generate", {"prompt": "x"}, None),
        ("/api/tags", {"model": "tiny"}, None),
        ("/api/chat", None, None),  # GET
    ],
)
def test_it_is_recognised_by_the_end_of_its_path_and_its_shape(path: str, document: Any, dialect: str | None) -> None:
    decoded = DECODER.decode(raw(Example(path, document, b"{}")))
    assert (decoded.call.dialect if decoded is not None else None) == dialect


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [[]], [{"function": 7}]])
def test_nonsense_in_any_place_costs_a_field_at_most(wrong: Any) -> None:
    names = ("messages", "tools", "images", "prompt", "system", "options")
    asked(CHAT, **dict.fromkeys(names, wrong))
    asked(CHAT, messages=[{"role": wrong, "content": wrong, "tool_calls": wrong, "images": wrong, "thinking": wrong}])
    asked(GENERATE, **dict.fromkeys(names, wrong))
    lines = [wrong, said(content=wrong, tool_calls=wrong, images=wrong), {**said(content="end"), **END}]
    call = decode(Example("/api/chat", CHAT, ndjson(*lines), "application/x-ndjson")).call
    assert (call.output[0].text.removeprefix("x"), call.truncated) == ("end", False)
    lines = [{**written(), "response": wrong, "thinking": wrong, "image": wrong}, {**written("end"), **END}]
    call = decode(Example("/api/generate", GENERATE, ndjson(*lines), "application/x-ndjson")).call
    assert (call.output[0].text.removeprefix("x"), call.truncated) == ("end", False)
    whole_one = json.dumps({"message": wrong, "done": wrong, "eval_count": [wrong]}).encode()
    assert decode(Example("/api/chat", CHAT, whole_one)).call.truncated
