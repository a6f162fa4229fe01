"""traffic/http1/message.py: readers return the same facts however the bytes arrive, and keep what came too early."""

import pytest

from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, RequestHead, ResponseHead
from traffic.http1.limits import DEFAULT_LIMITS, MessageLimits
from traffic.http1.message import END, RequestEvent, RequestReader, ResponseEvent, ResponseReader

Fact = bytes | str


def facts(events: list[RequestEvent] | list[ResponseEvent]) -> list[Fact]:
    """Heads as their bytes behind `head `, body bytes joined, "end"."""
    found: list[Fact] = []
    for event in events:
        if isinstance(event, RequestHead | ResponseHead):
            found.append("head " + event.raw.decode("latin-1"))
        elif event is END:
            found.append("end")
        elif isinstance(event, bytes):
            assert event, "no empty piece of a body is ever returned"
            if found and isinstance(found[-1], bytes):
                found[-1] += event
            else:
                found.append(event)
    return found


def read_requests(data: bytes, step: int) -> tuple[list[Fact], RequestReader]:
    reader, events = RequestReader(), list[RequestEvent]()
    for start in range(0, len(data), step):
        events += reader.feed(data[start : start + step])
        while events and events[-1] is END and (more := reader.next_message()):
            events += more
    return facts(events), reader


A = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
B = "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
C = "GET /c HTTP/1.1\r\nHost: a\r\n\r\n"
D = "HEAD /d HTTP/1.0\r\n\r\n"
CHUNKS = b"5;x\r\nhello\r\n0\r\nT: 1\r\n\r\n"

REQUESTS: list[tuple[bytes, list[Fact]]] = [
    (C.encode(), ["head " + C, "end"]),
    (D.encode(), ["head " + D, "end"]),
    (A.encode() + b"hello", ["head " + A, b"hello", "end"]),
    (B.encode() + CHUNKS, ["head " + B, CHUNKS, "end"]),
    (b"\r\n\r\n" + C.encode(), ["head " + C, "end"]),
    (b"\r\n" + A.encode() + b"hello", ["head " + A, b"hello", "end"]),
    (
        C.encode() + A.encode() + b"GET /" + b"\r\n" + B.encode() + CHUNKS + D.encode(),
        ["head " + C, "end", "head " + A, b"GET /", "end", "head " + B, CHUNKS, "end", "head " + D, "end"],
    ),
]


@pytest.mark.parametrize(("data", "expected"), REQUESTS)
def test_requests_are_read_whole_byte_by_byte_and_pipelined(data: bytes, expected: list[Fact]) -> None:
    for step in (1, 2, 3, 17, len(data)):
        found, reader = read_requests(data, step)
        assert found == expected
        assert reader.is_between
        assert reader.next_message() == []
        behind, reader = read_requests(data + C.encode(), step)
        assert behind == [*expected, "head " + C, "end"]
        cut, reader = read_requests(data + b"GET /next HT", step)
        assert cut == expected
        assert (reader.partial_head, reader.is_between) == (b"GET /next HT", False)


def test_a_request_waits_behind_the_one_before_it() -> None:
    """Until next_message() is called nothing of a pipelined request is returned, whatever arrives."""
    reader = RequestReader()
    assert facts(reader.feed((C + C).encode())) == ["head " + C, "end"]
    assert (reader.feed(b"GET /e"), reader.buffered_bytes) == ([], len(C) + 6)
    assert facts(reader.next_message()) == ["head " + C, "end"]
    assert (reader.next_message(), reader.partial_head, reader.is_drained) == ([], b"GET /e", False)


def test_body_bytes_are_the_object_that_arrived() -> None:
    reader = RequestReader()
    reader.feed(A.encode())
    data = bytes(bytearray(b"hello"))
    assert reader.feed(data)[0] is data
    response = ResponseReader("GET")
    response.feed(b"HTTP/1.1 200 OK\r\n\r\n")
    assert response.feed(data)[0] is data


def test_after_a_protocol_switch_everything_is_body_and_early_bytes_come_back() -> None:
    reader = RequestReader()
    reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nearly")
    assert (reader.become_tunnel(), reader.in_body) == (b"early", True)
    assert reader.feed(C.encode()) == [C.encode()]
    assert reader.feed(b"\r\n\r\n") == [b"\r\n\r\n"]


