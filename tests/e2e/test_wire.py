"""Every kind of message through the recorder, between two observers of the wire: what the client sends, what the
upstream gets, what comes back, and the files, compared to the byte.
"""

import asyncio
import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import Peer, ScriptedUpstream
from tests.e2e.wire import Observer

END = b"the side ends its stream"
LARGE = bytes(range(256)) * 80_000  # 20.48 MB


@dataclass(frozen=True)
class Step:
    """One side sends, and the next step begins when the other side has it all.

    In heads, a line behind `~` is one that the recorder removes, a line behind `+` is one that it adds.
    """

    by: Literal["client", "upstream"]
    text: bytes
    is_removed: bool = False

    @property
    def sent(self) -> bytes:
        return _marked(self.text, removed=rb"\+", kept=rb"~")

    def arriving(self, authority: bytes) -> bytes:
        if self.is_removed:
            return b""
        text = _marked(self.text, removed=rb"~", kept=rb"\+").replace(b"%AUTHORITY%", authority)
        if self.by == "upstream" or b" HTTP/1." not in text.partition(b"\r\n")[0]:
            return text
        return text.replace(b" /lm/", b" /", 1).replace(b"Host: recorder.test", b"Host: " + authority, 1)


def _marked(text: bytes, *, removed: bytes, kept: bytes) -> bytes:
    head, end, body = text.partition(b"\r\n\r\n")
    head = re.sub(rb"\r\n" + removed + rb"[^\r]*", b"", head)
    return re.sub(rb"\r\n" + kept, b"\r\n", head) + end + body


def client(text: bytes) -> Step:
    return Step("client", text)


def upstream(text: bytes, *, is_removed: bool = False) -> Step:
    return Step("upstream", text, is_removed)


