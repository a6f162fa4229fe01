"""A request that no recording answers, on its way to a recorder: its bytes as they came, and the answer's back.

The recorder is a whole one, beside the player: it routes, forwards and, where the folder grows, records. So nothing
here looks into what passes; only the answer's end is found, and what it says about the connection.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

from replay.play.score import Ending
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, ResponseHead
from traffic.http1.message import END, ResponseReader

if TYPE_CHECKING:
    from replay.play.connection import Connection


class Passing(asyncio.Protocol):
    """`over` is called once, with the answer's status; 0: there was none."""

    transport: asyncio.Transport

    def __init__(self, client: "Connection", request: bytes, method: str) -> None:
        self.status = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client = client
        self._request = request
        self._reader = ResponseReader(method)
        self._is_kept_alive = True

    # --- the recorder's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._client.transport.is_closing():
            self.transport.abort()
        else:
            self._client.perform(self)
            self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        try:
            events = self._reader.feed(data)
        except (HeadError, FramingError):
            self._end(Ending.CLOSES)
            return
        for event in events:
            if isinstance(event, ResponseHead):
                self._take_head(event)
            elif isinstance(event, bytes):
                self._client.transport.write(event)
        if events[-1:] == [END]:
            self._end(Ending.GOES_ON if self._is_kept_alive else Ending.CLOSES)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        is_whole = self._reader.eof() == [END] and (exc is None or self.status == 101)
        ends_with_connection = self._reader.body.ends_with_connection
        self._end(Ending.RESETS if ends_with_connection and not is_whole else Ending.CLOSES)

    def pause_writing(self) -> None:
        self._client.hold_reading(is_held=True)

    def resume_writing(self) -> None:
        self._client.hold_reading(is_held=False)

    # --- the client's side

    def pause(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def client_sent(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def stop(self) -> None:
        self.transport.abort()

    # --- inside

    def _take_head(self, head: ResponseHead) -> None:
        if head.status == 100 and self._client.has_continued:
            return
        self._client.transport.write(head.raw)
        if head.status >= 200 or head.status == 101:
            self.status = head.status
            self._is_kept_alive = head.keeps_alive
        if head.status == 101:
            early = self._client.become_tunnel(self)
            if early:
                self.client_sent(early)

    def _end(self, ending: Ending) -> None:
        if self.over.done():
            return
        self.over.set_result(None)
        with contextlib.suppress(OSError):
            self.transport.abort()
        self._client.ended(ending)
