"""Which requests are the same: by method, target and body, whatever their headers and spelling."""

import gzip

import pytest

from replay.play.library import question_of
from replay.play.question import Question
from tests.replay.play.made import exchange, ok, recorded, request


def question(raw: bytes) -> Question:
    found = question_of(exchange(raw, ok()))
    assert found is not None
    return found


REST = '"tiny","n":[1,{"a":"é"}]}'.encode()
BASE = {"model": "tiny", "n": [1, {"a": "é"}]}


@pytest.mark.parametrize(
    "other",
    [
        request(b'{"n":[1,{"a":"\\u00e9"}],  "model":"tiny"}'),
        request(BASE, "/v1/chat/completions", "POST", "Authorization: Bearer x", "Accept: */*", "X-Stainless-Retry: 1"),
        request(BASE, "http://api.test/v1/chat/completions"),
        recorded(request(BASE)),
        request(gzip.compress(b'{"model":' + REST), "/v1/chat/completions", "POST", "Content-Encoding: gzip"),
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'9\r\n{"model":\r\n%x\r\n%b\r\n0\r\n\r\n' % (len(REST), REST),
    ],
    ids=["spelling", "headers", "absolute form", "recorded", "compressed", "chunked"],
)
def test_requests_that_ask_the_same_are_the_same(other: bytes) -> None:
    assert question(other).key() == question(request(BASE)).key()


def test_bodies_that_cannot_be_unpacked_are_the_same_only_byte_for_byte() -> None:
    packed = [
        request(body, "/", "POST", "Content-Encoding: gzip")
        for body in (b"no gzip", b"none too", gzip.compress(b"{}")[:-3])
    ]
    assert len({question(each).key() for each in (*packed, *packed, request(b"", "/"))}) == 4


@pytest.mark.parametrize(
    "other",
    [
        request(BASE, "/v1/other"),
        request(BASE, "/v1/chat/completions?x=1"),
        request(BASE, "/v1/chat/completions", "PUT"),
        request({**BASE, "n": [1, {"a": "e"}]}),
        request({**BASE, "n": [{"a": "é"}, 1]}),
        request({**BASE, "more": None}),
        request(b""),
        request(b'{"model":"tiny","n":[1,{"a":"\xc3\xa9"}'),
    ],
    ids=["path", "query", "method", "value", "order of a list", "a member more", "no body", "no JSON"],
)
def test_requests_that_ask_something_else_are_not(other: bytes) -> None:
    assert question(other).key() != question(request(BASE)).key()


def test_keys_in_a_query_do_not_count_whether_redacted_or_not() -> None:
    targets = ("/v1beta/models?key=AIza1&alt=sse", "/v1beta/models?key=[secret:0123abcd]&alt=sse")
    first, second = (question(request(b"", target, "GET")) for target in targets)
    assert first.key() == second.key()
    assert first.target == "/v1beta/models?key=[secret]&alt=sse"
    assert question(request(b"", "/v1beta/models?key=AIza1&alt=json", "GET")).key() != first.key()


def test_the_boundary_of_a_form_does_not_count() -> None:
    def form(boundary: str, value: str) -> bytes:
        body = f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n{value}\r\n--{boundary}--\r\n'
        return request(body.encode(), "/v1/audio", "POST", f'Content-Type: multipart/form-data; boundary="{boundary}"')

    assert question(form("abc", "1")).key() == question(form("xyz-123", "1")).key()
    assert question(form("abc", "1")).key() != question(form("abc", "2")).key()


def test_a_websocket_is_another_question_than_a_request_of_the_same_target() -> None:
    plain = request(b"", "/ws", "GET")
    socket = request(b"", "/ws", "GET", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
    assert question(plain).key() != question(socket).key()
    assert question(socket).key() == question(socket + b"\x81\x01a").key()


@pytest.mark.parametrize("raw", [b"", b"POST / HTTP/1.1\r\n", request(b"1234")[:-1], b"nonsense\r\n\r\n"])
def test_what_is_no_whole_request_is_no_question(raw: bytes) -> None:
    assert question_of(exchange(raw, ok())) is None