BROKEN_REQUESTS = [
    (b"GET / HTTP/1.1\r\n\r\n", "no Host header, which HTTP/1.1 requires", 400, b"GET / HTTP/1.1\r\n\r\n"),
    (b"\r\nX\r\n\r\n", "malformed head: Invalid method encountered", 400, b"X\r\n\r\n"),
    (
        b"GET / HTTP/2.0\r\n\r\n",
        "HTTP version 'HTTP/2.0' is neither HTTP/1.1 nor HTTP/1.0",
        505,
        b"GET / HTTP/2.0\r\n\r\n",
    ),
]


@pytest.mark.parametrize(("raw", "problem", "status", "partial"), BROKEN_REQUESTS)
def test_a_refused_head_can_be_recorded(raw: bytes, problem: str, status: int, partial: bytes) -> None:
    for step in (1, len(raw) + 4):
        with pytest.raises(HeadError) as caught:
            read_requests(raw + b"tail", step)
        assert (str(caught.value), caught.value.status) == (problem, status)
    reader = RequestReader()
    with pytest.raises(HeadError):
        reader.feed(raw + b"tail")
    assert (reader.partial_head, reader.in_body) == (partial, False)


def test_a_body_that_breaks_together_with_its_head_refuses_the_request_as_a_whole() -> None:
    reader = RequestReader()
    with pytest.raises(HeadError) as caught:
        reader.feed(B.encode() + b"-1\r\n")
    assert (str(caught.value), caught.value.status) == ("malformed chunk size line", 400)
    assert (reader.partial_head, reader.in_body) == (B.encode(), False)


def test_a_body_that_breaks_later_ends_the_direction() -> None:
    reader = RequestReader()
    assert facts(reader.feed(B.encode() + b"1\r\na")) == ["head " + B, b"1\r\na"]
    with pytest.raises(FramingError, match=r"^chunk data is not followed by CRLF$"):
        reader.feed(b"b\r\n")


def test_a_head_up_to_the_limit_passes_and_a_longer_one_is_refused_with_431() -> None:
    start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    fits = start + b"x" * (DEFAULT_LIMITS.head_bytes - len(start) - 4) + b"\r\n\r\n"
    for step in (1000, len(fits)):
        assert read_requests(fits, step)[0] == ["head " + fits.decode(), "end"]
        for longer in (start + b"xx" + fits[len(start) :], fits[:-4] + b"xxxxx"):
            with pytest.raises(HeadError) as caught:
                read_requests(longer, step)
            assert (str(caught.value), caught.value.status) == ("the head has more than 65536 bytes", 431)


def test_a_response_s_head_has_the_same_limit_after_an_interim_one_too() -> None:
    start = b"HTTP/1.1 200 OK\r\nX: "
    fits = start + b"x" * (DEFAULT_LIMITS.head_bytes - len(start) - 4) + b"\r\n\r\n"
    for before in (b"", CONTINUE.encode()):
        for step in (1000, 2 * len(fits)):
            assert read_response("HEAD", before + fits, step)[0][-2:] == ["head " + fits.decode(), "end"]
            with pytest.raises(HeadError, match=r"^the head has more than 65536 bytes$"):
                read_response("HEAD", before + start + b"x" + fits[len(start) :], step)


LONE = [b"\n", b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\nHost: a\n\n", b"\rGET / HTTP/1.1\r\n"]


@pytest.mark.parametrize("data", LONE)
def test_a_lone_cr_or_lf_in_a_head_is_refused_at_once(data: bytes) -> None:
    for step in (1, len(data)):
        with pytest.raises(HeadError) as caught:
            read_requests(data, step)
        assert caught.value.status == 400
    with pytest.raises(HeadError, match=r"^malformed head: LF without CR$"):
        read_response("GET", b"HTTP/1.1 200 OK\nA: b\n\n", 1)


def test_readers_keep_to_the_limits_they_are_given() -> None:
    limits = MessageLimits(head_bytes=40, head_fields=1, chunk_line_bytes=5)
    for data, problem in (
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 40), "the head has more than 40 bytes"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", "the head has more than 1 header lines"),
    ):
        with pytest.raises(HeadError) as caught:
            RequestReader(limits).feed(data)
        assert str(caught.value) == problem
    response = ResponseReader("GET", MessageLimits(chunk_line_bytes=5))
    response.feed(CHUNKED.encode())
    with pytest.raises(FramingError, match=r"^malformed chunk size line$"):
        response.feed(b"1;abc\r\n")


