"""traffic/llm/live_answer.py: what is shown of an answer while it arrives is the text that decoding it finds."""

import json

import pytest

from tests.traffic.llm.dialects import openai_chat_examples as chat
from tests.traffic.llm.example import CODINGS, DECODER, Example, ndjson, raw, sse
from tests.traffic.llm.seeds import MESSAGES, SEEDS, files
from traffic.capture.exchange import RecordedExchange
from traffic.http1.content import dechunk
from traffic.http1.head import ResponseHead
from traffic.http1.message import END, ResponseReader
from traffic.llm.call import ToolCall
from traffic.llm.dialects import BUILT_IN
from traffic.llm.live_answer import live_answer

ASKED = {"model": "m", "messages": MESSAGES, "stream": True}


def shown(exchange: RecordedExchange, piece_bytes: int = 1_000_000) -> list[bytes]:
    """Piece by piece, as the body's data came."""
    response, found = live_answer(BUILT_IN, exchange.metadata.method, exchange.request), list[bytes]()
    body = b""
    for event in ResponseReader("POST").feed(exchange.response):
        if isinstance(event, ResponseHead):
            response.begin(event)
        elif event is not END:
            body += event
    data = dechunk(body)
    for start in range(0, len(data), piece_bytes):
        found += response.feed(data[start : start + piece_bytes])
    return [*found, *response.end()]


@pytest.mark.parametrize("coding", list(CODINGS))
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed[0]}-{seed[3]}")
def test_whatever_the_pieces_the_text_is_that_of_the_decoded_call(
    seed: tuple[str, object, list[object], str], coding: str
) -> None:
    exchange = files(*seed, coding)
    decoded = DECODER.decode(exchange)
    assert decoded is not None
    texts = ["".join(message.text for message in decoded.call.output)]
    parts = [part for message in decoded.call.output for part in message.parts]
    texts += [f"→ {part.name} {part.arguments}".rstrip() for part in parts if isinstance(part, ToolCall)]
    text = "\n".join(filter(None, texts))
    for piece_bytes in (1, 7, 1_000_000):
        found = b"".join(shown(exchange, piece_bytes)).decode()
        assert found == text or (not text and json.loads(found)), piece_bytes


def test_text_is_shown_event_by_event_without_reasoning_and_calls_of_tools_in_the_end() -> None:
    deltas = [*chat.LLAMA_DELTAS, *chat.PLAIN_DELTAS, *chat.TOOLS_DELTAS, *chat.REFUSAL_DELTAS]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    body = sse(b": OPENROUTER PROCESSING", *events, b"[DONE]")
    found = shown(raw(Example("/v1/chat/completions", ASKED, body, "text/event-stream")), 1)
    assert [piece for piece in found if piece] == [
        b"Sunny.",
        *(piece.encode() for piece in ("Gr", "üezi!", " 21 °C", " ☀️")),
        b"I can't",
        b" help with that.",
        '\n→ weather {"city": "Zürich"}\n→ now {}'.encode(),
    ]


def test_each_piece_is_shown_as_soon_as_its_event_is_whole() -> None:
    answer = live_answer(BUILT_IN, (exchange := files(*SEEDS[1])).metadata.method, exchange.request)
    head = exchange.response[: exchange.response.index(b"\r\n\r\n") + 4]
    (event,) = ResponseReader("POST").feed(head)
    assert isinstance(event, ResponseHead)
    answer.begin(event)
    first, second = (json.dumps({"choices": [{"delta": {"content": word}}]}).encode() for word in ("a", "b"))
    assert list(answer.feed(b"data: " + first + b"\n")) == []
    assert list(answer.feed(b"\ndata: ")) == [b"a"]
    assert list(answer.feed(second + b"\r\n\r")) == []
    assert list(answer.feed(b"\n")) == [b"b"]
    assert list(answer.end()) == []


@pytest.mark.parametrize(
    ("example", "found"),
    [
        (Example("/v1/models", None, b'{"data": []}'), b'{"data": []}'),
        (Example("/v1/chat/completions", ASKED, b'{"error": {"message": "no"}}', status=401), None),
        (Example("/v1/chat/completions", ASKED, b"<html>", "text/html", status=502), None),
        (Example("/v1/chat/completions", ASKED, b'{"error": {"message": "no"}}'), None),
        (Example("/v1/chat/completions", ASKED, b"no JSON at all"), None),
        (Example("/v1/chat/completions", ASKED, b"no"), None),
        (Example("/v1/chat/completions", ASKED, b""), None),
        (Example("/api/chat", ASKED, ndjson({"message": {"content": "x"}}), "application/json"), b"x"),
    ],
)
def test_what_has_no_text_is_shown_as_it_is(example: Example, found: bytes | None) -> None:
    for piece_bytes in (1, 1_000):
        assert b"".join(shown(raw(example), piece_bytes)) == (example.answer if found is None else found)


def test_several_answers_of_one_document_stand_below_each_other() -> None:
    document = {"choices": [{"message": {"content": word}} for word in ("one", "two")]}
    example = Example("/v1/chat/completions", {"messages": MESSAGES}, json.dumps(document).encode())
    assert shown(raw(example)) == [b"one\ntwo"]


def test_a_stream_that_is_cut_shows_what_came() -> None:
    whole = json.dumps({"choices": [{"delta": {"content": "a"}}]}).encode()
    example = Example("/v1/chat/completions", ASKED, b"data: " + whole, "text/event-stream")
    assert shown(raw(example)) == [b"a"]


@pytest.mark.parametrize(
    ("start", "content_type", "shown_before"),
    [
        (sse({"choices": [{"delta": {"content": "Hi"}}]}), "text/event-stream", b"Hi"),
        (b'{"a": ', "application/json", b""),
    ],
)
def test_an_event_or_a_document_that_never_ends_is_shown_as_it_is_and_not_held(
    start: bytes, content_type: str, shown_before: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic.llm.live_answer._EVENT_BYTES_MAX", 100)
    monkeypatch.setattr("traffic.llm.live_answer.BODY_BYTES_MAX", 400)
    held = b"data: " if shown_before else start
    endless = Example("/v1/chat/completions", ASKED, start.removesuffix(held) + held + b"x" * 900, content_type)
    assert b"".join(shown(raw(endless), 10)) == shown_before + held + b"x" * 900
