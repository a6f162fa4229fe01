"""Metadata: built from what the recorder told, valid by the schema that ships."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from traffic.capture import metadata
from traffic.capture.events import ExchangeError, Finished, Received, Redaction, Started
from traffic.capture.metadata import Stored

SCHEMA = json.loads(Path(metadata.__file__).with_name("metadata.schema.json").read_text())
STARTED = Started(
    "092d0424-1b2c-4d3e-8f40-5a6b7c8d9e0f",
    1_789_265_469_123_456_789,
    "lmstudio",
    "/lmstudio/",
    "POST",
    "http://localhost:5601/lmstudio/v1/models",
    "http://127.0.0.1:1234/v1/models",
    "127.0.0.1:50123",
    Received("POST /lmstudio/v1/models HTTP/1.1", "localhost:5601", [("Connection", "close")]),
    "laptop",
    "lmstudio",
    "1e0f7a3c-0000-4000-8000-5a6b7c8d9e0f",
)
FINISHED = Finished(True, None, "upstream", None, 310_001, 1_240_500, 3, 4, 0, [Redaction("request.query.key", "[x]")])
REQUEST = Stored([("Host", "x")], None, 3, "0" * 64, [(0, 15)])
RESPONSE = Stored([("A", "\xe9")], 200, 4, "f" * 64, [(0, 20), (2, 1_500)])
NOTHING = Stored([], None, 0, None, [])
ERROR = ExchangeError("upstream_reset", "response_body", "upstream", "reset after 4 bytes")


def as_json(facts: metadata.Metadata) -> dict[str, object]:
    value: dict[str, object] = json.loads(metadata.encode(facts))
    jsonschema.Draft202012Validator(SCHEMA).validate(value)
    return value


def test_a_complete_exchange_is_described_field_by_field() -> None:
    assert as_json(metadata.build(STARTED, FINISHED, None, REQUEST, RESPONSE)) == {
        "schema": 1,
        "id": STARTED.id,
        "route": "lmstudio",
        "pattern": "/lmstudio/",
        "method": "POST",
        "url": STARTED.url,
        "upstream_url": STARTED.upstream_url,
        "client": "127.0.0.1:50123",
        "started_at": "2026-09-13T02:11:09.123456Z",
        "completed": True,
        "error": None,
        "answered_by": "upstream",
        "durations_ms": {"connect": None, "first_byte": 310.001, "total": 1240.5},
        "received": {
            "request_line": "POST /lmstudio/v1/models HTTP/1.1",
            "host": "localhost:5601",
            "removed": [["Connection", "close"]],
        },
        "request": {"headers": [["Host", "x"]], "bytes": 3, "sha256": "0" * 64, "arrivals": [[0, 0.015]]},
        "response": {
            "status": 200,
            "headers": [["A", "é"]],
            "bytes": 4,
            "sha256": "f" * 64,
            "arrivals": [[0, 0.02], [2, 1.5]],
        },
        "redactions": [{"where": "request.query.key", "placeholder": "[x]"}],
        "key": "laptop",
        "provider": "lmstudio",
        "replay_of": STARTED.replay_of,
        "imported_from": None,
    }


def test_an_error_makes_an_exchange_incomplete_whatever_the_recorder_said() -> None:
    value = as_json(metadata.build(STARTED, FINISHED, ERROR, REQUEST, RESPONSE))
    assert value["completed"] is False
    assert value["error"] == {
        "name": "upstream_reset",
        "phase": "response_body",
        "by": "upstream",
        "detail": "reset after 4 bytes",
    }


def test_a_running_exchange_has_neither_error_nor_durations() -> None:
    value = as_json(metadata.build(STARTED, None, None, NOTHING, NOTHING))
    assert (value["completed"], value["error"]) == (False, None)
    assert value["durations_ms"] == {"connect": None, "first_byte": None, "total": None}


def test_it_reads_back_what_it_wrote() -> None:
    facts = metadata.build(STARTED, FINISHED, ERROR, REQUEST, RESPONSE)
    assert metadata.decode(metadata.encode(facts)) == facts


@pytest.mark.parametrize(
    ("started_at", "problem"),
    [
        ("2026-09-13T02:11:60.000000Z", "is no date and time"),
        ("2026-02-31T02:11:09.000000Z", "is no date and time"),
        ("٢٠٢٦-09-13T02:11:09.000000Z", "is no date and time"),
        ("1969-12-31T23:59:59.999999Z", "lies before 1970"),
    ],
)
def test_a_start_that_is_no_moment_of_a_name_is_refused(started_at: str, problem: str) -> None:
    """So whoever has metadata need not look whether it is one."""
    value = as_json(metadata.build(STARTED, FINISHED, None, REQUEST, RESPONSE)) | {"started_at": started_at}
    with pytest.raises(msgspec.ValidationError) as caught:
        metadata.decode(json.dumps(value))
    assert str(caught.value) == f"{started_at!r} {problem} - at `$.started_at`"


def test_what_an_earlier_version_wrote_is_read_without_key_provider_and_replay_of() -> None:
    value = as_json(metadata.build(STARTED, FINISHED, None, REQUEST, RESPONSE))
    del value["key"], value["provider"], value["replay_of"], value["imported_from"]
    facts = metadata.decode(json.dumps(value))
    assert (facts.id, facts.key, facts.provider, facts.replay_of) == (STARTED.id, None, None, None)


BLANKS = [("A \t", "blanks before the colon"), ("B", ""), ("C", "")]
REQUEST_HEADS = [
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: \xe9 \r\na:2\r\n\r\nbody", [("Host", "x"), ("A", "é"), ("a", "2")]),
    (b"GET / HTTP/1.1\r\nHost: x\r\n", None),
    (b"", None),
    (b"GET / HTTP/1.1\r\nNo-Host: refused and shown\r\n\r\n", [("No-Host", "refused and shown")]),
    (b"GET / HTTP/1.1\r\nA: folded\r\n over lines\r\n\r\n", []),
    (b"GET / HTTP/1.1\r\nA: bare \n line end\r\n\r\n", []),
    (b"GET / HTTP/1.1\r\nA: bare \r return\r\n\r\n", []),
    (b"GET / HTTP/1.1\r\nA: return before the end\r\r\n\r\n", []),
    (b"GET / \r HTTP/1.1\r\nA: b\r\n\r\n", []),
    (b"GET / HTTP/1.1\r\nA \t: blanks before the colon\r\nB:\r\nC: \t \r\n\r\n", BLANKS),
    (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", []),
    (b"GET / HTTP/1.1\r\n: no name\r\n\r\n", []),
    (b"no HTTP at all\r\n\r\n", []),
]


@pytest.mark.parametrize(("data", "expected"), REQUEST_HEADS)
def test_request_headers_are_read_from_the_stored_bytes(data: bytes, expected: list[tuple[str, str]] | None) -> None:
    assert metadata.request_headers(data) == expected


WEBSOCKET = (101, [("Connection", "Upgrade"), ("Upgrade", "websocket")])
RESPONSE_HEADS: list[tuple[bytes, tuple[int | None, list[tuple[str, str]]] | None]] = [
    (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", (200, [("A", "b")])),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\n\r\n", (404, [])),
    (b"HTTP/1.1 101 Switch\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00", WEBSOCKET),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20", None),
    (b"HTTP/1.0 500\r\n\r\n", (500, [])),
    (b"no HTTP at all\r\n\r\n", (None, [])),
]


@pytest.mark.parametrize(("data", "expected"), RESPONSE_HEADS)
def test_the_status_is_that_of_the_final_response(
    data: bytes, expected: tuple[int | None, list[tuple[str, str]]] | None
) -> None:
    assert metadata.response_status(data) == expected


def test_arrivals_are_never_merged_below_their_limit_and_thinned_beyond_it() -> None:
    arrivals = [(place, place * 10) for place in range(metadata.ARRIVALS_MAX)]
    metadata.thin(arrivals)
    assert len(arrivals) == metadata.ARRIVALS_MAX
    newest = arrivals[metadata.ARRIVALS_MAX // 2 + 1 :]
    arrivals.append((metadata.ARRIVALS_MAX, 1))
    metadata.thin(arrivals)
    assert arrivals[:3] == [(0, 0), (2, 20), (4, 40)]
    assert arrivals[-len(newest) - 1 : -1] == newest
    assert len(arrivals) < metadata.ARRIVALS_MAX
