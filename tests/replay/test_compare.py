import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from msgspec.structs import replace

from replay.compare import Comparison, compare
from replay.masks import Masks
from tests.traffic.llm.example import DECODER, Example, raw, sse
from tests.traffic.llm.seeds import SEEDS, files
from traffic.capture.exchange import RecordedExchange
from traffic.capture.foreign import describe
from traffic.capture.metadata import ErrorFields
from traffic.http1.websocket import PING, TEXT, frame_of

ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "The capital of France?"}]}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris","days":1}'}}
SAID: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-4o-2024-08-06",
    "system_fingerprint": "fp_1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "It is Paris.", "annotations": [], "tool_calls": [CALL]},
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16},
}
MESSAGE = SAID["choices"][0]["message"]


def chat(said: Any = SAID, asked: Any = ASKED, **fields: Any) -> RecordedExchange:
    answer = said if isinstance(said, bytes) else json.dumps(said).encode()
    return raw(Example("/v1/chat/completions", asked, answer, **fields))


def edited(document: Any, edit: Callable[[Any], Any]) -> Any:
    copy = deepcopy(document)
    edit(copy)
    return copy


def streamed(said: dict[str, Any], **facts: Any) -> RecordedExchange:
    """The same answer in events, one per word."""
    choice = said["choices"][0]
    message = choice["message"]
    head = {"id": said["id"], "object": "chat.completion.chunk", "model": said["model"], **facts}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word + " "} for word in message["content"].split(" ")[:-1]]
    deltas += [{"content": message["content"].split(" ")[-1]}]
    deltas += [{"tool_calls": [{"index": 0, **call}]} for call in message["tool_calls"]]
    events = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    return chat(sse(*events, b"[DONE]"), {**ASKED, "stream": True}, content_type="text/event-stream")


def compared(a: RecordedExchange, b: RecordedExchange, *ignored: str, request_matters: bool = True) -> Comparison:
    return compare(a, b, DECODER, Masks(ignored), request_matters=request_matters)


def told(comparison: Comparison) -> list[str]:
    """Each difference in a line; `~` before those that do not matter."""
    return [
        f"{'' if each.matters else '~ '}{each.section} {each.path}: {json.dumps(each.a)} -> {json.dumps(each.b)}"
        for each in comparison.differences
    ]


def differences(a: RecordedExchange, b: RecordedExchange, *ignored: str) -> list[str]:
    return told(compared(a, b, *ignored))


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed[0]} {seed[3]}")
def test_every_exchange_is_the_same_as_itself_also_where_it_was_compressed(
    seed: tuple[str, Any, list[Any], str],
) -> None:
    for coding in ("", "gzip", "br"):
        assert differences(files(*seed), files(*seed, coding)) == []


