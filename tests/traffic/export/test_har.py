"""traffic/export/har.py: valid by HAR's specification, and honest about what was not there."""

import base64
import json
from typing import Any

import jsonschema
import msgspec
import pytest

from tests.traffic.export.har_schema import HAR
from tests.traffic.export.made import chat, export, id_of, numbered, plain
from tests.traffic.llm.example import CODINGS, Example, raw
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Durations, ErrorFields, Metadata

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"
UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def entries(*exchanges: RecordedExchange) -> list[Any]:
    document = json.loads(export("har", *exchanges)[0])
    jsonschema.Draft202012Validator(HAR).validate(document)
    assert document["log"]["creator"]["name"] == "llm-flight-recorder"
    found: list[Any] = document["log"]["entries"]
    return found


def entry(exchange: RecordedExchange) -> Any:
    (found,) = entries(exchange)
    return found


def stored(request: bytes, response: bytes, **facts: Any) -> RecordedExchange:
    return numbered(1, plain(1)._replace(request=request, response=response), **facts)


def unanswered(name: str) -> RecordedExchange:
    error = ErrorFields(name, "connect", "upstream", "nothing listens there")
    exchange = chat(1, "Hi", "Hello", completed=False, error=error, answered_by=None)
    return exchange._replace(response=b"")


def test_no_exchanges_and_many_are_valid() -> None:
    assert entries() == []
    assert [each["_recording"]["id"] for each in entries(chat(1, "Hi", "Hello"), plain(2), unanswered("x"))] == [
        id_of(1),
        id_of(2),
        id_of(1),
    ]


def test_an_entry_tells_the_request_as_it_went_upstream_and_its_answer() -> None:
    exchange = raw(Example("/v1/chat?a=1&b=&key=[secret:0123abcd]", {"m": "é"}, b'{"ok": 1}', status=404))
    url = exchange.metadata.url.encode()
    request = exchange.request.replace(b"\r\n\r\n", b"\r\nX-Proxy-Path: " + url + b"\r\n\r\n", 1)
    found = entry(exchange._replace(request=request))
    head, _, body = exchange.request.partition(b"\r\n\r\n")
    assert found["request"] == {
        "method": "POST",
        "url": "https://llm.test/v1/chat?a=1&b=&key=[secret:0123abcd]",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [
            {"name": "Host", "value": "llm.test"},
            {"name": "Content-Type", "value": "application/json"},
            {"name": "Content-Length", "value": str(len(body))},
        ],
        "queryString": [
            {"name": "a", "value": "1"},
            {"name": "b", "value": ""},
            {"name": "key", "value": "[secret:0123abcd]"},
        ],
        "headersSize": len(head) + 4,
        "bodySize": len(body),
        "postData": {"mimeType": "application/json", "text": '{"m": "é"}'},
    }
    answered = found["response"]
    assert (answered["status"], answered["statusText"], answered["httpVersion"]) == (404, "Told", "HTTP/1.1")
    assert answered["content"] == {"size": 9, "mimeType": "application/json", "text": '{"ok": 1}'}
    head, _, body = exchange.response.partition(b"\r\n\r\n")
    assert (answered["headersSize"], answered["bodySize"]) == (len(head) + 4, len(body))


@pytest.mark.parametrize("coding", CODINGS)
def test_content_is_there_without_chunks_and_compression_in_both_directions(coding: str) -> None:
    found = entry(raw(Example("/v1/chat", {"said": "hello"}, b'{"answered": "yes"}'), coding))
    assert found["request"]["postData"]["text"] == '{"said": "hello"}'
    assert found["response"]["content"]["text"] == '{"answered": "yes"}'


def test_what_is_no_text_is_base64() -> None:
    found = entry(raw(Example("/v1/images", PNG, PNG, "image/png")))
    encoded = base64.b64encode(PNG).decode()
    assert found["response"]["content"] == {
        "size": len(PNG),
        "mimeType": "image/png",
        "text": encoded,
        "encoding": "base64",
    }
    assert found["request"]["postData"] == {"mimeType": "application/json", "text": encoded, "_encoding": "base64"}


