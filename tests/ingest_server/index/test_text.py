"""Which text of a call can be searched."""

import pytest

from ingest_server.index.text import CHARACTERS_MAX, Words, words_of
from traffic.llm.call import LlmCall, Media, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult

LARGE = "[]," * CHARACTERS_MAX  # each of its values takes 64 bytes


def _call(*messages: Message, answer: tuple[Part, ...] = ()) -> LlmCall:
    return LlmCall(dialect="d", operation="chat", input=messages, output=(Message("assistant", answer),))


def _user(*parts: Part) -> Message:
    return Message("user", parts)


def test_prompt_answer_and_tools_are_told_apart() -> None:
    call = _call(
        Message("system", (Text("Be kind."),)),
        _user(Text("Weather?"), Media("image", "image/png", "inline")),
        Message("assistant", (ToolCall("1", "look", '{"at": "Rome"}'),)),
        Message("tool", (ToolResult("1", "look", "rain"),)),
        answer=(Reasoning("wet"), Text("It rains."), Refusal("No more."), ToolCall("2", "warn", '{"whom": ["Ann"]}')),
    )
    assert words_of(call, 0) == Words(
        "Be kind.\nWeather?", "wet\nIt rains.\nNo more.", "warn\nwhom Ann\nlook\nat Rome\nrain"
    )


def test_messages_that_are_known_are_left_out() -> None:
    call = _call(_user(Text("one")), _user(Text("two"), ToolResult(None, None, "three")))
    assert words_of(call, 1) == Words("two", "", "three")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"q": "caf\\u00e9\\nbar", "n": [1, 2.5, true, null, {"a": "b"}]}', "q café\nbar n 1 2.5 True a b"),
        ('"just text"', "just text"),
        ('{"q": "cut he', '{"q": "cut he'),
        ("[" * 100_000, "[" * 100_000),
        (f"[{LARGE}1]", f"[{LARGE}"[: CHARACTERS_MAX - 2]),
        ("", ""),
    ],
)
def test_arguments_are_text_without_json(arguments: str, text: str) -> None:
    assert words_of(_call(answer=(ToolCall(None, "f", arguments),)), 0).tools == f"f\n{text}"


def test_what_stands_behind_the_limit_is_left_out() -> None:
    words = words_of(_call(_user(Text("a" * CHARACTERS_MAX)), _user(Text("b"))), 0)
    assert words.prompt == "a" * CHARACTERS_MAX
