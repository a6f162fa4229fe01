"""replay/preparation.py: the request that is sent again, to the byte."""

import pytest

from replay.credentials import Credentials
from replay.destination import Configured, Wish
from replay.edits import Edits
from replay.json_path import parse
from replay.preparation import Preparation, Prepared
from replay.replay_error import ReplayError
from traffic.capture.exchange import RecordedExchange
from traffic.capture.foreign import describe

RECORDED = (
    b"POST /v1/chat?key=[secret:0123abcd] HTTP/1.1\r\n"
    b"host: api.test:8443\r\n"
    b"X-Odd:   spaced  \r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"X-Proxy-Path: http://localhost:5601/up/v1/chat?key=[secret:0123abcd]\r\n"
    b"\r\n"
)
BODY = b'c;e=1\r\n{"model":""}\r\n0\r\nT: 1\r\n\r\n'


def exchange(raw: bytes = RECORDED + BODY) -> RecordedExchange:
    return RecordedExchange(describe(raw, b"", 0), raw, b"")


def prepare(recorded: RecordedExchange, wish: Wish, edits: Edits = Edits()) -> Prepared:  # noqa: B008 (frozen)
    return Preparation(wish, edits, Configured(), Credentials()).prepare(recorded)


def test_through_the_recorder_all_is_as_the_client_sent_it_but_for_the_line_that_names_the_original() -> None:
    recorded = exchange()
    request, url, reaches, notes = prepare(recorded, Wish())
    assert request.data == (
        b"POST /up/v1/chat?key=[secret:0123abcd] HTTP/1.1\r\n"
        b"host: localhost:5601\r\n"
        b"X-Odd:   spaced  \r\n"
        b"Transfer-Encoding: chunked\r\n"
        b"x-replay-of: %b\r\n\r\n" % recorded.metadata.id.encode() + BODY
    )
    assert (request.host, request.port, request.tls, request.method) == ("localhost", 5601, False, "POST")
    assert url == "http://localhost:5601/up/v1/chat?key=[secret:0123abcd]"
    assert reaches == "http://localhost:5601"
    assert notes == ["key goes as it was recorded, [secret:0123abcd]: http://localhost:5601 is this machine"]


def test_elsewhere_nothing_names_the_original_and_what_is_shown_holds_no_secret() -> None:
    edits = Edits([(parse("model"), "m")], parameters=[(b"key", b"given")], fields=[(b"A", b"1")])
    request, url, reaches, notes = prepare(exchange(), Wish(to="https://[::1]/api/"), edits)
    assert request.data == (
        b"POST /api/v1/chat?key=given HTTP/1.1\r\nhost: [::1]\r\nX-Odd:   spaced  \r\n"
        b'Content-Length: 13\r\nA: 1\r\n\r\n{"model":"m"}'
    )
    assert (request.host, request.port, request.tls) == ("::1", 443, True)
    assert (url, reaches, notes) == ("https://[::1]/api/v1/chat?key=[secret:0123abcd]", "https://[::1]", [])
    assert "given" not in repr(request)


CLEAR = (RECORDED + BODY).replace(b"[secret:0123abcd]", b"clear").replace(b"X-Odd", b"x-api-key: clear\r\nX-Odd")


@pytest.mark.parametrize(
    ("to", "reaches"),
    [("https://API.test:8443", "https://api.test:8443"), ("http://localhost:1", "http://localhost:1")],
)
def test_a_key_that_another_recorder_left_goes_where_it_went_or_to_this_machine_and_is_not_shown(
    to: str, reaches: str
) -> None:
    request, url, *_ = prepare(exchange(CLEAR), Wish(to=to))
    assert request.data.startswith(b"POST /v1/chat?key=clear HTTP/1.1\r\n")
    assert b"x-api-key: clear\r\n" in request.data
    shown, _, placeholder = url.partition("=")
    assert shown == f"{reaches}/v1/chat?key"
    assert placeholder.startswith("[secret:")
    assert "clear" not in url


def test_to_another_host_a_key_that_another_recorder_left_is_as_good_as_redacted() -> None:
    with pytest.raises(ReplayError) as raised:
        prepare(exchange(CLEAR), Wish(to="https://other.test"))
    assert str(raised.value).splitlines() == [
        "key is redacted in the recording, and https://other.test wants it: give --param 'key=...'",
        (
            "x-api-key is redacted in the recording, and https://other.test wants it: give --header 'x-api-key: ...' "
            "(--drop-header x-api-key sends none)"
        ),
    ]
    given = Edits(fields=[(b"X-Api-Key", b"mine")], parameters=[(b"key", b"mine")])
    assert b"clear" not in prepare(exchange(CLEAR), Wish(to="https://other.test"), given).request.data


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (RECORDED + BODY[:-1], "the recording is incomplete: the end of the body is missing"),
        (RECORDED + b"zz\r\n", "the recording is no valid request: malformed chunk size line"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "this is a WebSocket recording; replay sends plain requests only",
        ),
    ],
)
def test_what_is_no_whole_request_is_not_sent(raw: bytes, problem: str) -> None:
    with pytest.raises(ReplayError) as raised:
        prepare(exchange(raw), Wish())
    assert str(raised.value) == problem


def test_a_head_that_is_none_is_not_sent() -> None:
    for raw, problem in ((RECORDED[:-2], "it ends inside the head"), (b"GARBAGE\r\n\r\n", "no valid request")):
        with pytest.raises(ReplayError, match=problem):
            prepare(exchange()._replace(request=raw), Wish())
