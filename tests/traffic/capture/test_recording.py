"""replay/recording.py: what is read of whole, cut and malformed recordings."""

import gzip

import pytest

from traffic.capture.recording import Recording, read_recording
from traffic.http1.head import RequestHead, ResponseHead

BODY = b'{"a": 1}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\nX-T: 1\r\n\r\n"


def read(raw: bytes, method: str = "GET") -> tuple[bytes, tuple[str, ...]]:
    found = read_recording(raw, method)
    return found.content, found.problems


def test_a_request_with_a_length() -> None:
    found = read_recording(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n" + BODY)
    assert isinstance(found.head, RequestHead)
    assert (found.content, found.problems) == (BODY, ())


def test_chunks_and_trailers_are_apart() -> None:
    found = read_recording(CHUNKED)
    assert (found.content, found.trailers, found.problems) == (BODY, b"X-T: 1", ())


def test_interim_responses_belong_to_the_head() -> None:
    found = read_recording(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + CHUNKED)
    assert isinstance(found.head, ResponseHead)
    assert found.head.status == 200
    assert found.head_bytes.startswith(b"HTTP/1.1 103")
    assert found.content == BODY


def test_compression_is_taken_off() -> None:
    packed = gzip.compress(BODY)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    assert read(head + packed) == (BODY, ())


def test_an_answer_to_head_has_no_body() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", "HEAD") == (b"", ())


@pytest.mark.parametrize(
    ("raw", "content", "problems"),
    [
        (CHUNKED[:-3], BODY, ("the body is cut: its last chunk is missing",)),
        (CHUNKED[:55], BODY[:5], ("the body is cut: its last chunk is missing",)),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc",
            b"abc",
            ("the body is cut: 3 of 1,000 bytes are here",),
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"",
            ("the body is cut: its last chunk is missing",),
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Le", b"", ("the recording ends inside the head",)),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"", ("the recording ends inside the head",)),
        (b"", b"", ("nothing was recorded",)),
        (
            b"GET / HTTP/1.1\r\n\r\n",
            b"",
            ("no Host header, which HTTP/1.1 requires",),
        ),
    ],
)
def test_what_is_missing_is_said(raw: bytes, content: bytes, problems: tuple[str, ...]) -> None:
    assert read(raw) == (content, problems)


def test_a_malformed_head_is_kept_as_it_is() -> None:
    raw = b"\x16\x03\x01\x02\x00\r\n\r\n"
    found = read_recording(raw)
    assert isinstance(found, Recording)
    assert (found.head, found.head_bytes) == (None, raw)
    assert found.problems[0].startswith("malformed head: ")


def test_websocket_recordings_are_recognised() -> None:
    upgrade = b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert read_recording(b"GET /ws HTTP/1.1\r\n" + upgrade + b"\x81\x00").is_websocket
    answer = read_recording(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\x81\x02hi")
    assert (answer.is_websocket, answer.body) == (True, b"\x81\x02hi")