PARTS = [{"text": "x", "thoughtSignature": "1"}, {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}}]
GEMINI = {"responseId": "1", "candidates": [{"content": {"parts": PARTS}, "finishReason": "STOP"}]}
BLOCKS = [{"type": "text", "text": "x"}, {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}]
ITEMS = [
    {"type": "message", "id": "1", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
    {"type": "function_call", "id": "1", "call_id": "1", "name": "f", "arguments": '{"a": 1}'},
]
OLLAMA = {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}
WHOLE: list[tuple[str, Any, Any]] = [
    ("/v1/messages", {"messages": []}, {"id": "1", "type": "message", "content": BLOCKS, "stop_reason": "tool_use"}),
    ("/v1/responses", {"input": "x"}, {"id": "1", "created_at": 1, "status": "completed", "output": ITEMS}),
    ("/v1beta/models/g:generateContent", {"contents": []}, GEMINI),
    (
        "/api/chat",
        {"model": "m", "messages": [], "stream": False},
        {"created_at": "1", "message": OLLAMA, "done": True},
    ),
]


@pytest.mark.parametrize(("path", "asked", "said"), WHOLE, ids=[path for path, _, _ in WHOLE])
def test_of_each_dialect_a_word_and_an_argument_that_change_are_named_once_and_ids_are_not(
    path: str, asked: Any, said: Any
) -> None:
    text = json.dumps(said)
    changed = text.replace('"x"', '"y"').replace('a": 1', 'a": 2').replace('a\\": 1', 'a\\": 2').replace('"1"', '"2"')
    a, b = (raw(Example(path, asked, each.encode())) for each in (text, changed))
    assert differences(a, b) == ['answer text: "x" -> "y"', "answer tool_calls[0].arguments.a: 1 -> 2"]


def test_what_is_made_up_each_time_is_no_difference() -> None:
    def again(said: Any) -> None:
        said.update(id="chatcmpl-2", created=1_800_000_000, system_fingerprint="fp_2", service_tier="default")
        said["choices"][0]["message"]["tool_calls"][0]["id"] = "call_2"
        said["usage"] = {"prompt_tokens": 13, "completion_tokens": 5, "total_tokens": 18}

    comparison = compared(chat(), chat(edited(SAID, again)))
    assert told(comparison) == []
    assert comparison.is_same
    assert (comparison.a.input_tokens, comparison.b.input_tokens) == (12, 13)


CHANGES: list[tuple[str, Callable[[Any], Any], list[str]]] = [
    (
        "one word",
        lambda said: said["choices"][0]["message"].update(content="It is Lyon."),
        ['answer text: "It is Paris." -> "It is Lyon."'],
    ),
    (
        "one argument of a tool",
        lambda said: said["choices"][0]["message"]["tool_calls"][0]["function"].update(
            arguments='{"days": 1, "city": "Lyon"}'
        ),
        ['answer tool_calls[0].arguments.city: "Paris" -> "Lyon"'],
    ),
    (
        "another tool",
        lambda said: said["choices"][0]["message"]["tool_calls"][0]["function"].update(name="forecast"),
        ['answer tool_calls[0].name: "weather" -> "forecast"'],
    ),
    (
        "the finish reason",
        lambda said: said["choices"][0].update(finish_reason="length"),
        ['answer finish_reason: "tool_calls" -> "length"'],
    ),
    (
        "the model that served",
        lambda said: said.update(model="gpt-4o-2024-11-20"),
        ['answer model: "gpt-4o-2024-08-06" -> "gpt-4o-2024-11-20"'],
    ),
]


@pytest.mark.parametrize(("edit", "lines"), [pytest.param(edit, lines, id=name) for name, edit, lines in CHANGES])
def test_just_what_changed_is_named_of_whole_answers_and_of_streams(
    edit: Callable[[Any], Any], lines: list[str]
) -> None:
    other = edited(SAID, edit)
    assert differences(chat(), chat(other)) == lines
    assert differences(streamed(SAID), streamed(other, obfuscation="x7")) == lines


def test_a_field_that_no_dialect_reads_is_named_as_well() -> None:
    other = edited(SAID, lambda said: said["choices"][0]["message"].update(annotations=[{"type": "url_citation"}]))
    assert differences(chat(), chat(other)) == [
        'response choices[0].message.annotations[0]: null -> {"type": "url_citation"}'
    ]


def test_a_whole_answer_and_the_same_one_streamed_differ_in_how_they_were_asked_for_alone() -> None:
    assert differences(chat(), streamed(SAID)) == [
        "request stream: null -> true",
        'response header content-type: "application/json" -> "text/event-stream"',
    ]


def test_what_was_asked_is_a_difference_unless_answers_alone_are_compared() -> None:
    other = chat(asked=edited(ASKED, lambda asked: asked["messages"][0].update(content="Of Italy?")))
    line = 'request messages[0].content: "The capital of France?" -> "Of Italy?"'
    assert differences(chat(), other) == [line]
    comparison = compared(chat(), other, request_matters=False)
    assert told(comparison) == [f"~ {line}"]
    assert comparison.is_same


def test_the_model_that_served_is_told_only_where_another_was_asked_for() -> None:
    other = chat(edited(SAID, lambda said: said.update(model="gpt-5")), {**ASKED, "model": "gpt-5"})
    comparison = compared(chat(), other, request_matters=False)
    assert told(comparison) == [
        '~ request model: "gpt-4o" -> "gpt-5"',
        '~ answer model: "gpt-4o-2024-08-06" -> "gpt-5"',
    ]


def test_reasoning_is_told_only() -> None:
    def thought(words: str) -> RecordedExchange:
        return chat(edited(SAID, lambda said: said["choices"][0]["message"].update(reasoning=words)))

    assert differences(thought("a"), thought("b")) == ['~ answer reasoning: "a" -> "b"']


def test_an_error_in_place_of_an_answer_is_named_by_status_and_words() -> None:
    error = {"error": {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
    lines = differences(chat(), chat(error, status=429))
    assert lines[0] == "status : 200 -> 429"
    assert 'answer error.message: null -> "slow down"' in lines or any("slow down" in line for line in lines)
    worded = edited(error, lambda document: document["error"].update(message="wait"))
    assert differences(chat(error, status=429), chat(worded, status=429)) == [
        'answer error.message: "slow down" -> "wait"'
    ]


def test_headers_that_say_something_matter_others_are_told_and_what_varies_is_not() -> None:
    a = chat()
    head, end, body = a.response.partition(b"\r\n\r\n")
    extra = b"\r\nDate: now\r\nCF-Ray: 1\r\nX-Request-Id: 2\r\nX-RateLimit-Remaining-Tokens: 3\r\nRetry-After: 7"
    b = a._replace(response=head + extra + b"\r\nX-Model-Tier: fast" + end + body)
    assert differences(a, b) == [
        'response header retry-after: null -> "7"',
        '~ response header x-model-tier: null -> "fast"',
    ]
    assert differences(a, b, "header:Retry-After", "header:x-model-tier") == []


def test_what_is_ignored_is_no_difference_and_each_difference_says_how_to_ignore_it() -> None:
    other = edited(SAID, lambda said: CHANGES[1][1](said) or said["choices"][0]["message"].update(annotations=None))
    asked = {**ASKED, "seed": 7}
    found = compared(chat(), chat(other, asked)).differences
    assert [each.ignore for each in found] == [
        "request:seed",
        "response:choices[0].message.annotations",
        "answer:tool_calls[0].arguments.city",
    ]
    assert differences(chat(), chat(other, asked), *[str(each.ignore) for each in found]) == []
    assert differences(chat(), chat(other, asked), "seed", "..annotations", "..city") == []


def test_a_cut_answer_differs_in_how_it_ended_and_in_what_was_said() -> None:
    whole = streamed(SAID)
    cut_at = whole.response.index(b"Paris")
    facts = replace(
        whole.metadata, completed=False, error=ErrorFields("upstream_closed", "response body", "upstream", "it closed")
    )
    cut = RecordedExchange(facts, whole.request, whole.response[:cut_at])
    lines = differences(whole, cut)
    assert lines[0] == 'outcome : "complete" -> "upstream_closed in response body, by upstream"'
    assert 'answer text: "It is Paris." -> "It is "' in lines
    assert "answer truncated: null -> true" in lines


def test_what_is_no_call_to_a_model_is_compared_as_what_it_is() -> None:
    def page(content: bytes, content_type: str) -> RecordedExchange:
        return raw(Example("/health", None, content, content_type))

    assert differences(page(b"fine", "text/plain"), page(b"ill", "text/plain")) == ['response : "fine" -> "ill"']
    assert (
        differences(page(b'{"a": 1, "b": 2}', "application/json"), page(b'{"b":2,"a":1.0}', "application/json")) == []
    )
    one, two = (page(sse({"id": 1, "n": number}, b"end"), "text/event-stream") for number in (1, 2))
    assert differences(one, two) == ["response [0].n: 1 -> 2"]
    assert differences(one, two, "response:n") == []
    (line,) = differences(page(b"\xff\x00", "image/png"), page(b"\xff\x01\x02", "image/png"))
    assert line.startswith('response : "2 bytes, SHA-256 ')


def test_of_websockets_the_messages_are_compared_not_their_random_masks() -> None:
    def conversation(mask: bytes, asked: str, said: str) -> RecordedExchange:
        key = int.from_bytes(mask * 10, "big") >> (320 - 8 * len(asked))
        frame = bytes((0x81, 0x80 | len(asked))) + mask
        frame += (int.from_bytes(asked.encode(), "big") ^ key).to_bytes(len(asked), "big")
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        request = b"GET /v1/realtime HTTP/1.1\r\nHost: llm.test\r\n" + upgrade + b"\r\n" + frame
        answer = frame_of(TEXT, said.encode()) + frame_of(PING, mask)
        exchange = raw(Example("/v1/realtime", None, b""))
        return exchange._replace(
            request=request, response=b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\r\n" + answer
        )

    one = conversation(b"abcd", '{"type": "ask", "id": 1}', '{"type": "said", "id": 1}')
    two = conversation(b"wxyz", '{"id": 2, "type": "ask"}', '{"id": 2, "type": "told"}')
    assert differences(one, two) == [
        "request [0].id: 1 -> 2",
        "response [0].id: 1 -> 2",
        'response [0].type: "said" -> "told"',
    ]
    assert [each.ignore for each in compared(one, two).differences] == ["request:id", "response:id", "response:type"]
    assert differences(one, two, "request:id", "response:id", "response:type") == []


def test_vectors_are_one_value_each() -> None:
    def embedded(last: float) -> RecordedExchange:
        vector = [0.5] * 99 + [last]
        said = {"object": "list", "model": "e", "data": [{"index": 0, "embedding": vector}], "usage": {}}
        return raw(Example("/v1/embeddings", {"model": "e", "input": "x"}, json.dumps(said).encode()))

    (line,) = differences(embedded(0.1), embedded(0.2))
    assert line.startswith(r'response data[0].embedding: "[0.5, 0.5, 0.5, \u2026 100 numbers, hash ')


def test_bodies_that_are_nested_too_deeply_are_compared_as_text() -> None:
    bodies = [b"[" * 5_000 + middle + b"]" * 5_000 for middle in (b"1", b"2")]
    a, b = (raw(Example("/health", None, body)) for body in bodies)
    assert differences(a, a) == []
    (line,) = differences(a, b)
    assert line.startswith('response : "[[[[')


def test_recordings_without_an_answer_or_a_readable_request_are_compared_too() -> None:
    a = chat()
    b = RecordedExchange(a.metadata, b"\x00broken", b"")
    lines = differences(a, b)
    assert differences(b, b) == []
    assert any(line.startswith("request : ") for line in lines)
    assert any(line.startswith("response : ") for line in lines)


def test_secrets_that_another_recorder_left_in_a_recording_are_not_shown() -> None:
    def left(secret: bytes) -> RecordedExchange:
        request = b"GET /v1/models?key=%b HTTP/1.1\r\nHost: a\r\nReferer: http://h/?token=%b\r\n\r\n" % (secret, secret)
        response = b"HTTP/1.1 302 Found\r\nLocation: /?key=%b\r\nContent-Length: 0\r\n\r\n" % secret
        return RecordedExchange(describe(request, response, 0), request, response)

    comparison = compared(left(b"topsecret1"), left(b"topsecret2"))
    assert comparison.a.url.startswith("http://a/v1/models?key=[secret:")
    assert "topsecret" not in repr(comparison)
