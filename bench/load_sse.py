"""The SSE load: many open streams, the latency of each event. `python -m bench.load_sse BASE_URL STREAMS SECONDS`.

Prints three lines: `open` once every stream has brought an event; the figures as JSON after SECONDS more; and
`{"ended": N}` when N streams have ended in the regular way. Exits 1 where a stream breaks.
"""

import asyncio
import gc
import json
import sys
import time
from array import array
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.upstream import END_OF_STREAM, EVENT_INTERVAL_S, STAMP, STAMP_DIGITS

_OPEN_EACH_S = 0.001
_MARGIN_S = 8.0  # streams live that much longer than the plan needs: opening them may be slow
_PROMPT = b'{"model":"bench","stream":true,"messages":[{"role":"user","content":"Tell me about tokens."}]}'


@dataclass(slots=True)
class _Window:
    """When events count, and what was seen of them."""

    begin_ns: int = sys.maxsize
    end_ns: int = sys.maxsize
    latencies_ns: "array[int]" = field(default_factory=lambda: array("q"))


class _Stream(asyncio.Protocol):
    def __init__(self, request: bytes, window: _Window) -> None:
        loop = asyncio.get_running_loop()
        self.first_event: asyncio.Future[None] = loop.create_future()
        self.end: asyncio.Future[None] = loop.create_future()
        self._request = request
        self._window = window
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no instance of it
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        data = self._rest + data
        at = data.find(STAMP)
        end = 0
        while at >= 0 and at + len(STAMP) + STAMP_DIGITS <= len(data):
            end = at + len(STAMP) + STAMP_DIGITS
            self._count(int(data[end - STAMP_DIGITS : end]), now_ns)
            at = data.find(STAMP, end)
        self._rest = data[end:][-64:]  # no stamp and no end of stream is longer
        if self._rest.endswith(END_OF_STREAM):
            self.end.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        broken = exc or ConnectionError("the stream ended early")
        for outcome in (self.first_event, self.end):
            if not outcome.done():
                outcome.set_exception(broken)

    def _count(self, sent_ns: int, now_ns: int) -> None:
        if self._window.begin_ns <= sent_ns < self._window.end_ns:
            self._window.latencies_ns.append(now_ns - sent_ns)
        elif not self.first_event.done():
            self.first_event.set_result(None)


async def _run(base_url: str, count: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    url = urlsplit(base_url)
    host, port = url.hostname, url.port
    assert host is not None
    assert port is not None
    events = int((seconds + count * _OPEN_EACH_S + _MARGIN_S) / EVENT_INTERVAL_S)
    request = (
        f"POST {url.path}/sse/{events} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer sk-bench\r\n"
        f"Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {len(_PROMPT)}\r\n\r\n"
    ).encode() + _PROMPT
    window = _Window()
    streams: list[_Stream] = []
    begin_s = loop.time()
    for number in range(count):
        await asyncio.sleep(begin_s + number * _OPEN_EACH_S - loop.time())
        streams.append((await loop.create_connection(lambda: _Stream(request, window), host, port))[1])
    await asyncio.gather(*(stream.first_event for stream in streams))
    gc.freeze()
    gc.disable()  # nothing here makes cycles
    print("open", flush=True)
    window.begin_ns = time.monotonic_ns()
    window.end_ns = window.begin_ns + int(seconds * 1e9)
    await asyncio.sleep(seconds)
    if any(stream.end.done() for stream in streams):
        raise ConnectionError("a stream ended before the measurement did")
    print(json.dumps(_figures(window, count * seconds / EVENT_INTERVAL_S)), flush=True)
    await asyncio.gather(*(stream.end for stream in streams))
    print(json.dumps({"ended": len(streams)}), flush=True)


def _figures(window: _Window, events_due: float) -> dict[str, float]:
    ordered = sorted(window.latencies_ns)
    return {
        "p50_ms": ordered[len(ordered) // 2] / 1e6,
        "p99_ms": ordered[len(ordered) * 99 // 100] / 1e6,
        "max_ms": ordered[-1] / 1e6,
        "events_seen_share": len(ordered) / events_due,
    }


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
