"""traffic/http1/rewrite.py: what a proxy must change in a head is changed, and every other byte survives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.http1.head import parse_request_head, parse_response_head
from traffic.http1.rewrite import Rewritten, rewrite_request, rewrite_response

Fields = list[tuple[bytes, bytes]]


def request(lines: bytes, version: bytes = b"HTTP/1.1", host: bytes = b"Host: a\r\n") -> Rewritten:
    head = parse_request_head(b"POST /lm/x %b\r\n%b%b\r\n" % (version, host, lines))
    return rewrite_request(head, b"/x", None)


def response(lines: bytes, status: bytes = b"200 OK") -> bytes:
    return rewrite_response(parse_response_head(b"HTTP/1.1 %b\r\n%b\r\n" % (status, lines)))


# lines that arrive, lines that leave, fields removed: the same in either direction
HOP_BY_HOP: list[tuple[bytes, bytes, Fields]] = [
    (b"A: 1\r\n", b"A: 1\r\n", []),
    (b"Connection: close\r\nA: 1\r\n", b"A: 1\r\n", [(b"Connection", b"close")]),
    (
        b"A: 1\r\ncONNECTION: keep-alive , X-Hop,\tx-HIP\r\nx-hop: 1\r\nB: 2\r\nX-Hop: 3\r\nX-Hip: \r\n",
        b"A: 1\r\nB: 2\r\n",
        [(b"cONNECTION", b"keep-alive , X-Hop,\tx-HIP"), (b"x-hop", b"1"), (b"X-Hop", b"3"), (b"X-Hip", b"")],
    ),
    (
        b"X-A: 1\r\nConnection: x-a\r\nA: 1\r\nConnection: x-b\r\nX-B: 2\r\n",
        b"A: 1\r\n",
        [(b"X-A", b"1"), (b"Connection", b"x-a"), (b"Connection", b"x-b"), (b"X-B", b"2")],
    ),
    (b"Proxy-Connection: keep-alive\r\n", b"", [(b"Proxy-Connection", b"keep-alive")]),
    (b"proxy-authorization: Basic eA==\r\n", b"", [(b"proxy-authorization", b"Basic eA==")]),
    (b"Keep-Alive: timeout=5\r\n", b"", [(b"Keep-Alive", b"timeout=5")]),
    (b"TE: trailers\r\nTrailer: X\r\n", b"Trailer: X\r\n", [(b"TE", b"trailers")]),
    (b"Upgrade: h2c\r\n", b"", [(b"Upgrade", b"h2c")]),
    (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n",
        b"",
        [(b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AA")],
    ),
    (
        b"Connection: host, trailer, Content-Length\r\nTrailer: X\r\nContent-Length: 0\r\n",
        b"Trailer: X\r\nContent-Length: 0\r\n",
        [(b"Connection", b"host, trailer, Content-Length")],
    ),
    (
        b"Connection: transfer-encoding\r\nTransfer-Encoding:  chunked\r\n",
        b"Transfer-Encoding:  chunked\r\n",
        [(b"Connection", b"transfer-encoding")],
    ),
    (b"Proxy-Authenticate: Basic\r\nTEX: 1\r\n", b"Proxy-Authenticate: Basic\r\nTEX: 1\r\n", []),
]


@pytest.mark.parametrize(("lines", "kept", "removed"), HOP_BY_HOP)
def test_hop_by_hop_fields_are_removed_in_either_direction(lines: bytes, kept: bytes, removed: Fields) -> None:
    up, down = request(lines), response(lines)
    assert (up.raw, up.removed) == (b"POST /x HTTP/1.1\r\nHost: a\r\n" + kept + b"\r\n", removed)
    assert down == b"HTTP/1.1 200 OK\r\n" + kept + b"\r\n"


# A WebSocket's handshake keeps its Upgrade and one Connection line that names Upgrade.
HANDSHAKES: list[tuple[bytes, bytes, Fields]] = [
    (b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", []),
    (
        b"connection:  keep-alive, Upgrade\r\nupgrade: WebSocket\r\n",
        b"connection:  keep-alive, Upgrade\r\nupgrade: WebSocket\r\n",
        [],
    ),
    (
        b"Upgrade: websocket\r\nConnection: keep-alive\r\nA: 1\r\nConnection: Upgrade\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nA: 1\r\n",
        [(b"Connection", b"Upgrade")],
    ),
    (
        b"Connection: Upgrade, X-Hop\r\nX-Hop: 1\r\nUpgrade: websocket\r\nKeep-Alive: 5\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
        [(b"X-Hop", b"1"), (b"Keep-Alive", b"5")],
    ),
    (
        b"Connection: close, Upgrade\r\nUpgrade: websocket\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
        [],
    ),
]


@pytest.mark.parametrize(("lines", "kept", "removed"), HANDSHAKES)
def test_a_websocket_handshake_is_kept_in_either_direction(lines: bytes, kept: bytes, removed: Fields) -> None:
    up, down = request(lines), response(lines, b"101 Switching Protocols")
    assert (up.raw, up.removed) == (b"POST /x HTTP/1.1\r\nHost: a\r\n" + kept + b"\r\n", removed)
    assert down == b"HTTP/1.1 101 Switching Protocols\r\n" + kept + b"\r\n"


def test_a_response_that_does_not_switch_loses_its_upgrade_line() -> None:
    assert response(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"426 Upgrade Required") == (
        b"HTTP/1.1 426 Upgrade Required\r\n\r\n"
    )


def test_the_recorders_own_key_is_removed_from_requests_alone() -> None:
    up, down = request(b"X-Recorder-KEY: k\r\nA: 1\r\n"), response(b"X-Recorder-Key: k\r\nA: 1\r\n")
    assert (up.raw, up.removed) == (b"POST /x HTTP/1.1\r\nHost: a\r\nA: 1\r\n\r\n", [(b"X-Recorder-KEY", b"k")])
    assert down == b"HTTP/1.1 200 OK\r\nX-Recorder-Key: k\r\nA: 1\r\n\r\n"


def test_fields_at_given_places_are_removed_among_the_others_in_their_order() -> None:
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: 1\r\nTE: x\r\nauthorization: 2\r\nB: 3\r\n\r\n"
    rewritten = rewrite_request(parse_request_head(raw), b"/", None, without=frozenset([4]))
    assert rewritten.raw == b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: 1\r\nB: 3\r\n\r\n"
    assert rewritten.removed == [(b"TE", b"x"), (b"authorization", b"2")]


def test_a_handshake_loses_the_fields_at_given_places_as_well() -> None:
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nx-api-key: 1\r\nUpgrade: websocket\r\n\r\n"
    assert rewrite_request(parse_request_head(raw), b"/", None, without=frozenset([3])).raw == (
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )


HOSTS = [
    (b"HTTP/1.1", b"A: 1\r\nHOST:   here:5601\t\r\nB: 2\r\n", b"up", b"A: 1\r\nHOST: up\r\nB: 2\r\n"),
    (b"HTTP/1.1", b"host:\r\nX-Host: me\r\n", b"up:1", b"host: up:1\r\nX-Host: me\r\n"),
    (b"HTTP/1.1", b"Connection: host\r\nHost: a\r\n", b"up", b"Host: up\r\n"),
    (b"HTTP/1.0", b"Host: a\r\n", b"up", b"Host: up\r\n"),
    (b"HTTP/1.0", b"A: 1\r\n", b"up", b"A: 1\r\nHost: up\r\n"),
    (b"HTTP/1.0", b"", b"up", b"Host: up\r\n"),
    (b"HTTP/1.0", b"A: 1\r\n", None, b"A: 1\r\n"),
    (b"HTTP/1.1", b"A: 1\r\nhOST:   here:5601\t\r\n", None, b"A: 1\r\nhOST:   here:5601\t\r\n"),
]


@pytest.mark.parametrize(("version", "lines", "host", "expected"), HOSTS)
def test_the_host_is_replaced_in_its_place_added_where_missing_or_kept(
    version: bytes, lines: bytes, host: bytes | None, expected: bytes
) -> None:
    head = parse_request_head(b"GET /lm/x %b\r\n%b\r\n" % (version, lines))
    assert rewrite_request(head, b"/x?y=1", host).raw == b"GET /x?y=1 %b\r\n%b\r\n" % (version, expected)


def test_a_head_is_not_edited_itself() -> None:
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nTE: x\r\n\r\n"
    head = parse_request_head(raw)
    assert rewrite_request(head, b"/x", b"up", b"1.1 r").raw == b"GET /x HTTP/1.1\r\nHost: up\r\nVia: 1.1 r\r\n\r\n"
    assert head.lines == raw[:-4].split(b"\r\n")


def test_a_response_head_that_loses_nothing_is_the_same_object() -> None:
    head = parse_response_head(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\n")
    assert rewrite_response(head) is head.raw


def test_via_is_added_only_where_it_is_asked_for() -> None:
    up = rewrite_request(parse_request_head(b"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 b\r\n\r\n"), b"/", None, b"1.1 r")
    assert up.raw == b"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 b\r\nVia: 1.1 r\r\n\r\n"
    down = rewrite_response(parse_response_head(b"HTTP/1.1 200 OK\r\n\r\n"), b"1.1 r")
    assert down == b"HTTP/1.1 200 OK\r\nVia: 1.1 r\r\n\r\n"


def test_the_status_line_leaves_as_it_came() -> None:
    for line in (b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.0 404 Nicht \xe4  da "):
        assert rewrite_response(parse_response_head(line + b"\r\nTE: x\r\n\r\n")) == line + b"\r\n\r\n"


_NAME = st.sampled_from([b"X-A", b"x-a", b"Accept", b"ACCEPT", b"Cookie", b"Date", b"X_9", b"Trailer"])
_SPACE = st.sampled_from([b"", b" ", b"\t", b"  \t "])
_VALUE = st.lists(st.sampled_from([*range(0x20, 0x7F), *range(0x80, 0x100), 0x09]), max_size=15).map(bytes)
_LINE = st.tuples(_NAME, _SPACE, _VALUE, _SPACE).map(lambda parts: b"%b:%b%b%b" % parts)
_HOP = st.sampled_from([b"Connection: X-Hop", b"X-Hop: \xe9", b"TE: trailers", b"keep-alive: 5", b"Upgrade: h2c"])


@given(st.lists(_LINE | _HOP, max_size=12))
def test_order_case_duplicates_spacing_and_bytes_of_all_other_lines_survive(lines: list[bytes]) -> None:
    names_hop = b"Connection: X-Hop" in lines
    kept = [
        line
        for line in lines
        if line not in (b"Connection: X-Hop", b"TE: trailers", b"keep-alive: 5", b"Upgrade: h2c")
        and not (names_hop and line.startswith(b"X-Hop:"))
    ]
    raw = b"".join(line + b"\r\n" for line in lines)
    expected = b"".join(line + b"\r\n" for line in kept)
    up, down = request(raw), response(raw)
    assert up.raw == b"POST /x HTTP/1.1\r\nHost: a\r\n" + expected + b"\r\n"
    assert down == b"HTTP/1.1 200 OK\r\n" + expected + b"\r\n"
    assert len(up.removed) == len(lines) - len(kept)


def test_what_a_client_tells_the_recorder_alone_goes_no_further() -> None:
    found = request(b"X-Replay-Of: 1\r\nA: 1\r\nx-recorder-key: k\r\n")
    assert found.raw == b"POST /x HTTP/1.1\r\nHost: a\r\nA: 1\r\n\r\n"
    assert found.removed == [(b"X-Replay-Of", b"1"), (b"x-recorder-key", b"k")]
    assert response(b"X-Replay-Of: 1\r\n") == b"HTTP/1.1 200 OK\r\nX-Replay-Of: 1\r\n\r\n"