def test_timings_are_those_of_the_recording_and_add_up_to_the_time() -> None:
    timings = entry(chat(1, "Hi", "Hello", durations_ms=Durations(1.5, 20.0, 30.25)))
    assert timings["time"] == 30.25
    assert timings["timings"] == {
        "blocked": -1,
        "dns": -1,
        "connect": 1.5,
        "ssl": -1,
        "send": 0,
        "wait": 18.5,
        "receive": 10.25,
    }
    pooled = entry(chat(1, "Hi", "Hello", durations_ms=Durations(None, 20.0, 30.0)))
    assert (pooled["timings"]["connect"], pooled["timings"]["wait"], pooled["time"]) == (-1, 20.0, 30.0)
    unknown = entry(chat(1, "Hi", "Hello", durations_ms=Durations(None, None, None)))
    assert unknown["time"] == 0


def test_no_answer_is_status_0_and_says_why() -> None:
    answered = entry(unanswered("upstream_refused"))["response"]
    assert (answered["status"], answered["_error"]) == (0, "upstream_refused")
    assert (answered["headers"], answered["headersSize"], answered["bodySize"]) == ([], -1, -1)
    assert answered["content"] == {
        "size": 0,
        "mimeType": "x-unknown",
        "text": "",
        "comment": "nothing was recorded",
    }


def test_a_cut_answer_has_its_status_what_is_there_and_why_that_is_all() -> None:
    error = ErrorFields("upstream_reset", "response_body", "upstream", "the connection was reset")
    exchange = chat(1, "Hi", "Hello", completed=False, error=error)
    answered = entry(exchange._replace(response=exchange.response[:-40]))["response"]
    assert (answered["status"], answered["_error"]) == (200, "upstream_reset")
    assert answered["content"]["comment"] == "the body is cut: its last chunk is missing"
    assert answered["content"]["text"]


def test_a_request_that_is_no_valid_one_is_told_by_what_the_metadata_knows() -> None:
    found = entry(stored(b"BREW / HTCPCP/1.0\r\n\r\n", b"", method="BREW", upstream_url=None))["request"]
    assert (found["method"], found["headers"], found["headersSize"], found["bodySize"]) == ("BREW", [], -1, -1)
    assert found["url"] == "http://127.0.0.1:8080/llm/health"


def test_the_metadata_is_there_to_be_read_back_without_headers_and_offsets_in_bytes_that_are_not_there() -> None:
    exchange = chat(1, "Hi", "Hello", route="openai", key="ann")
    facts = msgspec.convert(entry(exchange)["_recording"], Metadata)
    replace = msgspec.structs.replace
    assert facts == replace(
        exchange.metadata,
        request=replace(exchange.metadata.request, headers=[], arrivals=[]),
        response=replace(exchange.metadata.response, headers=[], arrivals=[]),
    )


def test_the_session_that_a_client_names_is_there() -> None:
    exchange = raw(Example("/v1/chat/completions", {"messages": []}, b"{}", headers=(("X-Session-Id", "run-7"),)))
    assert entry(exchange)["_session"] == "run-7"
    assert entry(plain(1))["_session"] is None


def test_messages_of_a_websocket_stand_in_the_order_of_their_times() -> None:
    said = b"\x81\x85\x00\x00\x00\x00hello"
    exchange = stored(UPGRADE + said, SWITCHED + b"\x81\x02hi" + b"\x82\x02\xff\x00" + b"\x88\x00")
    facts = exchange.metadata
    replace = msgspec.structs.replace
    facts = replace(
        facts,
        request=replace(facts.request, arrivals=[(0, 0.0), (len(UPGRADE), 20.0)]),
        response=replace(facts.response, arrivals=[(0, 5.0), (len(SWITCHED), 10.0), (len(SWITCHED) + 4, 30.0)]),
    )
    found = entry(exchange._replace(metadata=facts))
    assert found["_resourceType"] == "websocket"
    assert found["_webSocketMessages"] == [
        {"type": "receive", "time": pytest.approx(1789265461.133456), "opcode": 1, "data": "hi"},
        {"type": "send", "time": pytest.approx(1789265461.143456), "opcode": 1, "data": "hello"},
        {"type": "receive", "time": pytest.approx(1789265461.153456), "opcode": 2, "data": "/wA="},
    ]
    assert (found["response"]["status"], found["response"]["content"]["size"]) == (101, 0)


def test_a_url_that_is_a_path_alone_gets_the_host_of_the_request_or_nobodys() -> None:
    by_door = stored(b"GET /v1/x?a=1 HTTP/1.1\r\nHost: api.test\r\n\r\n", b"", upstream_url=None, url="/v1/x?a=1")
    assert entry(by_door)["request"]["url"] == "http://api.test/v1/x?a=1"
    assert entry(by_door._replace(request=b"GET /v1/x"))["request"]["url"] == "http://unknown.invalid/v1/x?a=1"