@pytest.mark.parametrize(
    ("method", "data", "is_clean"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", True),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", True),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", False),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx", False),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n", False),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", False),
    ],
)
def test_behind_a_body_that_must_not_come_and_may_come_nothing_is_clean(
    method: str, data: bytes, is_clean: bool
) -> None:
    reader = ResponseReader(method)
    reader.feed(data)
    assert reader.is_clean is is_clean


def read_response(method: str, data: bytes, step: int) -> tuple[list[Fact], ResponseReader]:
    reader, events = ResponseReader(method), list[ResponseEvent]()
    for start in range(0, len(data), step):
        events += reader.feed(data[start : start + step])
    return facts(events), reader


OK = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_CONTENT = "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"
NOT_MODIFIED = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n"
HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nContent-Length: 9\r\n\r\n"
SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
OPEN_END = "HTTP/1.0 200 OK\r\n\r\n"

RESPONSES: list[tuple[str, bytes, list[Fact]]] = [
    ("GET", OK.encode() + b"hello", ["head " + OK, b"hello", "end"]),
    ("GET", CHUNKED.encode() + CHUNKS, ["head " + CHUNKED, CHUNKS, "end"]),
    ("HEAD", OK.encode(), ["head " + OK, "end"]),
    ("HEAD", CHUNKED.encode(), ["head " + CHUNKED, "end"]),
    ("GET", NO_CONTENT.encode(), ["head " + NO_CONTENT, "end"]),
    ("GET", NOT_MODIFIED.encode(), ["head " + NOT_MODIFIED, "end"]),
    (
        "POST",
        (CONTINUE + HINTS + OK).encode() + b"hello",
        ["head " + CONTINUE, "head " + HINTS, "head " + OK, b"hello", "end"],
    ),
    ("HEAD", (HINTS + OK).encode(), ["head " + HINTS, "head " + OK, "end"]),
]


@pytest.mark.parametrize(("method", "data", "expected"), RESPONSES)
def test_responses_are_read_however_they_arrive_and_stray_bytes_stay_apart(
    method: str, data: bytes, expected: list[Fact]
) -> None:
    for step in (1, 2, 3, 17, len(data) + 9):
        found, reader = read_response(method, data, step)
        assert (found, reader.is_over, reader.stray, reader.eof()) == (expected, True, b"", [])
        found, reader = read_response(method, data + b"stray\r\n\r\n", step)
        assert (found, reader.is_over, reader.stray) == (expected, True, b"stray\r\n\r\n")


@pytest.mark.parametrize(("method", "data"), [row[:2] for row in RESPONSES])
def test_a_cut_response_is_never_over(method: str, data: bytes) -> None:
    for length in range(len(data)):
        found, reader = read_response(method, data[:length], 11)
        assert "end" not in found
        assert (reader.is_over, reader.eof()) == (False, []), "the end of the stream must not make it whole"


@pytest.mark.parametrize("head", [OPEN_END, SWITCH])
def test_a_body_without_length_and_a_tunnel_end_with_the_connection(head: str) -> None:
    for step in (1, 1000):
        found, reader = read_response("GET", head.encode() + b"hello\r\n\r\nHTTP/1.1 200", step)
        assert found == ["head " + head, b"hello\r\n\r\nHTTP/1.1 200"]
        assert (reader.is_over, reader.eof(), reader.is_over, reader.eof()) == (False, [END], True, [])


def test_an_interim_response_alone_is_no_response() -> None:
    found, reader = read_response("GET", CONTINUE.encode() + b"HTTP/1.1 2", 4)
    assert found == ["head " + CONTINUE]
    assert (reader.has_final_head, reader.partial_head, reader.eof()) == (False, b"HTTP/1.1 2", [])


def test_a_broken_response_raises_whatever_was_right_before_it() -> None:
    for step in (1, 1000):
        with pytest.raises(HeadError, match=r"^Transfer-Encoding other than `chunked`$"):
            read_response("GET", CONTINUE.encode() + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", step)
        with pytest.raises(FramingError, match=r"^malformed chunk size line$"):
            read_response("GET", CHUNKED.encode() + b"0x5\r\n", step)
