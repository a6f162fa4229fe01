"""The load of streams that are played back at their recorded times. `python -m bench.load_play BASE_URL FOLDER`.

Sends the request of each recording in the folder, one each 10 ms, and notes when each byte of the answer arrives.
Prints as JSON how far that is from when it had arrived then, over all reads of all recordings.
"""

import asyncio
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.plan import Figures
from replay.recordings import exchanges_in
from traffic.capture.exchange import RecordedExchange

_OPEN_EACH_S = 0.01


class _Stream(asyncio.Protocol):
    def __init__(self, exchange: RecordedExchange) -> None:
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exchange = exchange
        self._sent_s = 0.0
        self._got: list[tuple[int, float]] = []  # how many bytes had arrived, and when
        self._bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no instance of it
        self._sent_s = time.monotonic()
        self._transport.write(self._exchange.request)

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        self._got.append((self._bytes, time.monotonic()))
        if self._bytes == len(self._exchange.response):
            self.end.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.end.done():
            self.end.set_exception(exc or ConnectionError("the stream ended early"))

    def off_by_ms(self) -> list[float]:
        """Of each recorded read: how much later or earlier its first byte came than it had come then."""
        got = iter(self._got)
        count, at_s = next(got)
        found: list[float] = []
        for offset, recorded_ms in self._exchange.metadata.response.arrivals:
            while count <= offset:
                count, at_s = next(got)
            found.append(abs((at_s - self._sent_s) * 1e3 - recorded_ms))
        return found


async def _run(base_url: str, folder: Path) -> Figures:
    loop = asyncio.get_running_loop()
    url = urlsplit(base_url)
    host, port = url.hostname, url.port
    assert host is not None
    assert port is not None
    streams: list[_Stream] = []
    begin_s = loop.time()
    for number, exchange in enumerate(list(exchanges_in(folder))):
        await asyncio.sleep(begin_s + number * _OPEN_EACH_S - loop.time())
        streams.append((await loop.create_connection(partial(_Stream, exchange), host, port))[1])
    await asyncio.gather(*(stream.end for stream in streams))
    ordered = sorted(off for stream in streams for off in stream.off_by_ms())
    figures = {f"off_p{percent}_ms": ordered[len(ordered) * percent // 100] for percent in (50, 95, 99)}
    return {"reads": len(ordered), **figures, "off_max_ms": ordered[-1]}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_run(sys.argv[1], Path(sys.argv[2])))))
