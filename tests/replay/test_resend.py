"""replay/resend.py: what is sent where, to the byte."""

import pytest

from replay.resend import Changes, ResendError, prepare

RECORDED = (
    b"POST /v1/chat?x=%2F&y HTTP/1.1\r\n"
    b"host: api.example:8443\r\n"
    b"X-Odd:   spaced  \r\n"
    b"x-odd: twice\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"X-Proxy-Path: http://localhost:5601/up/v1/chat?x=%2F&y\r\n"
    b"\r\n"
)
BODY = b"3;e=1\r\nabc\r\n0\r\nT: 1\r\n\r\n"
SECRET = RECORDED.replace(b"x-odd: twice", b"Authorization: Bearer [secret:0123abcd]")


def sent(target: bytes, host: bytes, extra: bytes = b"") -> bytes:
    """RECORDED as it is to be sent."""
    return (
        b"POST " + target + b" HTTP/1.1\r\n"
        b"host: " + host + b"\r\n"
        b"X-Odd:   spaced  \r\n"
        b"x-odd: twice\r\n"
        b"Transfer-Encoding: chunked\r\n" + extra + b"\r\n" + BODY
    )


@pytest.mark.parametrize(
    ("changes", "origin", "target", "host"),
    [
        (Changes(), "http://localhost:5601", b"/up/v1/chat?x=%2F&y", b"localhost:5601"),
        (Changes(via="http://127.0.0.1:7000"), "http://127.0.0.1:7000", b"/up/v1/chat?x=%2F&y", b"127.0.0.1:7000"),
        (Changes(to="http://[::1]:1234"), "http://[::1]:1234", b"/v1/chat?x=%2F&y", b"[::1]:1234"),
        (Changes(to="https://host.example/api/"), "https://host.example:443", b"/api/v1/chat?x=%2F&y", b"host.example"),
        (Changes(query=[(b"x", b"1")]), "http://localhost:5601", b"/up/v1/chat?x=1&y", b"localhost:5601"),
    ],
)
def test_a_request_goes_where_it_should_and_keeps_its_bytes(
    changes: Changes, origin: str, target: bytes, host: bytes
) -> None:
    request = prepare(RECORDED + BODY, changes)
    assert (request.origin, request.tls, request.method) == (origin, origin.startswith("https"), "POST")
    assert request.data == sent(target, host)


def test_headers_are_replaced_where_they_stand_or_added() -> None:
    request = prepare(SECRET + BODY, Changes(fields=[(b"authorization", b"Bearer k"), (b"X-New", b"1")]))
    expected = sent(b"/up/v1/chat?x=%2F&y", b"localhost:5601", b"X-New: 1\r\n")
    assert request.data == expected.replace(b"x-odd: twice", b"Authorization: Bearer k")
    assert not request.has_redacted_secrets


def test_redacted_secrets_go_to_this_machine_only() -> None:
    assert prepare(SECRET + BODY, Changes()).has_redacted_secrets
    with pytest.raises(ResendError) as raised:
        prepare(SECRET + BODY, Changes(to="https://api.example"))
    assert str(raised.value) == (
        "the recording's secrets are redacted, and api.example is not this machine; "
        "give --header 'Authorization: Bearer ...'"
    )
    query = RECORDED.replace(b"chat?x=%2F&y HTTP", b"chat?key=[secret:0123abcd] HTTP")
    with pytest.raises(ResendError, match=r"is not this machine; give --query 'key=\.\.\.'$"):
        prepare(query + BODY, Changes(to="https://api.example"))
    assert b"?key=k HTTP" in prepare(query + BODY, Changes(to="https://api.example", query=[(b"key", b"k")])).data


@pytest.mark.parametrize(
    ("raw", "changes", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", Changes(), "this is a response; replay sends a _request.bin"),
        (b'{"schema": 1}', Changes(), "this is no recorded request; replay sends a _request.bin"),
        (b"# Notes\n\nabout HTTP/1.1\n", Changes(), "this is no recorded request; replay sends a _request.bin"),
        (RECORDED[:4], Changes(), "the recording is incomplete: it ends inside the head"),
        (RECORDED[:-2], Changes(), "the recording is incomplete: it ends inside the head"),
        (RECORDED + BODY[:-1], Changes(), "the recording is incomplete: the end of the body is missing"),
        (RECORDED + b"zz\r\n", Changes(), "the recording is no valid request: malformed chunk size line"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Changes(),
            "the recording has no X-Proxy-Path line that tells where it was sent; give --to URL",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            Changes(),
            "this is a WebSocket recording; replay sends plain requests only",
        ),
        (RECORDED + BODY, Changes(to="ftp://x"), "not a URL such as http://localhost:5601: ftp://x"),
        (RECORDED + BODY, Changes(to="http://x:y"), "not a URL such as http://localhost:5601: http://x:y"),
        (RECORDED + BODY, Changes(query=[(b"z", b"")]), "the recorded URL has no query parameter 'z'"),
        (
            RECORDED + BODY,
            Changes(fields=[(b"A", b"1\r\nB: 2")]),
            "not a header such as 'Authorization: Bearer ...': A",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason(raw: bytes, changes: Changes, problem: str) -> None:
    with pytest.raises(ResendError) as raised:
        prepare(raw, changes)
    assert str(raised.value) == problem
