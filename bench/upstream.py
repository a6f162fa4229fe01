"""The upstream of every benchmark: as cheap as Python allows and the same for all peers. `python -m bench.upstream`.

Prints its port, then answers until it is stopped:

    POST /v1/chat/completions   1 KB of JSON
    POST /sse/<events>          a server-sent event each 50 ms, each a chunk of its own with its send time inside
    GET  /body/<bytes>          that many bytes, Content-Length framed
    GET  /chunks/<size>/<bytes> chunks of that size, about that many bytes with their framing
    POST /sink                  reads a body of any length, or of `chunks`, then answers like the first
    POST /arrivals/<number>     answers like the first, and notes when the request was there
    GET  /arrivals              those notes: a JSON object, numbers to CLOCK_MONOTONIC in nanoseconds
    GET  /served                how many requests of the kinds above were answered, as a JSON number

The send time is CLOCK_MONOTONIC in nanoseconds, which all processes of a machine share.
"""

import asyncio
import gc
import hashlib
import json
import os
import random
import re
import time
from collections.abc import Iterator
from itertools import chain, repeat
from typing import cast

import uvloop

EVENT_INTERVAL_S = 0.05
TICK_S = 0.001
STAMP = b'"sent_ns":'
STAMP_DIGITS = 20
END_OF_STREAM = b"data: [DONE]\n\n\r\n0\r\n\r\n"

LAST_CHUNK = b"0\r\n\r\n"
_BLOCK = random.Random(20260913).randbytes(256 * 1024)
_EVENT = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1757723469,"model":"bench",'
    b'"choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}],' + STAMP + b"%020d}\n\n"
)
_CHUNK = b"%x\r\n%s\r\n" % (len(_EVENT % 0), _EVENT)
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_HEAD = re.compile(
    rb"(\w+) (\S+) .*?(?:\r\n(?:content-length: *(\d+)|transfer-encoding: (chunked)).*)?\r\n\r\n",
    re.DOTALL | re.IGNORECASE,
)
_HEADS_MAX = 1024


