"""What the index learns of an exchange from its files alone."""

import json
import re
from typing import Any

import pytest

from ingest_server.index.entry import Entry, entry_of, key_of, path_of
from ingest_server.index.row import error_of, started_at, summary_of
from ingest_server.index.summary import summary_of as summary_of_call
from tests.ingest_server.index.exchanges import chat, entry, exchange_id, plain, recorded, stem_of
from tests.traffic.llm.example import Example, raw
from traffic.capture.metadata import ErrorFields
from traffic.llm.call import ProviderError


def test_a_row_tells_all_that_a_summary_says() -> None:
    exchange = chat(1, ["Hi"], "Hello")
    made = entry(exchange)
    assert made.call is not None
    summary = summary_of(made.row)
    facts = exchange.metadata
    assert summary.call == summary_of_call(made.call)
    assert (summary.id, summary.started_at, summary.route, summary.key) == (
        facts.id, facts.started_at, facts.route, facts.key
    )  # fmt: skip
    assert (summary.method, summary.url, summary.status, summary.completed) == ("POST", facts.url, 200, True)
    assert (summary.error, summary.duration_ms) == (None, facts.durations_ms.total)


def test_plain_http_has_no_call() -> None:
    made = entry(plain(1))
    assert made.call is None
    assert summary_of(made.row).call is None


@pytest.mark.parametrize(
    ("made", "is_open", "failed"),
    [
        (entry(plain(1)), False, False),
        (entry(plain(1, completed=False)), True, False),
        (entry(plain(1, completed=False, error=ErrorFields("shutdown", "tunnel", "recorder", ""))), False, True),
        (entry(chat(1, ["Hi"])), False, True),
    ],
)
def test_what_has_no_end_is_open_and_what_has_an_error_failed(made: Entry, is_open: bool, failed: bool) -> None:
    assert (made.row.is_open, made.row.failed) == (is_open, failed)


def test_an_error_of_the_provider_in_an_answer_of_200_is_a_failure() -> None:
    answer = b'data: {"error": {"message": "overloaded", "type": "server_error", "code": "529"}}\n\n'
    asked = {"model": "gpt-4o", "messages": [], "stream": True}
    made = entry(recorded(1, raw(Example("/v1/chat/completions", asked, answer, "text/event-stream"))))
    assert (made.row.status, made.row.failed) == (200, True)
    assert json.loads(made.row.provider_error or "") == {
        "type": "server_error", "code": "529", "message": "overloaded"
    }  # fmt: skip


def test_of_a_long_error_the_beginning_is_kept() -> None:
    answer = {"error": {"message": '"' * 100_000, "type": "x" * 10_000, "code": None}}
    made = entry(recorded(1, raw(Example("/v1/chat/completions", {"messages": []}, json.dumps(answer).encode()))))
    assert error_of(made.row.provider_error) == ProviderError("x" * 256, None, '"' * 1_000)
    assert made.call is not None
    assert summary_of(made.row).call == summary_of_call(made.call)


def test_the_tools_that_the_answer_calls_are_named_once_each() -> None:
    calls = [{"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in "aba"]
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "tool_calls": calls}}]}
    made = entry(recorded(1, raw(Example("/v1/chat/completions", {"messages": []}, json.dumps(answer).encode()))))
    assert made.row.tools == "a\nb"


def test_a_key_tells_the_start_to_the_microsecond() -> None:
    facts: Any = plain(1, started_at="2026-09-13T02:11:09.123456Z").metadata
    made = entry_of(stem_of(facts), facts, None, "")
    assert started_at(made.row.at) == "2026-09-13T02:11:09.123456Z"
    assert key_of(made.row.stem) <= made.row.at < key_of(made.row.stem) + 1000 * 1024


@pytest.mark.parametrize(
    ("stem", "moment", "message"),
    [
        (
            "2026-09-13_02-11-09.124_00000001",
            "2026-09-13T02:11:09.123456Z",
            "its name and its metadata (2026-09-13T02:11:09.123456Z) tell of different times",
        ),
        ("2026-13-13_02-11-09.123_00000001", "2026-13-13T02:11:09.123456Z", "month must be in 1..12"),
        ("9999-09-13_02-11-09.123_00000001", "9999-09-13T02:11:09.123456Z", "its time is too far ahead"),
    ],
)
def test_a_recording_whose_time_is_none_is_refused(stem: str, moment: str, message: str) -> None:
    facts: Any = plain(1, started_at=moment).metadata
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        entry_of(stem, facts, None, "")


def test_exchanges_in_a_days_folder_have_the_same_keys() -> None:
    stem = stem_of(plain(1).metadata)
    assert key_of(f"{stem[:10]}/{stem}") == key_of(stem)
    assert exchange_id(1).startswith(stem[-8:])


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1:8080/llm/v1?key=1", "/llm/v1"),
        ("http://127.0.0.1:8080", "/"),
        ("/llm/v1?next=http://a/b", "/llm/v1"),
        ("/proxy/http://a/b", "/proxy/http://a/b"),
        ("*", "*"),
        ("", ""),
    ],
)
def test_the_path_is_as_the_client_called_it_without_the_query(url: str, path: str) -> None:
    assert path_of(url) == path
