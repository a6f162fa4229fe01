"""replay/sent_exchange.py and exchange_files.py: what was replayed is an exchange like those that a recorder writes."""

from dataclasses import replace
from pathlib import Path

import pytest

from replay.answer import Reply
from replay.exchange_files import write_exchange
from replay.recordings import read_exchange
from replay.sender import Request
from replay.sent_exchange import sent_exchange
from replay.verify import verify
from traffic.capture.metadata import Durations, ErrorFields
from traffic.capture.redact import Redactor

ID = "01234567-89ab-4cde-8f01-23456789abcd"
STARTED_NS = 1_789_265_469_123_456_000
REQUEST = (
    b"POST /v1/chat?key=topsecret HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer topsecret\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nSet-Cookie: id=topsecret\r\nContent-Length: 4\r\n\r\n"
SENT = Request("api.example", 443, True, "POST", REQUEST)
REDACTOR = Redactor(b"k" * 16)
MARK = REDACTOR.placeholder(b"topsecret")


def reply(raw: bytes, arrivals: list[tuple[int, float]], error: ErrorFields | None = None) -> Reply:
    return Reply(STARTED_NS, "127.0.0.1:5", 200, len(raw), raw, arrivals, Durations(1.5, 2.5, 9.5), error)


def test_an_exchange_tells_what_was_sent_where_without_secrets() -> None:
    found = sent_exchange(SENT, reply(HEAD + b"abcd", [(0, 2.5)]), REDACTOR, None)
    assert found.request == REQUEST.replace(b"topsecret", MARK).replace(
        b"\r\n\r\n", b"\r\nX-Proxy-Path: https://api.example/v1/chat?key=" + MARK + b"\r\n\r\n"
    )
    cookie = REDACTOR.placeholder(b"id=topsecret")
    assert found.response == HEAD.replace(b"id=topsecret", cookie) + b"abcd"
    facts = found.metadata
    assert facts.url == f"https://api.example/v1/chat?key={MARK.decode()}"
    assert (facts.upstream_url, facts.client, facts.answered_by) == (facts.url, "127.0.0.1:5", "upstream")
    assert facts.replay_of is None
    assert (facts.started_at, facts.durations_ms) == ("2026-09-13T02:11:09.123456Z", Durations(1.5, 2.5, 9.5))
    assert (facts.completed, facts.error, facts.response.status) == (True, None, 200)
    assert facts.request.arrivals == [(0, 1.5)]
    assert [each.where for each in facts.redactions] == [
        "request.query.key",
        "request.header.authorization",
        "response.header.set-cookie",
    ]


def test_what_went_through_a_recorder_has_an_upstream_that_is_not_known_and_no_line_of_the_recorders() -> None:
    request = replace(SENT, data=REQUEST.replace(b"\r\n\r\n", b"\r\nX-Replay-Of: " + ID.encode() + b"\r\n\r\n"))
    found = sent_exchange(request, reply(HEAD + b"abcd", [(0, 2.5)]), REDACTOR, ID)
    assert (found.metadata.upstream_url, found.metadata.replay_of) == (None, ID)
    assert found.request == sent_exchange(SENT, reply(HEAD, []), REDACTOR, None).request


def test_arrivals_are_those_of_the_stored_bytes() -> None:
    raw = INTERIM + HEAD + b"abcd"
    body = len(INTERIM + HEAD)
    arrivals = [(0, 1.0), (len(INTERIM), 2.0), (body - 5, 3.0), (body, 4.0), (body + 2, 5.0)]
    found = sent_exchange(SENT, reply(raw, arrivals), REDACTOR, None)
    assert found.metadata.response.arrivals[-2:] == [
        (found.response.index(b"abcd"), 4.0),
        (found.response.index(b"cd"), 5.0),
    ]


def test_a_cut_answer_is_incomplete() -> None:
    error = ErrorFields("upstream_reset", "response_body", "upstream", "cut")
    found = sent_exchange(SENT, reply(HEAD + b"ab", [(0, 2.5)], error), REDACTOR, None)
    assert (found.metadata.completed, found.metadata.error) == (False, error)
    nothing = Reply(STARTED_NS, "", None, 0, b"", [], Durations(None, None, 1.0), error)
    found = sent_exchange(SENT, nothing, REDACTOR, None)
    assert (found.response, found.metadata.answered_by, found.metadata.response.arrivals) == (b"", None, [])


@pytest.mark.parametrize("raw", [HEAD + b"abcd", INTERIM + HEAD + b"abcd"])
def test_what_is_written_is_read_again_and_passes_verify(tmp_path: Path, raw: bytes) -> None:
    whole = sent_exchange(SENT, reply(raw, [(0, 2.5), (len(raw) - 2, 3.5)]), REDACTOR, ID)
    error = ErrorFields("upstream_reset", "response_body", "upstream", "cut")
    cut = sent_exchange(SENT, reply(raw[:-1], [(0, 2.5)], error), REDACTOR, None)
    for exchange in (whole, cut):
        stem = write_exchange(tmp_path, exchange)
        assert read_exchange(tmp_path / stem) == exchange
    report = verify(tmp_path, None, None, None)
    assert (report.faults, report.complete, report.incomplete) == ((), 1, 1)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    exchange = sent_exchange(SENT, reply(HEAD + b"abcd", [(0, 2.5)]), REDACTOR, None)
    stems = {write_exchange(tmp_path, exchange) for _ in range(3)}
    assert len(stems) == 3
    assert len(list(tmp_path.iterdir())) == 9
