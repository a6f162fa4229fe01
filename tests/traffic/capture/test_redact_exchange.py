"""redact_exchange: secrets go from heads and metadata; what holds none, or none any more, stays the same."""

import msgspec

from replay.exchange_check import problem_with
from tests.traffic.export.stored import CHUNKED, REQUEST, VARIED, stored
from traffic.capture.metadata import ReceivedFields, RedactionFields
from traffic.capture.redact import Redactor
from traffic.capture.redact_exchange import redact_exchange

REDACTOR = Redactor(b"key")
KEY = REDACTOR.placeholder(b"sk-1").decode()
ASKED = REQUEST.replace(b"hOST: a", b"Host: a\r\nAuthorization: Bearer sk-1\r\nX-Proxy-Path: http://b/?key=sk-1")
HINTS = b"HTTP/1.1 103 Early Hints\r\nSet-Cookie: sk-1\r\n\r\n"


def test_heads_and_metadata_lose_their_secrets_and_the_rest_stays_true() -> None:
    before = stored(1, ASKED, HINTS + CHUNKED)
    facts = msgspec.structs.replace(
        before.metadata,
        url="http://b/?key=sk-1",
        upstream_url="http://sk-1@b/",
        received=ReceivedFields("POST /?key=sk-1 HTTP/1.1", "b", [("Proxy-Authorization", "Basic sk-1")]),
        response=msgspec.structs.replace(
            before.metadata.response, arrivals=[(0, 1.0), (30, 2.0), (len(HINTS + CHUNKED) - 9, 3.0)]
        ),
    )
    after = redact_exchange(before._replace(metadata=facts), REDACTOR)
    told = after.metadata
    assert b"sk-1" not in after.request + after.response + msgspec.json.encode(told)
    assert after.request == ASKED.replace(b"sk-1", KEY.encode())
    assert after.response == HINTS.replace(b"sk-1", KEY.encode()) + CHUNKED
    assert (told.url, told.upstream_url) == (f"http://b/?key={KEY}", f"http://{KEY}@b/")
    assert told.received == ReceivedFields(f"POST /?key={KEY} HTTP/1.1", "b", [("Proxy-Authorization", f"Basic {KEY}")])
    assert ("Authorization", f"Bearer {KEY}") in told.request.headers
    assert told.response.arrivals == [(0, 1.0), (30, 2.0), (len(after.response) - 9, 3.0)]
    assert RedactionFields("response.header.set-cookie", KEY) in told.redactions
    assert problem_with(after) is None
    assert redact_exchange(after, Redactor(b"another")) is after


def test_what_holds_no_secret_is_left_alone_whatever_it_is() -> None:
    for each in VARIED:
        assert redact_exchange(each, REDACTOR) is each


def test_a_head_without_an_end_is_redacted_as_far_as_it_goes() -> None:
    after = redact_exchange(stored(1, ASKED[: ASKED.index(b"X-Odd")], b""), REDACTOR)
    assert b"sk-1" not in after.request
    assert after.metadata.request.bytes == len(after.request)
