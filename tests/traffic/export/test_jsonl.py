"""traffic/export/jsonl.py: a line per exchange."""

import msgspec

from tests.traffic.export.made import chat, id_of, lines, plain
from tests.traffic.llm.example import decode
from traffic.capture.metadata import ErrorFields
from traffic.llm.call import LlmCall


def test_a_line_tells_of_the_exchange_and_its_call_as_the_decoder_found_it() -> None:
    exchange = chat(1, "Hi", "Hello", route="openai", provider="openai")
    (line,) = lines("jsonl", exchange)
    assert msgspec.convert(line.pop("call"), LlmCall) == decode(exchange).call
    assert line == {
        "id": id_of(1),
        "started_at": "2026-09-13T02:11:01.123456Z",
        "route": "openai",
        "provider": "openai",
        "key": None,
        "method": "POST",
        "url": "http://127.0.0.1:8080/llm/v1/chat/completions",
        "upstream_url": "https://llm.test/v1/chat/completions",
        "status": 200,
        "completed": True,
        "error": None,
        "duration_ms": exchange.metadata.durations_ms.total,
        "durations_ms": msgspec.to_builtins(exchange.metadata.durations_ms),
        "session": id_of(1),
        "parent": None,
    }


def test_sessions_and_parents_are_found_among_the_lines() -> None:
    _, second = lines("jsonl", chat(1, "Hi", "Hello"), chat(2, "Hi", "Hello", "How?", "So"))
    assert (second["session"], second["parent"]) == (id_of(1), id_of(1))


def test_plain_http_has_no_call_and_an_error_says_who_and_why() -> None:
    error = ErrorFields("upstream_reset", "response_body", "upstream", "the connection was reset")
    first, second = lines("jsonl", plain(1), chat(2, "Hi", "Hello", completed=False, error=error))
    assert (first["call"], first["session"]) == (None, None)
    assert second["error"] == msgspec.to_builtins(error)
