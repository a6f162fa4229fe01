"""traffic/export/har_read.py: what HAR files hold becomes exchanges that decode, and says what it is not."""

import io
import json
from typing import Any

import pytest

from replay.exchange_check import problem_with
from tests.traffic.export.made import chat, export
from tests.traffic.export.stored import VARIED
from tests.traffic.llm.example import decode
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Durations, ErrorFields
from traffic.export import har, har_read
from traffic.export.foreign import FormatError

ASKED = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Grüezi"}]}, ensure_ascii=False)
ANSWERED = json.dumps({"object": "chat.completion", "model": "gpt-4o", "choices": [], "usage": {"prompt_tokens": 3}})


def entry(request: dict[str, Any] | None = None, response: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """As Chrome writes one of HTTP/2."""
    asked = {
        "method": "POST",
        "url": "https://api.openai.com/v1/chat/completions?a=ä b",
        "httpVersion": "http/2.0",
        "headers": [
            {"name": ":authority", "value": "api.openai.com"},
            {"name": "authorization", "value": "Bearer sk-1"},
            {"name": "content-length", "value": "999"},
            {"name": "content-encoding", "value": "zstd"},
        ],
        "postData": {"mimeType": "application/json", "text": ASKED},
        **(request or {}),
    }
    answered = {
        "status": 200,
        "statusText": "",
        "headers": [
            {"name": "Content-Type", "value": "application/json"},
            {"name": "Content-Encoding", "value": "br"},
            {"name": "Transfer-Encoding", "value": "chunked"},
        ],
        "content": {"size": len(ANSWERED), "mimeType": "application/json", "text": ANSWERED},
        **(response or {}),
    }
    timings = {"blocked": 1.5, "dns": -1, "ssl": 4, "connect": 5, "send": 0.25, "wait": 100, "receive": 20}
    started = "2026-09-13T04:11:09.123456+02:00"
    return {
        "startedDateTime": started,
        "time": 126.75,
        "request": asked,
        "response": answered,
        "timings": timings,
        **more,
    }


def read(*entries: Any) -> list[RecordedExchange]:
    return list(har.read(_file(*entries)))


def told(*entries: Any) -> list[str]:
    problems: list[str] = []
    assert list(har.read(_file(*entries), problems.append)) == []
    return problems


def _file(*entries: Any) -> io.BytesIO:
    return io.BytesIO(b"\xef\xbb\xbf" + json.dumps({"log": {"version": "1.2", "entries": entries}}).encode())


def test_bytes_are_made_that_fit_together_and_decode() -> None:
    (found,) = read(entry())
    body = ASKED.encode()
    assert found.request == (
        b"POST /v1/chat/completions?a=%%C3%%A4%%20b HTTP/1.1\r\nHost: api.openai.com\r\nauthorization: Bearer sk-1\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    assert found.response == (
        b"HTTP/1.1 200 \r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(ANSWERED), ANSWERED.encode())
    )
    assert problem_with(found) is None
    call = decode(found).call
    assert (call.model, call.provider, call.input[0].text, call.usage.input_tokens) == ("gpt-4o", "openai", "Grüezi", 3)


def test_the_metadata_says_what_is_known_and_where_it_is_from() -> None:
    (found,) = read(entry())
    facts = found.metadata
    assert (facts.imported_from, facts.started_at) == ("har", "2026-09-13T02:11:09.123456Z")
    assert facts.durations_ms == Durations(5, 106.75, 126.75)
    assert facts.url == facts.upstream_url == "https://api.openai.com/v1/chat/completions?a=ä b"
    assert facts.received.request_line == "POST https://api.openai.com/v1/chat/completions?a=ä b http/2.0"
    assert facts.received.removed == [("content-length", "999"), ("content-encoding", "zstd")]
    assert (facts.route, facts.client, facts.completed, facts.error) == (None, "", True, None)
    assert facts.response.arrivals == [(0, 106.75)]


@pytest.mark.parametrize("wait", [-1, -310.875, None])
def test_a_time_below_0_is_one_that_is_not_known(wait: float | None) -> None:
    """Where mitmproxy does not know when the answer began, it writes what is left of the other times."""
    (found,) = read(entry(timings={"connect": -1, "ssl": -1, "send": 310.875, "receive": 310.875, "wait": wait}))
    assert found.metadata.durations_ms == Durations(None, None, 126.75)


def test_the_same_entry_gets_the_same_id_and_another_another() -> None:
    ids = [read(each)[0].metadata.id for each in (entry(), entry(), entry({"url": "https://api.openai.com/v1/models"}))]
    assert ids[0] == ids[1] != ids[2]


def test_an_id_tells_nothing_about_a_secret() -> None:
    """Whoever has the recording without it could try what it might be."""
    ids = [
        read(entry({"headers": [{"name": "Cookie", "value": value}], "url": f"https://a/?key={value}"}))[0].metadata.id
        for value in ("hunter1", "hunter2")
    ]
    assert ids[0] == ids[1]


BODILESS = {"content": {"size": 0}, "headers": [{"name": "Content-Length", "value": "5"}]}


@pytest.mark.parametrize(
    ("given", "request_end", "response_end"),
    [
        (
            entry({"method": "GET", "postData": None}, {"content": {"text": "/wA=", "encoding": "base64"}}),
            b"sk-1\r\n\r\n",
            b"Content-Length: 2\r\n\r\n\xff\0",
        ),
        (entry({"postData": {"params": [{"name": "a", "value": "b c"}]}}), b"Content-Length: 5\r\n\r\na=b+c", b"}}"),
        (entry({"method": "HEAD", "postData": None}, BODILESS), b"\r\n\r\n", b"Content-Length: 5\r\n\r\n"),
        (entry(None, {**BODILESS, "status": 304}), b"}]}", b"Content-Length: 5\r\n\r\n"),
        (entry(None, {"content": None}), b"}]}", b"Content-Length: 0\r\n\r\n"),
        (
            entry({"headers": [{"name": "X", "value": "a\r\nb: \u6f22"}]}, {"statusText": "No\r\nWay"}),
            b"X: a  b: \xe6\xbc\xa2\r\nContent-Length: %d\r\n\r\n%b" % (len(ASKED.encode()), ASKED.encode()),
            b"}}",
        ),
        (entry({"url": "wss://user:pw@a:80?x"}), b"}]}", b"}}"),
    ],
)
def test_entries_of_many_kinds_become_whole_messages(
    given: dict[str, Any], request_end: bytes, response_end: bytes
) -> None:
    (found,) = read(given)
    assert found.request.endswith(request_end), found.request
    assert found.response.endswith(response_end), found.response
    assert found.metadata.completed
    assert problem_with(found) is None


@pytest.mark.parametrize(
    ("response", "data", "problem"),
    [
        ({"status": 0, "_error": "net::ERR_FAILED"}, b"", "the HAR file holds no answer: net::ERR_FAILED"),
        ({"status": 0}, b"", "the HAR file holds no answer"),
        (
            {"content": {"size": 77}, "headers": []},
            b"HTTP/1.1 200 \r\nContent-Length: 77\r\n\r\n",
            "the HAR file does not hold the body of the response",
        ),
    ],
)
def test_what_the_file_does_not_hold_is_incomplete(response: dict[str, Any], data: bytes, problem: str) -> None:
    (found,) = read(entry(None, response))
    assert found.response == data
    assert found.metadata.error == ErrorFields("capture_gap", "capture", "recorder", problem)
    assert problem_with(found) is None


def test_what_this_recorder_exported_keeps_its_id_and_what_its_metadata_told() -> None:
    first = chat(1, "Hi", "Ho", key="laptop")
    (found,) = list(har.read(io.BytesIO(export("har", first)[0])))
    facts = found.metadata
    assert (facts.id, facts.key, facts.route, facts.client) == (
        first.metadata.id,
        "laptop",
        "llm",
        first.metadata.client,
    )
    assert (facts.imported_from, facts.completed) == ("har", True)
    assert b"X-Proxy-Path: http://127.0.0.1:8080/llm/v1/chat/completions\r\n" in found.request
    assert decode(found).call == decode(first).call
    assert problem_with(found) is None


def test_a_whole_export_is_read() -> None:
    found = list(har.read(io.BytesIO(export("har", *VARIED)[0])))
    assert [each.metadata.id for each in found] == [each.metadata.id for each in VARIED]
    assert [each.metadata.error for each in found[:4]] == [each.metadata.error for each in VARIED[:4]]
    assert [each.metadata.completed for each in found] == [True, True, False, False, False, False]
    assert all(problem_with(each) is None for each in found)


@pytest.mark.parametrize("url", ["data:text/plain,x", "chrome-extension://abc/x.js", "about:blank", "blob:https://a"])
def test_what_is_no_http_is_passed_over(url: str) -> None:
    assert told(entry({"url": url})) == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "entry 1: Object missing required field `startedDateTime`"),
        ("x", "entry 1: Expected `object`, got `str`"),
        (entry(startedDateTime="soon"), "entry 1: 'soon' is no date and time"),
        (entry({"method": "A B"}), "entry 1: 'A B' is no method"),
        (entry(None, {"status": 999}), "entry 1: 999 is no status"),
        (
            entry({"url": "https://"}),
            "entry 1: 'https://' names no host",
        ),
        (
            entry(None, {"content": {"text": "x", "encoding": "base64"}}),
            "entry 1: a body says that it is base64, and is not",
        ),
        (entry(time=1e300), "entry 1: Expected `float` <= 1000000000000000.0 - at `$.time`"),
        (
            entry({"headers": [{"name": "Host", "value": "a"}, {"name": "Host", "value": "b"}]}),
            "entry 1: a request that cannot be read: more than one Host header",
        ),
    ],
)
def test_an_entry_that_makes_no_exchange_is_told(given: Any, problem: str) -> None:
    assert told(given) == [problem]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{", "it is no HAR file: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b'{"log": []}', "it is no HAR file: it has no log.entries"),
        (b'{"log": {"entries": {}}}', "it is no HAR file: it has no log.entries"),
        (b'{"log": {"entries": [NaN]}}', "it is no HAR file: NaN is no JSON"),
        (b'{"log": ' + b" " * 3000, "it has more than 3,000 bytes, which is too much for a HAR file"),
    ],
)
def test_what_is_no_har_is_refused(data: bytes, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(har_read, "HAR_BYTES_MAX", 3_000)
    with pytest.raises(FormatError) as raised:
        list(har.read(io.BytesIO(data)))
    assert str(raised.value) == problem


def test_json_without_an_end_of_its_nesting_is_refused() -> None:
    with pytest.raises(FormatError, match="it is no HAR file: "):
        list(har.read(io.BytesIO(b'{"log":{"entries":' + b"[" * 200_000)))
