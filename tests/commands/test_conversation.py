"""A call as a person reads it."""

import io

import click
import pytest
from rich.console import Console

from commands.conversation import Line, closing, conversation, print_lines, settings_of
from traffic.llm.call import (
    Cost,
    LlmCall,
    Media,
    Message,
    Part,
    ProviderError,
    Reasoning,
    Refusal,
    Text,
    Timing,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)

CALL = LlmCall(dialect="openai.chat", operation="chat")


def lines(*parts: Part) -> list[str]:
    """Of an answer."""
    call = LlmCall(dialect="a", operation="chat", output=(Message("assistant", parts),))
    return [" " * line.indent + line.text.plain for line in conversation(call)]


def printed(found: list[Line], width: int, *, terminal: bool) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=terminal, no_color=True, highlight=False, soft_wrap=True)
    print_lines(found, console)
    return click.unstyle(stream.getvalue())


def test_each_message_has_its_role_above_it_and_is_indented() -> None:
    call = LlmCall(
        dialect="a",
        operation="chat",
        input=(Message("system", (Text("Be brief."),)), Message("user", (Text("Hi\nassistant"),))),
        output=(Message("assistant", (Text("Hello."),)), Message("assistant", (Refusal("No."),))),
    )
    assert [" " * line.indent + line.text.plain for line in conversation(call)] == [
        "", "system", "  Be brief.",
        "", "user", "  Hi", "  assistant",
        "", "assistant 1 of 2", "  Hello.",
        "", "assistant 2 of 2", "  No.",
    ]  # fmt: skip


def test_tool_calls_show_what_was_asked_for_and_results_what_came() -> None:
    long = '{"city":"' + "B" * 90 + '"}'
    assert lines(
        ToolCall("1", "now", ""),
        ToolCall("2", "weather", '{"city":"Bern"}'),
        ToolCall("3", "weather", long),
        ToolResult("2", "weather", '{"sky":"clear"}'),
        ToolResult("3", None, "no such\ncity", is_error=True),
        ToolResult("4", None, ""),
    )[2:] == [
        "  → now",
        '  → weather  {"city":"Bern"}',
        "  → weather",
        "    {",
        f'      "city": "{"B" * 90}"',
        "    }",
        "  ← weather",
        "    {",
        '      "sky": "clear"',
        "    }",
        "  ← weather",
        "    no such",
        "    city",
        "  ← 4",
        "    ",
    ]


def test_arguments_that_are_cut_are_shown_as_they_are() -> None:
    cut = '{"text": "' + "a" * 90
    assert lines(ToolCall("1", "write", cut))[2:] == ["  → write", f"    {cut}"]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (r'{"city": "Z\u00fcrich \ud83d\ude00"}', '{"city": "Zürich 😀"}'),
        (r'{"a": "\\u00fc \\\u00fc"}', r'{"a": "\\u00fc \\ü"}'),
        (r'{"a": "\u0022 \u005c \u000a \ud83d \u202e"}', r'{"a": "\u0022 \u005c \u000a \ud83d \u202e"}'),
    ],
)
def test_letters_that_arguments_escape_are_read_as_letters(arguments: str, shown: str) -> None:
    assert lines(ToolCall("1", "go", arguments))[2:] == [f"  → go  {shown}"]
    (line,) = lines(ToolCall("1", "go", f"{arguments[:-1]}, {'1, ' * 40}}}"))[3:]
    assert shown[1:-1] in line


def test_reasoning_and_media_are_told_apart_from_what_was_said() -> None:
    assert lines(
        Reasoning("Let me see."), Reasoning(""), Media("image", "image/png", "inline", 1234), Media("file", None, "f-1")
    )[2:] == [
        "  … reasoning",
        "    Let me see.",
        "  … reasoning, which the provider keeps to itself",
        "  [image: image/png, 1,234 bytes, inline]",
        "  [file: f-1]",
    ]


def test_what_is_wrong_comes_before_the_figures() -> None:
    call = LlmCall(
        dialect="a",
        operation="chat",
        finish_reason="stop",
        usage=Usage(
            input_tokens=1200,
            output_tokens=34,
            cached_input_tokens=1000,
            reasoning_tokens=12,
            sources={"input_tokens": "reported: usage.prompt_tokens"},
        ),
        output=(Message("assistant", (Text("So"),)),),
        cost=Cost(0.0042, "genai-prices: openai/gpt-4o"),
        timing=Timing(ttft_ms=310.2, tokens_per_s=45.2),
        truncated=True,
        problems=("an event cannot be decoded: \x1b",),
    )
    assert [line.text.plain for line in closing(call, 1240)] == [
        "the answer lacks its end",
        "an event cannot be decoded: \\x1b",
        (
            "finish stop · 1,200 in (1,000 cached) + 34 out (12 reasoning) tokens (reported) · "
            "$0.0042 (genai-prices: openai/gpt-4o) · first token 310ms · 45 tokens/s · took 1.24s"
        ),
    ]


def test_a_provider_s_error_is_quoted_and_unknown_figures_are_said_to_be_unknown() -> None:
    call = LlmCall(dialect="a", operation="chat", error=ProviderError("requests", None, "Slow down."), truncated=True)
    assert [line.text.plain for line in closing(call, None)] == [
        "the provider's error (requests): Slow down.",
        "tokens unknown · cost unknown",
    ]


def test_how_it_was_asked() -> None:
    call = LlmCall(
        dialect="a", operation="chat", tools=(Tool("now"), Tool("weather")), parameters={"top_p": 0.5, "stop": "é" * 90}
    )
    assert list(settings_of(call)) == [("tools", "now, weather"), ("parameters", f'top_p=0.5  stop="{"é" * 73}…')]
    assert list(settings_of(CALL)) == []


def test_a_terminal_s_width_wraps_what_was_said_below_itself_and_a_pipe_gets_it_as_it_is() -> None:
    found = list(conversation(LlmCall(dialect="a", operation="chat", input=(Message("user", (Text("word " * 6),)),))))
    assert printed(found, 18, terminal=True) == "\nuser\n  word word word\n  word word word\n"
    assert printed(found, 18, terminal=False) == "\nuser\n  " + "word " * 6 + "\n"


@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;x\x07", "\u202e\x9b1m", "[red]a[/red]"])
def test_nothing_recorded_acts_on_the_terminal(text: str) -> None:
    message = Message(
        "user",
        (
            Text(text),
            Reasoning(text),
            ToolCall(text, text, text),
            ToolResult(text, text, text),
            Media("image", text, text),
        ),
    )
    call = LlmCall(
        dialect="a",
        operation="chat",
        input=(message,),
        finish_reason=text,
        error=ProviderError(text, text, text),
        cost=Cost(1, text),
        problems=(text,),
    )
    found = [*conversation(call), *closing(call, 1)]
    assert all(line.text.plain.isprintable() for line in found)
    assert not any(span.style == "red" and "a" in line.text.plain for line in found[:8] for span in line.text.spans)
