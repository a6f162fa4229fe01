"""One score on its way to a client: each piece when it is due, as long as the client takes them.

A recording's times count from the first byte of its request. Here they do so too, unless the request took longer to
come as a whole: then all is that much later. Pieces that are due at the same time, as all are where nothing is waited
for, leave in turns of the event loop, so that each is a write of its own.
"""

import asyncio
from collections.abc import Callable

from replay.play.score import Ending, Score


class Performance:
    __slots__ = (
        "_begin_s",
        "_is_due",
        "_is_paused",
        "_loop",
        "_next",
        "_on_end",
        "_score",
        "_speed",
        "_timer",
        "_transport",
    )

    def __init__(
        self, transport: asyncio.WriteTransport, score: Score, speed: float, on_end: Callable[[Ending], None]
    ) -> None:
        self._transport = transport
        self._score = score
        self._speed = speed
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._begin_s = 0.0
        self._next = 0  # piece
        self._timer: asyncio.Handle | None = None
        self._is_paused = False
        self._is_due = False  # the next step was, while the client took nothing

    def begin(self, began_s: float, asked_s: float) -> None:
        """When the request's first and last bytes came, by the event loop's clock."""
        self._begin_s = max(began_s, asked_s - self._score.asked_s / self._speed)
        self._schedule()

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        if self._is_due:
            self._is_due = False
            self._step()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        score = self._score
        if self._next < len(score.pieces):
            at_s = score.pieces[self._next].at_s
        elif score.ending is Ending.GOES_ON:
            at_s = 0.0
        else:
            at_s = score.end_s
        due_s = self._begin_s + at_s / self._speed
        if due_s > self._loop.time():
            self._timer = self._loop.call_at(due_s, self._step)
        elif 0 < self._next < len(score.pieces):
            self._timer = self._loop.call_soon(self._step)
        else:
            self._step()

    def _step(self) -> None:
        self._timer = None
        if self._is_paused:
            self._is_due = True
        elif self._next < len(self._score.pieces):
            self._transport.write(self._score.pieces[self._next].data)
            self._next += 1
            self._schedule()
        else:
            self._on_end(self._score.ending)