def body_blocks(size: int) -> Iterator[bytes]:
    """The body that `/body/<size>` answers, and that an upload sends."""
    for _ in range(size // len(_BLOCK)):
        yield _BLOCK
    if rest := size % len(_BLOCK):
        yield _BLOCK[:rest]


def chunks(size: int) -> bytes:
    """A block of whole chunks of `size` bytes."""
    return b"%x\r\n%b\r\n" % (size, b"x" * size) * max(1, len(_BLOCK) // (size + 6))


def body_sha256(size: int) -> str:
    digest = hashlib.sha256()
    for block in body_blocks(size):
        digest.update(block)
    return digest.hexdigest()


def _json_answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


_COMPLETION = _json_answer(
    (
        b'{"id":"chatcmpl-bench","object":"chat.completion","created":1757723469,"model":"bench","choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":200,"completion_tokens":200,"total_tokens":400}}'
    )
    % (b"token " * 128)
)


class _Connection(asyncio.BufferedProtocol):
    served = 0
    arrivals: dict[int, int] = {}  # noqa: RUF012 - shared on purpose
    ticks: "_Ticks"  # the streams of all connections
    _buffer = memoryview(bytearray(256 * 1024))  # one for all: it is emptied before the next read
    _heads: dict[bytes, tuple[bytes, int | None]] = {}  # noqa: RUF012 - shared on purpose: target and body length by head
    _transport: asyncio.Transport
    _head = b""
    _target = b""
    _body_left = 0
    _is_chunked = False  # the body ends with LAST_CHUNK, which is nowhere else in it
    _tail = b""
    _blocks: Iterator[bytes] = iter(())
    _paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no instance of it

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._is_chunked:
            self._take_chunks(bytes(self._buffer[:nbytes]))
            return
        if self._body_left >= nbytes:
            self._body_left -= nbytes
            if not self._body_left:
                self._answer()
            return
        data = self._head + bytes(self._buffer[:nbytes])
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            self._head = data
            return
        self._head = b""
        self._target, length = self._parse(head + end)
        if length is None:
            self._is_chunked = True
            self._take_chunks(rest)
            return
        self._body_left = length - len(rest)  # no client of the benchmarks pipelines
        if self._body_left <= 0:
            self._answer()

    def _take_chunks(self, data: bytes) -> None:
        self._tail = (self._tail + data[-len(LAST_CHUNK) :])[-len(LAST_CHUNK) :]
        if self._tail == LAST_CHUNK:
            self._is_chunked, self._tail = False, b""
            self._answer()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._write_blocks()

    def _parse(self, head: bytes) -> tuple[bytes, int | None]:
        """Target and length of the body; None: it is chunked."""
        known = self._heads.get(head)
        if known is None:
            match = _HEAD.fullmatch(head)
            assert match is not None, head
            known = (match[2], None if match[4] else int(match[3] or 0))
            if len(self._heads) < _HEADS_MAX:
                self._heads[head] = known
        return known

    def _answer(self) -> None:
        kind, _, count = self._target[1:].partition(b"/")
        if kind == b"served":
            self._transport.write(_json_answer(b"%d" % _Connection.served))
            return
        if kind == b"arrivals" and not count:
            self._transport.write(_json_answer(json.dumps(self.arrivals).encode()))
            return
        _Connection.served += 1
        if kind == b"arrivals":
            self.arrivals[int(count)] = time.monotonic_ns()
        if kind == b"sse":
            self.ticks.add(_Stream(self._transport, int(count)))
        elif kind == b"body":
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % int(count))
            self._blocks = body_blocks(int(count))
            self._write_blocks()
        elif kind == b"chunks":
            size, _, total = count.partition(b"/")
            block = chunks(int(size))
            self._transport.write(_CHUNKED_HEAD)
            self._blocks = chain(repeat(block, int(total) // len(block)), [LAST_CHUNK])
            self._write_blocks()
        else:
            self._transport.write(_COMPLETION)

    def _write_blocks(self) -> None:
        while not self._paused:
            block = next(self._blocks, None)
            if block is None:
                return
            self._transport.write(block)


class _Ticks:
    """Sends the events of all streams: each stream has its place in the interval, to the millisecond.

    One timer for all and writes past the transport: a timer and a transport's write for each event would keep the
    load's core so busy that its own queue, not the peer, made the slowest events.
    """

    _phases = random.Random(20260914)

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._places: list[list[_Stream]] = [[] for _ in range(round(EVENT_INTERVAL_S / TICK_S))]
        self._tick = 0
        self._begin_s = self._loop.time()
        self._send_due()

    def add(self, stream: "_Stream") -> None:
        self._phases.choice(self._places).append(stream)

    def _send_due(self) -> None:
        due = round((self._loop.time() - self._begin_s) / TICK_S)
        while self._tick <= due:
            place = self._tick % len(self._places)
            self._places[place] = [stream for stream in self._places[place] if stream.send()]
            self._tick += 1
        self._loop.call_at(self._begin_s + self._tick * TICK_S, self._send_due)


class _Stream:
    def __init__(self, transport: asyncio.Transport, events: int) -> None:
        self._transport = transport
        self._events_left = events
        transport.write(_SSE_HEAD)
        self._descriptor = transport.get_extra_info("socket").fileno()

    def send(self) -> bool:
        """Send the next event, or the end; False when nothing follows."""
        if self._transport.is_closing():
            return False
        if not self._events_left:
            self._transport.write(b"e\r\n" + END_OF_STREAM)
            return False
        self._events_left -= 1
        event = _CHUNK % time.monotonic_ns()
        sent = os.write(self._descriptor, event)
        assert sent == len(event), "the peer stopped reading"
        return True


async def _serve() -> None:
    _Connection.ticks = _Ticks()
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.freeze()
    gc.disable()  # nothing here makes cycles
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
