"""traffic/http1/head.py: what is taken for a head, and what must never be acted on."""

import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.http1.head import (
    HeadError,
    RequestHead,
    check_head_start,
    head_end,
    parse_request_head,
    parse_response_head,
)
from traffic.http1.limits import DEFAULT_LIMITS, MessageLimits


def request(lines: bytes, start: bytes = b"POST / HTTP/1.1\r\nHost: a\r\n") -> bytes:
    return start + lines + b"\r\n\r\n"


def response(lines: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n"


REQUESTS_REFUSED = [
    # line ends and bytes that no head may hold
    (b"GET / HTTP/1.1\nHost: a\r\n\r\n", "malformed head: Expected CRLF after version"),
    (request(b"X: b\nY: c"), "malformed head: Missing expected CR after header value"),
    (request(b"X: b\rY: c"), "malformed head: Missing expected LF after header value"),
    (request(b"X: b\r"), "malformed head: Missing expected LF after header value"),
    (request(b"X: b\0c"), "malformed head: Invalid header value char"),
    (request(b"X: \x01"), "malformed head: Invalid header value char"),
    (request(b"X: \x7f"), "malformed head: Invalid header value char"),
    (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "malformed head: Invalid char in url path"),
    # field lines
    (request(b"X: b\r\n c"), "malformed head: Unexpected whitespace after header value"),
    (request(b"X: b\r\n\tc"), "malformed head: Unexpected whitespace after header value"),
    (b"GET / HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n", "malformed head: Unexpected space after start line"),
    (request(b"X : b"), "malformed head: Invalid header token"),
    (request(b"X"), "malformed head: Invalid header token"),
    (request(b": b"), "malformed head: Invalid header token"),
    (request(b"X(: b"), "malformed head: Invalid header token"),
    # framing
    (
        request(b"Content-Length: 3\r\nTransfer-Encoding: chunked"),
        "malformed head: Transfer-Encoding can't be present with Content-Length",
    ),
    (
        request(b"Transfer-Encoding: chunked\r\nContent-Length: 3"),
        "malformed head: Content-Length can't be present with Transfer-Encoding",
    ),
    (request(b"Content-Length: 3\r\nContent-Length: 3"), "malformed head: Duplicate Content-Length"),
    (request(b"Content-Length: 3\r\ncontent-length: 4"), "malformed head: Duplicate Content-Length"),
    (request(b"Content-Length: +3"), "malformed head: Invalid character in Content-Length"),
    (request(b"Content-Length: -3"), "malformed head: Invalid character in Content-Length"),
    (request(b"Content-Length: 0x3"), "malformed head: Invalid character in Content-Length"),
    (request(b"Content-Length: 3_0"), "malformed head: Invalid character in Content-Length"),
    (request(b"Content-Length: 3, 3"), "malformed head: Invalid character in Content-Length"),
    (request(b"Content-Length: 3 3"), "malformed head: Invalid character in Content-Length"),
    (request(b"Content-Length:"), "malformed head: Empty Content-Length"),
    (request(b"Content-Length: 99999999999999999999"), "malformed head: Content-Length overflow"),
    (request(b"Content-Length: 1000000000000000000"), "Content-Length of more than 18 digits"),
    (request(b"Transfer-Encoding: gzip, chunked"), "Transfer-Encoding other than `chunked`"),
    (request(b"Transfer-Encoding: gzip"), "malformed head: Request has invalid `Transfer-Encoding`"),
    (request(b"Transfer-Encoding: xchunked"), "malformed head: Request has invalid `Transfer-Encoding`"),
    (request(b"Transfer-Encoding: identity"), "malformed head: Request has invalid `Transfer-Encoding`"),
    (request(b"Transfer-Encoding: chunked;q=1"), "malformed head: Request has invalid `Transfer-Encoding`"),
    (request(b"Transfer-Encoding: chunked, gzip"), "malformed head: Invalid `Transfer-Encoding` header value"),
    (request(b"Transfer-Encoding: chunked, chunked"), "malformed head: Invalid `Transfer-Encoding` header value"),
    (
        request(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        "malformed head: Invalid `Transfer-Encoding` header value",
    ),
    (request(b"Transfer-Encoding:"), "malformed head: Empty Transfer-Encoding"),
    (request(b"Transfer-Encoding: \x0bchunked"), "malformed head: Invalid header value char"),
    (request(b"Transfer-Encoding: chunked", b"POST / HTTP/1.0\r\n"), "Transfer-Encoding in HTTP/1.0"),
    # Host
    (b"GET / HTTP/1.1\r\n\r\n", "no Host header, which HTTP/1.1 requires"),
    (request(b"host: b"), "more than one Host header"),
    (request(b"HOST: a", b"GET / HTTP/1.0\r\nHost: a\r\n"), "more than one Host header"),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "the Host header is no host with an optional port"),
    (b"GET / HTTP/1.0\r\nHost: a/b\r\n\r\n", "the Host header is no host with an optional port"),
    (b"GET / HTTP/1.1\r\nHost: a:http\r\n\r\n", "the Host header is no host with an optional port"),
    # the request line
    (b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n", "malformed head: Invalid char in url path"),
    (b"CONNECT \na:1 HTTP/1.1\r\nHost: a\r\n\r\n", "control bytes in the request target"),
    (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "malformed head: CR or LF before the request line"),
    (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "malformed head: Invalid HTTP version"),
    (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "malformed head: Expected CRLF after version"),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", "malformed head: Expected HTTP/, RTSP/ or ICE/"),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "malformed head: Expected HTTP/, RTSP/ or ICE/"),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "the request line is not `METHOD TARGET VERSION` with single spaces"),
    (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "the request line is not `METHOD TARGET VERSION` with single spaces"),
    (b"GET /\r\n\r\n", "the request line is not `METHOD TARGET VERSION` with single spaces"),
    (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "malformed head: Invalid method encountered"),
    (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "malformed head: Expected space after method"),
    (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", "malformed head: Invalid method encountered"),
    (b"GET x HTTP/1.1\r\nHost: a\r\n\r\n", "malformed head: Invalid characters in url"),
]


@pytest.mark.parametrize(("raw", "problem"), REQUESTS_REFUSED)
def test_a_malformed_request_head_is_refused_with_400(raw: bytes, problem: str) -> None:
    with pytest.raises(HeadError) as caught:
        parse_request_head(raw)
    assert (str(caught.value), caught.value.status) == (problem, 400)


@pytest.mark.parametrize("version", ["HTTP/0.9", "HTTP/2.0"])
def test_a_version_that_is_not_spoken_is_refused_with_505(version: str) -> None:
    with pytest.raises(HeadError) as caught:
        parse_request_head(b"GET / %b\r\nHost: a\r\n\r\n" % version.encode())
    assert str(caught.value) == f"HTTP version '{version}' is neither HTTP/1.1 nor HTTP/1.0"
    assert caught.value.status == 505


def test_a_target_up_to_the_limit_passes_and_a_longer_one_is_refused_with_414() -> None:
    target = b"/" + b"a" * (DEFAULT_LIMITS.target_bytes - 1)
    assert parse_request_head(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target).target == target
    with pytest.raises(HeadError) as caught:
        parse_request_head(b"GET %ba HTTP/1.1\r\nHost: a\r\n\r\n" % target)
    assert (str(caught.value), caught.value.status) == ("the request target has more than 16384 bytes", 414)


def test_fields_up_to_the_limit_pass_and_more_are_refused_with_431() -> None:
    for limits, count in ((DEFAULT_LIMITS, 1000), (MessageLimits(head_fields=3), 3)):
        raw = request(b"\r\n".join([b"X: y"] * (count - 1)))
        assert len(parse_request_head(raw, limits).fields) == count
        with pytest.raises(HeadError) as caught:
            parse_request_head(b"GET / HTTP/1.1\r\nA: b" + raw[15:], limits)
        assert (str(caught.value), caught.value.status) == (f"the head has more than {count} header lines", 431)
        with pytest.raises(HeadError):
            parse_response_head(response(b"\r\n".join([b"X: y"] * (count + 1))), limits)


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", "malformed head: LF without CR"),
        (b"\n", "malformed head: LF without CR"),
        (b"GET / HTTP/1.1\rHost", "malformed head: CR without LF"),
        (b"GET /\0", "malformed head: NUL"),
    ],
)
def test_a_head_that_can_never_be_valid_is_refused_before_it_ends(start: bytes, problem: str) -> None:
    with pytest.raises(HeadError) as caught:
        check_head_start(start, 0)
    assert (str(caught.value), caught.value.status) == (problem, 400)


def test_the_start_of_a_valid_head_is_not_refused_wherever_it_is_cut() -> None:
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\r\n\r\n"
    for cut in range(len(raw)):
        check_head_start(raw[:cut], 0)
        check_head_start(raw[:cut], max(0, cut - 2))


REQUESTS_TAKEN = [
    (b"GET / HTTP/1.0\r\n\r\n", "GET", b"/", (1, 0), []),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", b"/", (1, 1), [(b"Host", b"")]),
    (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", b"*", (1, 1), [(b"Host", b"a")]),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT", b"a:1", (1, 1), [(b"Host", b"a")]),
    (b"GET http://a/?b=%zz HTTP/1.1\r\nhOsT: a\r\n\r\n", "GET", b"http://a/?b=%zz", (1, 1), [(b"hOsT", b"a")]),
    (
        request(b"Content-Length:  3 \t"),
        "POST",
        b"/",
        (1, 1),
        [(b"Host", b"a"), (b"Content-Length", b"3")],
    ),
    (
        request(b"Transfer-Encoding: \tChunked \r\nX:\r\nX: \xe4, ,b\t"),
        "POST",
        b"/",
        (1, 1),
        [(b"Host", b"a"), (b"Transfer-Encoding", b"Chunked"), (b"X", b""), (b"X", b"\xe4, ,b")],
    ),
]


@pytest.mark.parametrize(("raw", "method", "target", "version", "fields"), REQUESTS_TAKEN)
def test_a_valid_request_head_is_read_with_its_values_trimmed(
    raw: bytes, method: str, target: bytes, version: tuple[int, int], fields: list[tuple[bytes, bytes]]
) -> None:
    head = parse_request_head(raw)
    assert (head.raw, head.method, head.target, head.version, head.fields) == (raw, method, target, version, fields)


RESPONSES_REFUSED = [
    (response(b"A: b\nC: d"), "malformed head: Missing expected CR after header value"),
    (response(b"A: b\rC: d"), "malformed head: Missing expected LF after header value"),
    (response(b"A: b\0"), "malformed head: Invalid header value char"),
    (response(b"A: b\r\n c"), "malformed head: Unexpected whitespace after header value"),
    (response(b"A : b"), "malformed head: Invalid header token"),
    (b"HTTP/1.1 200 a\0b\r\n\r\n", "control bytes in the reason phrase"),
    (b"HTTP/1.1 200 a\x0bb\r\n\r\n", "control bytes in the reason phrase"),
    (b"HTTP/1.1 200 a\x7fb\r\n\r\n", "control bytes in the reason phrase"),
    (b"HTTP/1.1 200 a\rb\r\n\r\n", "malformed head: Expected LF after CR"),
    (b"HTTP/1.1 200 a\nb\r\n\r\n", "malformed head: Missing expected CR after response line"),
    (response(b"Content-Length: 3\r\nContent-Length: 3"), "malformed head: Duplicate Content-Length"),
    (response(b"Content-Length: 3, 3"), "malformed head: Invalid character in Content-Length"),
    (response(b"Content-Length: +3"), "malformed head: Invalid character in Content-Length"),
    (
        response(b"Content-Length: 3\r\nTransfer-Encoding: chunked"),
        "malformed head: Transfer-Encoding can't be present with Content-Length",
    ),
    (response(b"Transfer-Encoding: gzip, chunked"), "Transfer-Encoding other than `chunked`"),
    (response(b"Transfer-Encoding: gzip"), "Transfer-Encoding other than `chunked`"),
    (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0"),
    (b"HTTP/1.2 200 OK\r\n\r\n", "malformed head: Invalid HTTP version"),
    (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP version 'HTTP/2.0' is neither HTTP/1.1 nor HTTP/1.0"),
    (b"HTTP/0.9 200 OK\r\n\r\n", "HTTP version 'HTTP/0.9' is neither HTTP/1.1 nor HTTP/1.0"),
    (b"ICY 200 OK\r\n\r\n", "malformed head: Expected HTTP/, RTSP/ or ICE/"),
    (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP version '\\r\\nHTTP/1' is neither HTTP/1.1 nor HTTP/1.0"),
    (b"\r\n\r\n", "HTTP version '\\r\\n\\r\\n' is neither HTTP/1.1 nor HTTP/1.0"),
    (b"HTTP/1.1 20x OK\r\n\r\n", "malformed head: Invalid status code"),
    (b"HTTP/1.1 99 OK\r\n\r\n", "malformed head: Invalid status code"),
    (b"HTTP/1.1  200 OK\r\n\r\n", "malformed head: Invalid status code"),
    (b"HTTP/1.1 2000 OK\r\n\r\n", "malformed head: Invalid response status"),
    (b"HTTP/1.1 200OK\r\n\r\n", "malformed head: Invalid response status"),
    (b"HTTP/1.1 099 OK\r\n\r\n", "status 99 is not between 100 and 599"),
    (b"HTTP/1.1 600 OK\r\n\r\n", "status 600 is not between 100 and 599"),
]


@pytest.mark.parametrize(("raw", "problem"), RESPONSES_REFUSED)
def test_a_malformed_response_head_is_refused(raw: bytes, problem: str) -> None:
    with pytest.raises(HeadError) as caught:
        parse_response_head(raw)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [
        (b"HTTP/1.1 200\r\n\r\n", 200, b""),
        (b"HTTP/1.1 200 \r\n\r\n", 200, b""),
        (b"HTTP/1.0 599 So \xe4 it is\r\n\r\n", 599, b"So \xe4 it is"),
        (b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 101, b"x"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", 204, b"No Content"),
    ],
)
def test_a_valid_response_head_is_read(raw: bytes, status: int, reason: bytes) -> None:
    head = parse_response_head(raw)
    assert (head.raw, head.status, head.reason) == (raw, status, reason)


@pytest.mark.parametrize(
    ("raw", "keeps_alive"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x,\tCLOSE\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: closed\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n\r\n", False),
    ],
)
def test_a_response_tells_whether_its_connection_goes_on(raw: bytes, keeps_alive: bool) -> None:
    assert parse_response_head(raw).keeps_alive is keeps_alive


@pytest.mark.parametrize(
    ("lines", "announces"),
    [
        (b"Content-Length: 1", True),
        (b"Content-Length: 0", False),
        (b"Transfer-Encoding: chunked", True),
        (b"X: y", False),
    ],
)
def test_a_response_tells_whether_its_fields_promise_a_body(lines: bytes, announces: bool) -> None:
    assert parse_response_head(response(lines)).announces_body is announces


@pytest.mark.parametrize(
    ("lines", "wants"),
    [
        (b"Upgrade: websocket\r\nConnection: Upgrade", True),
        (b"Upgrade: WebSocket\r\nConnection: keep-alive, upgrade", True),
        (b"Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade", True),
        (b"Upgrade: websocket", False),
        (b"Upgrade: websocket\r\nConnection: keep-alive", False),
        (b"Upgrade: h2c\r\nConnection: Upgrade", False),
        (b"Upgrade: h2c, websocket\r\nConnection: Upgrade", False),
        (b"Connection: Upgrade", False),
    ],
)
def test_only_an_upgrade_to_websocket_alone_is_one(lines: bytes, wants: bool) -> None:
    assert parse_request_head(request(lines)).wants_websocket is wants


def test_fields_are_found_by_lower_case_name_in_their_order() -> None:
    head = parse_request_head(request(b"X-A: 1, Two\r\nx-a: 3\r\nX-B: ,"))
    assert (head.value(b"x-a"), head.values(b"x-a"), head.tokens(b"x-a")) == (
        b"1, Two",
        [b"1, Two", b"3"],
        [b"1", b"two", b"3"],
    )
    assert (head.value(b"x-c"), head.values(b"x-c"), head.tokens(b"x-b")) == (None, [], [])
    assert (head.places(b"x-a"), head.places(b"x-b"), head.places(b"x-c")) == ([2, 3], [4], [])
    assert [head.field(place) for place in (2, 3)] == [(b"X-A", b"1, Two"), (b"x-a", b"3")]


def test_every_line_has_its_lower_case_name_and_the_start_line_none() -> None:
    head = parse_request_head(
        request(b"X-A: b: c\r\nConnection: A, b\r\nCONNECTION:c", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n")
    )
    assert head.lines == [b"GET http://b/ HTTP/1.1", b"Host: a", b"X-A: b: c", b"Connection: A, b", b"CONNECTION:c"]
    assert head.names == [b"", b"host", b"x-a", b"connection", b"connection"]
    assert head.present == {b"host", b"x-a", b"connection"}
    assert head.connection == {b"a", b"b", b"c"}


@pytest.mark.parametrize(
    ("lines", "length"), [(b"X: y", None), (b"Content-Length: 0", 0), (b"content-length:\t0017 ", 17)]
)
def test_the_content_length_is_read(lines: bytes, length: int | None) -> None:
    assert parse_request_head(request(lines)).content_length == length
    assert parse_response_head(response(lines)).content_length == length


def test_a_name_that_is_no_name_finds_nothing() -> None:
    head = parse_request_head(request(b"A: 1"))
    assert (head.value(b""), head.values(b""), head.places(b""), head.tokens(b"")) == (None, [], [], [])


def test_long_connection_fields_are_not_remembered() -> None:
    """Whoever sends many must not fill the memory with them."""
    head = parse_request_head(request(b"Connection: " + b",".join(b"option-%d" % number for number in range(20))))
    options = weakref.ref(head.connection)
    del head
    assert options() is None


def test_a_head_s_end_is_found_only_where_it_is_whole() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n"
    end = data.index(b"body")
    assert [head_end(data[:cut]) for cut in range(end)] == [-1] * end
    assert head_end(data) == head_end(bytearray(data), end - 4) == end
    assert head_end(data, end) == len(data)


_NAME = st.text("abcXYZ-_.!019", min_size=1, max_size=12).map(str.encode)
_VALUE = st.lists(st.sampled_from([*range(0x21, 0x7F), *range(0x80, 0x100), 0x20, 0x09]), max_size=20).map(bytes)


@given(st.lists(st.tuples(_NAME, _VALUE), max_size=8))
def test_every_field_comes_back_with_its_bytes(fields: list[tuple[bytes, bytes]]) -> None:
    known = (b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade")
    fields = [(name, value) for name, value in fields if name.lower() not in known]
    raw = request(b"\r\n".join(b"%b:%b" % field for field in fields)) if fields else request(b"X:")
    head = parse_request_head(raw)
    assert head.fields[1:] == [(name, value.strip(b" \t")) for name, value in fields or [(b"X", b"")]]


@given(st.binary(max_size=80) | st.text("GET /HTP1.0\r\n: ahost", max_size=60).map(str.encode))
def test_any_bytes_are_a_head_or_a_head_error(junk: bytes) -> None:
    """Nothing but HeadError comes out, and what is taken is rebuilt from its parts."""
    for start in (b"", b"GET / HTTP/1.1\r\nHost: a\r\n"):
        raw = start + junk + b"\r\n\r\n"
        if raw.index(b"\r\n\r\n") + 4 != len(raw):
            continue
        try:
            head = parse_request_head(raw)
        except HeadError:
            continue
        assert isinstance(head, RequestHead)
        assert len(head.fields) == raw.count(b"\r\n") - 2
