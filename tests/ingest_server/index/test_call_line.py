"""The line of `logging.metrics`: its fields, and that a pipe takes it in one piece whatever the prompt is."""

import json

import pytest

from ingest_server.index.call_line import LINE_BYTES_MAX, call_line
from tests.ingest_server.index.summaries import summary
from traffic.llm.call import LlmCall, Message, Text, ToolResult, Usage


def call(*messages: Message, model: str | None = "gpt-4o") -> LlmCall:
    usage = Usage(input_tokens=12, output_tokens=34, sources={"input_tokens": "reported: usage.prompt_tokens"})
    return LlmCall(dialect="openai.chat", operation="chat", model=model, input=messages, usage=usage)


def user(text: str) -> Message:
    return Message("user", (Text(text),))


def test_a_line_has_the_newest_prompt_and_the_figures_of_the_call() -> None:
    answer, result = Message("assistant", (Text("x"),)), Message("tool", (ToolResult("1", None, "y"),))
    line = call_line(summary(), call(user("first"), answer, user("second"), answer, result))
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "model": "gpt-4o",
        "prompt": "second",
        "prompt_tokens": 12,
        "completion_tokens": 34,
        "latency_ms": 2000.0,
        "timestamp": "2026-09-13T02:11:09.123456Z",
    }


@pytest.mark.parametrize("letter", ["x", "語", "\0", "😀", '"'])
@pytest.mark.parametrize("length", [3_900, 4_000, 4_096, 100_000])
def test_a_long_prompt_is_cut_so_that_a_pipe_takes_the_line_in_one_piece(letter: str, length: int) -> None:
    line = call_line(summary(), call(user(letter * length)))
    prompt = json.loads(line)["prompt"]
    assert len(line) <= LINE_BYTES_MAX
    if len(prompt) < length:
        assert prompt == letter * (len(prompt) - 1) + "…"
        assert len(line) > LINE_BYTES_MAX - 12, "as much as fits"


def test_what_is_not_known_is_null() -> None:
    line = json.loads(call_line(summary(duration_ms=None), call(model=None)))
    assert (line["model"], line["prompt"], line["latency_ms"]) == (None, "", None)
