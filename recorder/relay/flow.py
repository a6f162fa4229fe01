"""Reading from one side, paused for as long as anybody has a reason."""

import asyncio
from typing import Final, cast


class Hold:
    """Reasons, as bits."""

    PEER: Final = 1  # the other side takes no more bytes at the moment
    QUEUE: Final = 2  # the way to the journal is full, and the settings say to wait
    EARLY: Final = 4  # bytes arrived that cannot go on yet


class Flow:
    """Belongs to one connection; safe to call when it is closed."""

    __slots__ = ("_holds", "transport")

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._holds = 0

    def hold(self, reason: int) -> None:
        if not self._holds and not self.transport.is_closing():
            self.transport.pause_reading()
        self._holds |= reason

    def release(self, reason: int) -> None:
        if self._holds & reason:
            self._holds &= ~reason
            if not self._holds and not self.transport.is_closing():
                self.transport.resume_reading()

    @property
    def is_held_by_queue(self) -> bool:
        return bool(self._holds & Hold.QUEUE)

    @property
    def is_held(self) -> bool:
        return bool(self._holds)

    @property
    def is_held_by_peer(self) -> bool:
        return bool(self._holds & Hold.PEER)
