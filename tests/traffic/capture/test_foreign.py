"""traffic/capture/foreign.py: what is told of an exchange of which there are the bytes alone."""

import pytest

from traffic.capture import metadata
from traffic.capture.foreign import describe

REQUEST = b"POST /v1/chat?x=1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\n{}"
RESPONSE = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabc"
AT_NS = 1_789_264_269_123_000_000


def test_the_bytes_tell_what_they_can_and_the_rest_is_null() -> None:
    facts = describe(REQUEST, RESPONSE, AT_NS, "0123abcd")
    assert facts == metadata.decode(metadata.encode(facts))
    assert facts.id.startswith("0123abcd-")
    assert (facts.method, facts.url, facts.upstream_url) == ("POST", "http://a.example/v1/chat?x=1", None)
    assert (facts.started_at, facts.completed, facts.answered_by) == ("2026-09-13T01:51:09.123000Z", True, "upstream")
    assert facts.request.headers == [("Host", "a.example"), ("Content-Length", "2")]
    assert (facts.response.status, facts.response.headers) == (201, [("Content-Length", "3")])
    assert (facts.request.bytes, facts.response.bytes) == (len(REQUEST), len(RESPONSE))
    assert facts.received.request_line == "POST /v1/chat?x=1 HTTP/1.1"
    assert (facts.durations_ms.total, facts.request.arrivals, facts.route) == (None, [], None)


def test_the_url_is_that_of_the_proxy_path_line_where_there_is_one() -> None:
    request = REQUEST.replace(b"\r\n\r\n", b"\r\nX-Proxy-Path: http://localhost:5601/up/v1/chat?x=1\r\n\r\n")
    assert describe(request, b"", AT_NS).url == "http://localhost:5601/up/v1/chat?x=1"


def test_what_is_cut_or_unanswered_is_not_complete() -> None:
    assert not describe(REQUEST, RESPONSE[:-1], AT_NS).completed
    assert not describe(REQUEST[:-1], RESPONSE, AT_NS).completed
    unanswered = describe(REQUEST, b"", AT_NS)
    assert (unanswered.completed, unanswered.answered_by, unanswered.response.status) == (False, None, None)


def test_the_id_is_the_same_for_the_same_and_another_for_another() -> None:
    one = describe(REQUEST, RESPONSE, AT_NS).id
    assert describe(REQUEST, RESPONSE, AT_NS).id == one
    assert len({one, describe(REQUEST, b"", AT_NS).id, describe(REQUEST, RESPONSE, AT_NS + 1).id}) == 3


@pytest.mark.parametrize(
    ("request_bytes", "problem"),
    [
        (RESPONSE, "this is a response"),
        (b"", "nothing was recorded"),
        (b"POST / HT", "the recording ends inside the head"),
        (b"# Notes\r\n\r\n", "malformed head: Invalid method encountered"),
    ],
)
def test_without_a_requests_head_there_is_no_exchange(request_bytes: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        describe(request_bytes, b"", AT_NS)
