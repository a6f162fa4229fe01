"""Exchanges with any bytes, and metadata that is true of them."""

import string
from hashlib import sha256

import msgspec
from hypothesis import strategies as st

from tests.traffic.export.made import id_of
from traffic.capture.events import ExchangeError, Finished, Received, Started
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Stored, build, request_headers, response_status

STARTED_NS = 1_789_265_469_123_456_000  # 2026-09-13 02:11:09.123456 UTC
REQUEST = b"POST /v1/chat?a=b HTTP/1.1\r\nhOST: a\r\nX-Odd:  \xff; x \r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Odd:\xff\r\n\r\n"
    b"3;a=b\r\nWAR\r\n2\r\nC/\r\n0\r\nTrailer-1: x\r\n\r\n"
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + CHUNKED
CUT = ExchangeError("upstream_reset", "response_body", "upstream", "reset")
URL = "https://api.openai.com/v1/chat?a=b"


def stored(number: int, request: bytes, response: bytes, error: ExchangeError | None = None) -> RecordedExchange:
    started = Started(
        id_of(number),
        STARTED_NS + number * 1_000_000_000,
        "openai",
        "/openai/",
        "POST",
        "http://localhost:5601/openai/v1/chat?a=b",
        URL,
        "127.0.0.1:50123",
        Received("POST /openai/v1/chat?a=b HTTP/1.1", "localhost:5601", []),
    )
    answered_by = "upstream" if response else None
    finished = Finished(error is None, error, answered_by, 100, 2000, 2500, len(request), len(response), 0, [])
    status, headers = response_status(response) or (None, [])
    return RecordedExchange(
        build(
            started,
            finished,
            error,
            _side(request, request_headers(request) or [], None),
            _side(response, headers, status),
        ),
        request,
        response,
    )


def _side(data: bytes, headers: list[tuple[str, str]], status: int | None) -> Stored:
    return Stored(headers, status, len(data), sha256(data).hexdigest(), [(0, 20)] if data else [])


VARIED = (
    stored(1, REQUEST, CHUNKED),
    stored(2, REQUEST, INTERIM),
    stored(3, REQUEST, CHUNKED[:60], CUT),
    stored(4, REQUEST, b"", ExchangeError("upstream_refused", "connect", "upstream", "refused")),
    stored(5, b"\0\x01 no HTTP", b"WARC/1.1\r\n\r\n\r\n"),
    stored(6, b"", b""),
)

_bytes = st.one_of(
    st.binary(max_size=200),
    st.builds(bytes.__add__, st.sampled_from([REQUEST, CHUNKED, INTERIM, b"WARC/1.1\r\n", b"PK\x03\x04"]), st.binary()),
)
_texts = st.text(string.printable + "\0\x1b\u202eä漢", max_size=30)


@st.composite
def exchanges(draw: st.DrawFn) -> list[RecordedExchange]:
    """With bytes and URLs of any kind."""
    made = [stored(number, draw(_bytes), draw(_bytes)) for number in range(draw(st.integers(0, 4)))]
    return [
        each._replace(metadata=msgspec.structs.replace(each.metadata, url=draw(_texts), upstream_url=draw(_texts)))
        for each in made
    ]
