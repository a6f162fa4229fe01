"""The live feed: what happens, to everyone who listens at `/v1/live`, as server-sent events.

A listener that reads too slowly loses events and is told how many (`lost`); it never holds up anyone else.
"""

import asyncio
from collections.abc import Callable

import msgspec

from ingest_server.tally import Event

WAITING_MAX = 1024
HEARTBEAT_S = 15.0

_encode = msgspec.json.Encoder().encode


class TooManyListenersError(Exception):
    pass


class Listener:
    def __init__(self) -> None:
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING_MAX)
        self._lost = 0

    def offer(self, event: bytes) -> None:
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self._lost += 1

    def end(self) -> None:
        while self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def next(self) -> bytes | None:
        """The bytes to send next, a comment when nothing happens; None: the feed has ended."""
        if self._lost and self._waiting.empty():
            lost, self._lost = self._lost, 0
            return _format("lost", {"events": lost})
        try:
            return await asyncio.wait_for(self._waiting.get(), HEARTBEAT_S)
        except TimeoutError:
            return b": nothing happened\n\n"


class Feed:
    def __init__(self, on_watched: Callable[[bool], None], listeners_max: int) -> None:
        """`on_watched` is told whether anyone listens."""
        self._on_watched = on_watched
        self.listeners_max = listeners_max
        self._listeners: set[Listener] = set()

    def join(self) -> Listener:
        """Raises TooManyListenersError."""
        if len(self._listeners) >= self.listeners_max:
            raise TooManyListenersError(
                f"the live feed has {self.listeners_max} listeners, as many as it takes (ingest.limits.listeners)"
            )
        listener = Listener()
        self._listeners.add(listener)
        self._on_watched(True)
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        self._on_watched(bool(self._listeners))

    def publish(self, events: list[Event]) -> None:
        for name, fields in events:
            event = _format(name, fields)
            for listener in self._listeners:
                listener.offer(event)

    def end(self) -> None:
        for listener in self._listeners:
            listener.end()


def _format(name: str, fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(fields))
