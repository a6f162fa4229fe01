"""OpenAI's legacy completions and its embeddings in the normal form."""

from typing import Any

import pytest

from tests.traffic.llm.example import DECODER, Example, decode, raw, sse
from tests.traffic.llm.properties import check_all
from traffic.llm.call import Message, ProviderError, Text, Usage

USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
VECTORS = {"object": "list", "data": [{"index": 0, "embedding": [0.25, -0.5]}], "model": "served"}


def completion(**fields: Any) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "served", **fields}


def choice(index: int, text: str, reason: str | None = None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}


def streamed(*events: Any) -> Example:
    asked = {"model": "asked", "prompt": "Say", "stream": True}
    return Example("/v1/completions", asked, sse(*events), "text/event-stream")


def whole(asked: dict[str, Any], document: Any, path: str = "/v1/completions") -> Example:
    return Example(path, asked, sse(document)[6:-2])


def user(*texts: str) -> tuple[Message, ...]:
    return tuple(Message("user", (Text(text),)) for text in texts)


def answer(*texts: str) -> tuple[Message, ...]:
    return tuple(Message("assistant", (Text(text),)) for text in texts)


def test_streamed_and_whole_completions_are_the_same_call_wherever_they_are_cut() -> None:
    pieces = [choice(0, "Gr"), choice(1, "Sa"), choice(0, "üezi", "length"), choice(1, "lü", "stop")]
    events = [*(completion(choices=[piece]) for piece in pieces), completion(choices=[], usage=USAGE), b"[DONE]"]
    call = check_all(streamed(*events)).call
    both = [choice(0, "Grüezi", "length"), choice(1, "Salü", "stop")]
    alike = check_all(whole({"model": "asked", "prompt": "Say"}, completion(choices=both, usage=USAGE))).call
    for field in ("dialect", "operation", "model", "response_model", "response_id", "input", "output", "usage"):
        assert getattr(call, field) == getattr(alike, field), field
    assert (call.dialect, call.operation) == ("openai.completions", "text_completion")
    assert (call.output, call.finish_reason, call.truncated) == (answer("Grüezi", "Salü"), "length", False)
    assert (call.usage.input_tokens, call.usage.output_tokens) == (5, 7)
    assert decode(streamed(*events[:-1])).call.truncated


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Say", user("Say")),
        (["Say", "more"], user("Say", "more")),
        ([1, 2, 3], (Message("user", ()),)),
        ([[1, 2], [3]], (Message("user", ()), Message("user", ()))),
        (None, ()),
    ],
)
def test_each_prompt_is_a_message_of_the_user_and_tokens_tell_no_text(prompt: Any, expected: Any) -> None:
    asked = {"model": "asked", "prompt": prompt, "max_tokens": 9}
    call = decode(whole(asked, completion(choices=[]))).call
    assert (call.input, call.parameters) == (expected, {"max_tokens": 9})
    embedded = decode(whole({"model": "asked", "input": prompt, "user": "u"}, VECTORS, "/v1/embeddings")).call
    assert (embedded.input, embedded.session, embedded.session_source) == (expected, "u", "user")


def test_embeddings_tell_model_and_tokens_and_leave_the_vectors_in_the_recording() -> None:
    document = {**VECTORS, "usage": {"prompt_tokens": 8, "total_tokens": 8}}
    call = check_all(whole({"model": "asked", "input": ["Say"], "dimensions": 2}, document, "/a/v1/embeddings")).call
    assert (call.dialect, call.operation, call.model, call.response_model) == (
        "openai.embeddings",
        "embeddings",
        "asked",
        "served",
    )
    assert (call.output, call.error, call.truncated, call.parameters) == ((), None, False, {"dimensions": 2})
    assert call.usage == Usage(input_tokens=8, sources={"input_tokens": "reported: usage.prompt_tokens"})


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings"])
def test_an_error_stands_instead_of_an_answer(path: str) -> None:
    asked = {"model": "asked", "prompt": "a", "input": "a"}
    error = {"error": {"message": "This model's maximum context length is 4097", "type": "invalid_request_error"}}
    for example in (whole(asked, error, path), Example(path, asked, sse(error), "text/event-stream")):
        call = check_all(example).call
        assert call.error == ProviderError("invalid_request_error", None, "This model's maximum context length is 4097")
        assert not call.truncated


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/completions", {"messages": []}),
        ("/api/embeddings", {"model": "x", "prompt": "Ollama's own"}),
        ("/v1/embeddings", None),
    ],
)
def test_what_has_another_shape_is_not_it(path: str, asked: Any) -> None:
    assert DECODER.decode(raw(Example(path, asked, b"{}"))) is None