def head(start: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([start, *lines, b"", b""])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


GET = client(head(b"GET /lm/v1/models HTTP/1.1", b"Host: recorder.test"))
CHUNKED = head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked")
JSON = b'{"model": "tiny", "messages": [{"role": "user", "content": "Gr\xc3\xbc\xc3\x9fe"}]}'
PACKED = gzip.compress(JSON * 20)

ROWS: dict[str, list[Step]] = {
    "JSON with length": [
        client(head(b"POST /lm/v1/chat HTTP/1.1", b"Host: recorder.test", b"Content-Length: %d" % len(JSON)) + JSON),
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Content-Length: %d" % len(JSON)) + JSON),
    ],
    "body behind its head": [
        client(head(b"POST /lm/v1/chat HTTP/1.1", b"Host: recorder.test", b"Content-Length: %d" % len(JSON))),
        client(JSON[:10]),
        client(JSON[10:]),
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Length: 4")),
        upstream(b"fi"),
        upstream(b"ne"),
    ],
    "chunks with extensions and trailers": [
        client(
            head(b"POST /lm/x HTTP/1.1", b"Host: recorder.test", b"Transfer-Encoding: chunked", b"Trailer: X-Sum")
            + b'5;name="a b";flag\r\nhello\r\n00A\r\n0123456789\r\n'
        ),
        client(b"0;last\r\nX-Sum: 15\r\nX-Other:  caf\xe9 \r\n\r\n"),
        upstream(head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"Trailer: X-Time") + b"3;ext=1\r\nabc\r\n"),
        upstream(b"000001\r\nd\r\n"),
        upstream(b"0\r\nX-Time: 12 ms\r\n\r\n"),
    ],
    "server-sent events": [
        GET,
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")),
        *(upstream(chunk(b'data: {"n": %d}\n\n' % n)) for n in range(12)),
        upstream(chunk(b"data: [DONE]\n\n")),
        upstream(b"0\r\n\r\n"),
    ],
    "server-sent events cut across chunks": [
        GET,
        upstream(CHUNKED + b"21\r\ndata: one\n\nda"),
        upstream(b"ta: two\n\ndata: thr"),
        upstream(b"ee\r\n4\r\n\n\n: \r\n0\r\n\r\n"),
    ],
    "read until close": [
        GET,
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Type: text/plain") + b"no length, "),
        upstream(b"no chunks"),
        upstream(END),
    ],
    "HEAD": [
        client(head(b"HEAD /lm/v1/models HTTP/1.1", b"Host: recorder.test")),
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Length: 512")),
    ],
    "HEAD of chunks": [client(head(b"HEAD /lm/ HTTP/1.1", b"Host: recorder.test")), upstream(CHUNKED)],
    "204": [GET, upstream(head(b"HTTP/1.1 204 No Content", b"X-Kept: yes"))],
    "304 with Content-Length": [GET, upstream(head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 99", b'ETag: "x"'))],
    "no reason phrase": [GET, upstream(head(b"HTTP/1.1 200 ", b"Content-Length: 0"))],
    "100-continue": [
        client(head(b"PUT /lm/f HTTP/1.1", b"Host: recorder.test", b"Expect: 100-continue", b"Content-Length: 5")),
        upstream(head(b"HTTP/1.1 100 Continue")),
        client(b"12345"),
        upstream(head(b"HTTP/1.1 201 Created", b"Content-Length: 0")),
    ],
    "103": [
        GET,
        upstream(head(b"HTTP/1.1 103 Early Hints", b"Link: </a.css>; rel=preload")),
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"),
    ],
    "HTTP/1.0 client": [
        client(head(b"GET /lm/v1/models HTTP/1.0", b"Accept: */*", b"+Host: %AUTHORITY%")),
        upstream(head(b"HTTP/1.1 103 Early Hints", b"Link: </a.css>"), is_removed=True),
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"),
    ],
    "HTTP/1.0 client with Host and keep-alive": [
        client(head(b"GET /lm/v1/models HTTP/1.0", b"~Connection: keep-alive", b"Host: recorder.test")),
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"),
    ],
    "HTTP/1.0 upstream with length": [
        GET,
        upstream(head(b"HTTP/1.0 200 OK", b"Content-Length: 2") + b"ok"),
    ],
    "HTTP/1.0 upstream until close": [GET, upstream(head(b"HTTP/1.0 200 OK") + b"all of it"), upstream(END)],
    "order, case, duplicates, spacing and bytes of headers": [
        client(
            head(
                b"GET /lm/ HTTP/1.1",
                b"x-lower: 1",
                b"X-UPPER:2",
                b"X-Twice: a",
                b"X-Spaced:   wide \t ",
                b"Host: recorder.test",
                b"X-Twice: b",
                b"X-Latin: caf\xe9",
                b"X-Utf8: \xe2\x82\xac",
                b"X-Empty:",
                b"X-Empty-Too: ",
                b"User-Agent:",
            )
        ),
        upstream(
            head(
                b"HTTP/1.1 200 F\xe9in",
                b"server:tiny",
                b"X-Request-ID:  7 ",
                b"Vary: a",
                b"content-LENGTH: 0",
                b"Vary: b",
                b"X-Bytes: \xff\xfe\x80",
            )
        ),
    ],
    "hop-by-hop lines": [
        client(
            head(
                b"GET /lm/ HTTP/1.1",
                b"~Connection: X-Mine, keep-alive",
                b"Host: recorder.test",
                b"~X-Mine: 1",
                b"Accept: */*",
                b"~Keep-Alive: timeout=5",
                b"~Proxy-Connection: keep-alive",
                b"~TE: trailers",
                b"~Connection: close",
                b"~x-mine: 2",
                b"X-Other: stays",
            )
        ),
        upstream(
            head(
                b"HTTP/1.1 200 OK",
                b"~Connection: keep-alive, X-Secret-Of-The-Hop",
                b"Content-Length: 2",
                b"~X-Secret-Of-The-Hop: 1",
                b"~Keep-Alive: timeout=60",
                b"~Upgrade: h2c",
                b"Trailer: X-Stays",
            )
            + b"ok"
        ),
    ],
    "gzip body": [
        client(head(b"GET /lm/ HTTP/1.1", b"Host: recorder.test", b"Accept-Encoding: gzip")),
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Encoding: gzip", b"Content-Length: %d" % len(PACKED)) + PACKED),
    ],
    "percent-encoding and query": [
        client(
            head(
                b"GET /lm/a%2Fb%20c/%C3%A9/./d//e?q=%2f&x=a+b&&empty=&=;%zz?/..~!$'()*,@:[] HTTP/1.1",
                b"Host: recorder.test",
            )
        ),
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Length: 0")),
    ],
    "upstream answers before the upload ends": [
        client(head(b"POST /lm/ HTTP/1.1", b"Host: recorder.test", b"Content-Length: 8") + b"1234"),
        upstream(head(b"HTTP/1.1 413 Content Too Large", b"Content-Length: 4") + b"nope"),
        client(b"5678"),
    ],
    "both sides stream at once": [
        client(head(b"POST /lm/ HTTP/1.1", b"Host: recorder.test", b"Transfer-Encoding: chunked")),
        upstream(CHUNKED),
        client(b"4\r\nping\r\n"),
        upstream(b"4\r\npong\r\n"),
        client(b"4\r\nping\r\n"),
        upstream(b"4\r\npong\r\n"),
        client(b"0\r\n\r\n"),
        upstream(b"0\r\n\r\n"),
    ],
}
LARGE_ROWS: dict[str, list[Step]] = {
    "large upload": [
        client(head(b"POST /lm/ HTTP/1.1", b"Host: recorder.test", b"Content-Length: %d" % len(LARGE)) + LARGE),
        upstream(head(b"HTTP/1.1 200 OK", b"Content-Length: 0")),
    ],
    "large download": [
        GET,
        upstream(CHUNKED + chunk(LARGE[:-1]) + chunk(LARGE[-1:]) + b"0\r\n\r\n"),
    ],
}


def whole(data: bytes) -> list[bytes]:
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize("name", ROWS)
async def test_bytes_pass_and_are_recorded_as_they_are(
    flight: Flight, name: str, cut: Callable[[bytes], list[bytes]]
) -> None:
    """What arrives at either side is what the other sent, the edited lines aside, and the files hold the same."""
    await passes_untouched(flight, ROWS[name], cut)


@pytest.mark.parametrize("name", LARGE_ROWS)
async def test_large_bodies_pass_and_are_recorded_as_they_are(flight: Flight, name: str) -> None:
    await passes_untouched(flight, LARGE_ROWS[name], whole)


async def test_an_upstream_may_have_an_ipv6_address(flight: Flight) -> None:
    await passes_untouched(flight, ROWS["JSON with length"], whole, host="::1")


async def passes_untouched(
    flight: Flight, steps: list[Step], cut: Callable[[bytes], list[bytes]], host: str = "127.0.0.1"
) -> None:
    async with ScriptedUpstream(host=host) as server, Observer(server.port, host) as behind:
        authority = (f"[{host}]" if ":" in host else host).encode() + b":%d" % behind.port
        await flight.start(to(behind.port, destination=f"http://{authority.decode()}/"))
        port = flight.port
        async with Observer(port) as before:
            near = await flight.connect(before.port)
            far = await play(near, server, steps, cut, authority)
            near.close()
            records = await flight.land()
        assert len(before.passages) == len(behind.passages) == len(records) == 1
        assert bytes(before.passages[0].to_server) == b"".join(each.sent for each in steps if each.by == "client")
        assert bytes(before.passages[0].to_client) == bytes(near.received)
        assert bytes(behind.passages[0].to_server) == bytes(far.received)

    record = records[0]
    assert record.sent_request == behind.passages[0].to_server
    assert record.response == behind.passages[0].to_client
    target = steps[0].sent.split(b" ")[1].decode()
    caller = "recorder.test" if b"\r\nHost: recorder.test" in steps[0].sent else f"127.0.0.1:{port}"
    assert record.proxy_path == record.metadata["url"] == f"http://{caller}{target}"
    assert record.metadata["completed"] is True
    assert record.metadata["received"]["request_line"].encode("latin-1") == steps[0].sent.partition(b"\r\n")[0]
    removed = re.findall(rb"\r\n~([^:]+):[ ]*([^\r]*)", steps[0].text)
    assert record.metadata["received"]["removed"] == [[key.decode(), value.decode()] for key, value in removed]
    if cut is whole and len(record.request) + len(record.response) < 65_536:
        check_arrivals(record.arrivals("response"), [each.sent for each in steps if each.by == "upstream"])
        added = len(record.request) - len(record.sent_request)
        sent = [each.arriving(authority) for each in steps if each.by == "client"]
        check_arrivals(record.arrivals("request"), [sent[0] + bytes(added), *sent[1:]])


async def play(
    near: Peer, server: ScriptedUpstream, steps: list[Step], cut: Callable[[bytes], list[bytes]], authority: bytes
) -> Peer:
    """Every step in turn; returns the upstream's end of the connection."""
    far: Peer | None = None
    for step in steps:
        if step.by == "client":
            sending = asyncio.gather(*[send_all(near, cut(step.sent))])
            far = far or await server.accept()
            assert await far.read_exactly(len(step.arriving(authority))) == step.arriving(authority)
            await sending
            continue
        assert far is not None
        if step.text is END:
            far.close()
            assert await near.read_to_end() == b""
            continue
        sending = asyncio.gather(*[send_all(far, cut(step.sent))])
        assert await near.read_exactly(len(step.arriving(authority))) == step.arriving(authority)
        await sending
    assert far is not None
    return far


async def send_all(peer: Peer, pieces: list[bytes]) -> None:
    for piece in pieces:
        await peer.send(piece)


def check_arrivals(offsets: list[int], reads: list[bytes]) -> None:
    """One pair for each read, at the place in the file where it begins."""
    places, at = [], 0
    for read in reads:
        if read != END:
            places.append(at)
            at += len(read)
    assert offsets == places
