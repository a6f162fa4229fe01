from typing import Any

import pytest

from replay.json_path import DEPTH_MAX, JsonPathError, parse
from replay.masks import VOLATILE, Masks, Side, masked, read_json
from traffic.llm.dialects import BUILT_IN


def hidden(document: Any, dialect: str | None, side: Side, *ignored: str) -> Any:
    return masked(document, Masks(ignored).paths(dialect, side))


def test_all_volatile_paths_are_paths_of_dialects_that_there_are() -> None:
    assert set(VOLATILE) <= {dialect.name for dialect in BUILT_IN}
    for sides in VOLATILE.values():
        for paths in sides.values():
            assert [parse(path).text for path in paths] == list(paths)


def test_a_mask_takes_members_away_and_leaves_null_in_lists_and_the_document_alone() -> None:
    document = {"a": 1, "b": [{"a": 2}, 3]}
    assert masked(document, [parse("..a"), parse("b[1]")]) == {"b": [{}, None]}
    assert document == {"a": 1, "b": [{"a": 2}, 3]}


def test_what_a_chat_completion_makes_up_each_time_is_masked() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        "x_groq": {"id": "req_1"},
        "choices": [{"index": 0, "message": message}],
    }
    assert hidden(document, "openai.chat", "response") == {
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("dialect", "document", "expected"),
    [
        (
            "openai.chat",
            {
                "model": "m",
                "user": "u",
                "metadata": {"run": 1},
                "messages": [{"role": "tool", "tool_call_id": "call_1"}],
            },
            {"model": "m", "messages": [{"role": "tool"}]},
        ),
        (
            "openai.responses",
            {"previous_response_id": "r", "input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]},
            {"input": [{"type": "function_call_output", "output": "1"}]},
        ),
        (
            "anthropic.messages",
            {
                "metadata": {"user_id": "u"},
                "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
                "messages": [
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}]}
                ],
            },
            {
                "system": [{"type": "text", "text": "s"}],
                "messages": [{"role": "user", "content": [{"type": "tool_result", "content": "1"}]}],
            },
        ),
        ("anthropic.messages", {"system": "s", "messages": [{"content": "c"}]}, None),
        (
            "gemini.generate_content",
            {"contents": [{"parts": [{"functionCall": {"id": "1", "name": "f"}, "thoughtSignature": "s"}]}]},
            {"contents": [{"parts": [{"functionCall": {"name": "f"}}]}]},
        ),
        ("ollama.generate", {"prompt": "p", "context": [1, 2]}, {"prompt": "p"}),
        ("ollama.chat", {"options": {"seed": 1}, "messages": []}, None),
        (None, {"id": 1, "metadata": {}}, None),
        ("of.a.plugin", {"id": 1, "metadata": {}}, None),
    ],
)
def test_of_requests_only_that_is_masked_which_clients_and_models_make_up(
    dialect: str | None, document: Any, expected: Any
) -> None:
    """None: nothing is."""
    assert hidden(document, dialect, "request") == (document if expected is None else expected)


@pytest.mark.parametrize(
    ("ignored", "sides"),
    [
        ("a.b", {"request", "response", "answer"}),
        ("request:a.b", {"request"}),
        ("response: $.a.b", {"response"}),
        ("answer:a", {"answer"}),
    ],
)
def test_what_is_ignored_holds_for_all_bodies_or_for_those_that_it_names(ignored: str, sides: set[str]) -> None:
    document = {"a": {"b": 1}}
    every: tuple[Side, ...] = ("request", "response", "answer")
    assert {side for side in every if hidden(document, None, side, ignored) != document} == sides


def test_headers_are_ignored_by_name() -> None:
    masks = Masks(["header:Content-Type", "header: X-Trace "])
    assert masks.headers == {"content-type", "x-trace"}
    with pytest.raises(JsonPathError, match=r"^'a b' is no name of a header: give header:content-type, for example$"):
        Masks(["header:a b"])


def test_json_that_is_nested_too_deeply_is_not_read_for_comparing() -> None:
    assert read_json(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)
    for depth in (DEPTH_MAX + 1, 100_000):
        with pytest.raises(JsonPathError, match=f"^the body is nested deeper than {DEPTH_MAX} levels$"):
            read_json(b"[" * depth + b"]" * depth)
    with pytest.raises(ValueError, match=r"^Input data was truncated$"):
        read_json(b"{")
