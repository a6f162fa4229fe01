"""traffic/http1/framing.py: where a body ends, however its bytes arrive, and what breaks it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.http1.framing import (
    ChunkedBody,
    FramingError,
    LengthBody,
    NoBody,
    UntilCloseBody,
    request_body,
    response_body,
)
from traffic.http1.head import parse_request_head, parse_response_head
from traffic.http1.limits import DEFAULT_LIMITS, MessageLimits

BEHIND = b"5\r\nGET / HTTP/1.1\r\n\r\n0\r\n\r\n"

WHOLE = [
    b"0\r\n\r\n",
    b"000\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"A;x\r\n0123456789\r\n00005\r\nhello\r\n0;last\r\n\r\n",
    b'5;name=value; q = "a;b\xe4\\"\t";x\r\nhello\r\n0\r\n\r\n',
    b"1\r\na\r\n" * 9 + b"f\r\n0123456789\r\n45\n\r\nF\r\n\r\n\r\n0123456789\n\r\n01\r\n\n\r\n0\r\n\r\n",
    b"2\r\n\r\n\r\n1\r\n\n\r\n0\r\n\r\n",
    b"0\r\nX-Sum: 1\r\nx-sum:2\xe4\t \r\nEmpty:\r\n\r\n",
    b"5;" + b"e" * (DEFAULT_LIMITS.chunk_line_bytes - 4) + b"\r\nhello\r\n0\r\n\r\n",
    b"0\r\nT: " + b"t" * (DEFAULT_LIMITS.trailer_bytes - 7) + b"\r\n\r\n",
]


def feed_chunked(data: bytes, step: int) -> tuple[int, bool]:
    body, taken = ChunkedBody(), 0
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        end = body.feed(b"??" + piece, 2) - 2
        taken += end
        if body.done:
            assert body.feed(b"more", 0) == 0
            return taken, True
        assert end == len(piece)
    return taken, False


@pytest.mark.parametrize("raw", WHOLE)
def test_a_chunked_body_ends_behind_its_trailer_section(raw: bytes) -> None:
    """Whole, byte by byte, in pieces, each with bytes of the next message behind it; and never before its last byte."""
    steps = (1, 7, 4096) if len(raw) < 5000 else (97, 4096)
    for step in (*steps, len(raw) + len(BEHIND)):
        assert feed_chunked(raw, step) == (len(raw), True)
        assert feed_chunked(raw + BEHIND, step) == (len(raw), True)
        assert feed_chunked(raw[:-1], step) == (len(raw) - 1, False)


SIZE, DATA_END, TRAILER = "malformed chunk size line", "chunk data is not followed by CRLF", "malformed trailer line"
TRAILER_LONG = f"trailer section of more than {DEFAULT_LIMITS.trailer_bytes} bytes"

BROKEN = [
    (b"\r\n", SIZE),
    (b";x\r\n", SIZE),
    (b"-1\r\n", SIZE),
    (b"+1\r\n", SIZE),
    (b"0x1\r\n", SIZE),
    (b"1_0\r\n", SIZE),
    (b"g\r\n", SIZE),
    (b" 5\r\nhello\r\n", SIZE),
    (b"5 \r\nhello\r\n", SIZE),
    (b"5 ;x\r\nhello\r\n", SIZE),
    (b"5\nhello\r\n", SIZE),
    (b"5\rhello\r\n", SIZE),
    (b"5\r\r\nhello\r\n", SIZE),
    (b"5;a\0b\r\nhello\r\n", SIZE),
    (b"5;a\nhello\r\n", SIZE),
    (b"5;a\rb\r\nhello\r\n", SIZE),
    (b"5;\r\nhello\r\n", SIZE),
    (b"5;a;\r\nhello\r\n", SIZE),
    (b"5;a=\r\nhello\r\n", SIZE),
    (b'5;a="b\r\nhello\r\n', SIZE),
    (b'5;a="b"c\r\nhello\r\n', SIZE),
    (b"5;a b\r\nhello\r\n", SIZE),
    (b"1\r\na\r\n" * 3 + b"1\r\nab\r\n", DATA_END),
    (b"1\r\na\r\n" * 3 + b"2\r\na\r\n0\r\n\r\n", DATA_END),
    (b"1\r\na\r\n" * 3 + b"1\na\r\n", SIZE),
    (b"1" * 16 + b"\r\n", SIZE),
    (b"f" * 40 + b"\r\n", SIZE),
    (b"5;" + b"e" * (DEFAULT_LIMITS.chunk_line_bytes - 3) + b"\r\nhello\r\n", SIZE),
    (b"5\r\nhello!\r\n", DATA_END),
    (b"5\r\nhello0\r\n\r\n", DATA_END),
    (b"5\r\nhello\n0\r\n\r\n", DATA_END),
    (b"5\r\nhello\r0\r\n\r\n", DATA_END),
    (b"5\r\nhello\r\r\n", DATA_END),
    (b"0\r\nno colon\r\n\r\n", TRAILER),
    (b"0\r\n: x\r\n\r\n", TRAILER),
    (b"0\r\nX : y\r\n\r\n", TRAILER),
    (b"0\r\nX: y\r\n folded\r\n\r\n", TRAILER),
    (b"0\r\nX: y\n\r\n", TRAILER),
    (b"0\r\nX: \0\r\n\r\n", TRAILER),
    (b"0\r\n\n", TRAILER),
    (b"0\r\nX\r\n\r\n", TRAILER),
    (b"0\r\nContent-Length: 5\r\n\r\n", "Content-Length in the trailer section"),
    (b"0\r\nX: y\r\ntransfer-encoding: chunked\r\n\r\n", "transfer-encoding in the trailer section"),
    (b"0\r\nHOST:\r\n\r\n", "HOST in the trailer section"),
    (b"0\r\n" + b"T: t\r\n" * 20_000, TRAILER_LONG),
    (b"0\r\nT: " + b"t" * DEFAULT_LIMITS.trailer_bytes, TRAILER_LONG),
]


@pytest.mark.parametrize(("raw", "problem"), BROKEN)
def test_broken_chunks_are_refused_before_they_are_passed_on(raw: bytes, problem: str) -> None:
    for step in (len(raw), 4096) if len(raw) > 5000 else (1, 3, len(raw)):
        with pytest.raises(FramingError) as caught:
            feed_chunked(raw, step)
        assert str(caught.value) == problem
    with pytest.raises(FramingError):
        feed_chunked(raw + BEHIND, len(raw) + len(BEHIND))


def test_the_place_of_the_trailer_section_counts_the_bytes_taken_before_it() -> None:
    body = ChunkedBody()
    assert (body.feed(b"??1\r\na\r\n0\r\nX: y", 2), body.in_trailer, body.trailer_at) == (15, True, 9)
    assert (body.feed(b"z\r\n\r\nGET", 0), body.in_trailer, body.trailer_at, body.done) == (5, True, 0, True)
    split = ChunkedBody()
    assert (split.feed(b"1\r\na\r\n0\r", 0), split.in_trailer) == (8, False)
    assert (split.feed(b"\n\r\n", 0), split.in_trailer, split.trailer_at) == (3, True, 1)


def test_each_limit_is_the_caller_s_to_set() -> None:
    limits = MessageLimits(chunk_line_bytes=5, trailer_bytes=9)
    for raw, problem in (
        (b"1;abc\r\n", SIZE),
        (b"1;a\r\n!\r\n0\r\nX: yyyy\r\n\r\n", "trailer section of more than 9 bytes"),
    ):
        with pytest.raises(FramingError) as caught:
            ChunkedBody(limits).feed(raw, 0)
        assert str(caught.value) == problem
    body = ChunkedBody(limits)
    body.feed(b"1;a\r\n!\r\n0\r\nX: y\r\n\r\n", 0)
    assert body.done


def test_a_trailer_line_in_pieces_is_not_read_again_for_each() -> None:
    """What is kept of it tells its kind, and does not grow."""
    body = ChunkedBody()
    body.feed(b"0\r\n", 0)
    for piece in (b"n" * 40, b"n" * 40, b":", b" v" * 5000):
        body.feed(piece, 0)
        assert len(body._line) <= 33
    assert body.feed(b"v\r\n\r\n", 0) == 5
    assert body.done


def test_a_million_one_byte_chunks_take_linear_time() -> None:
    """The machine never looks at a byte twice, so one long feed and many short ones take the same steps."""
    raw = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    assert feed_chunked(raw, len(raw)) == feed_chunked(raw, 1000) == (len(raw), True)


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    st.lists(st.integers(1, 30), max_size=30),
    st.binary(max_size=10),
)
def test_any_chunks_cut_anywhere_end_at_the_same_byte(pieces: list[bytes], cuts: list[int], behind: bytes) -> None:
    raw = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    body, data, taken = ChunkedBody(), raw + behind, 0
    for size in [*cuts, len(data)]:
        taken += body.feed(data[taken : taken + size], 0)
        if body.done:
            break
    assert taken == len(raw)
    assert body.done


@given(st.text("0123456789abcdefx;\r\n:-+ \0", max_size=60).map(str.encode))
def test_the_verdict_on_any_bytes_does_not_depend_on_how_they_arrive(raw: bytes) -> None:
    def verdict(step: int) -> object:
        try:
            return feed_chunked(raw, step)
        except FramingError as error:
            return str(error)

    assert verdict(1) == verdict(5) == verdict(max(1, len(raw)))


def test_a_length_body_takes_its_bytes_and_no_more() -> None:
    body = LengthBody(5)
    assert (body.feed(b"he", 0), body.done) == (2, False)
    assert (body.feed(b"__lloGET", 2), body.done, body.remaining) == (5, True, 0)
    assert (body.feed(b"GET", 0), body.ends_with_connection) == (0, False)


REQUEST_BODIES = [
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", NoBody),
    (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", NoBody),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", NoBody),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 \r\n\r\n", LengthBody),
    (b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\n", LengthBody),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n", ChunkedBody),
    (b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", LengthBody),
]


@pytest.mark.parametrize(("raw", "kind"), REQUEST_BODIES)
def test_a_request_s_framing_is_that_of_rfc_9112_6_3(raw: bytes, kind: type) -> None:
    body = request_body(parse_request_head(raw))
    assert type(body) is kind
    assert not isinstance(body, LengthBody) or body.remaining == 3


LENGTH, CHUNKED = b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"
SWITCH = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"

RESPONSE_BODIES = [
    ("GET", b"1.1 200 OK", b"", UntilCloseBody),
    ("GET", b"1.0 200 OK", b"", UntilCloseBody),
    ("GET", b"1.1 200 OK", LENGTH, LengthBody),
    ("GET", b"1.1 200 OK", b"Content-Length: 0\r\n", NoBody),
    ("GET", b"1.1 404 Not Found", CHUNKED, ChunkedBody),
    ("HEAD", b"1.1 200 OK", b"", NoBody),
    ("HEAD", b"1.1 200 OK", LENGTH, NoBody),
    ("HEAD", b"1.1 200 OK", CHUNKED, NoBody),
    ("GET", b"1.1 204 No Content", LENGTH, NoBody),
    ("GET", b"1.1 204 No Content", CHUNKED, NoBody),
    ("GET", b"1.1 304 Not Modified", LENGTH, NoBody),
    ("GET", b"1.1 103 Early Hints", LENGTH, NoBody),
    ("GET", b"1.1 205 Reset Content", LENGTH, LengthBody),
    ("GET", b"1.1 101 Switching Protocols", SWITCH, UntilCloseBody),
]


@pytest.mark.parametrize(("method", "status", "lines", "kind"), RESPONSE_BODIES)
def test_a_response_s_framing_is_that_of_rfc_9112_6_3(method: str, status: bytes, lines: bytes, kind: type) -> None:
    assert type(response_body(parse_response_head(b"HTTP/%b\r\n%b\r\n" % (status, lines)), method)) is kind
