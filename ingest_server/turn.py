"""The writer's turns on a processor that it shares with the recorder.

A batch takes the writer milliseconds. Where both share one processor, the system's scheduler lets the writer finish its
slice (about 3 ms on Linux) before the recorder forwards the next token, unless the writer offers the processor itself:
with 1000 streams on one core that is the difference between 4 and 1 ms for the slowest hundredth of the events. Where
nobody waits, an offer costs less than a microsecond. Called by the store and its journals.
"""

import os
import time
from collections.abc import Callable

TURN_S = 0.0001
BEHIND_BYTES = 512 * 1024  # a piece of that size comes where the journal grows: then the writer keeps its slices
_SCHED_YIELD: Callable[[], None] | None = getattr(os, "sched_yield", None)  # Windows has none


class Turn:
    __slots__ = ("_clock", "_ends_s", "_give_way", "_is_behind")

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        give_way: Callable[[], None] | None = _SCHED_YIELD,
    ) -> None:
        self._clock = clock
        self._give_way = give_way
        self._is_behind = give_way is None
        self._ends_s = 0.0

    def begin(self, piece_bytes: int) -> None:
        """A piece of a journal comes."""
        self._is_behind = self._give_way is None or piece_bytes >= BEHIND_BYTES

    def offer(self) -> None:
        """Let others run if this turn has been long enough; to be called between small pieces of work."""
        if self._is_behind:
            return
        now_s = self._clock()
        if now_s >= self._ends_s:
            assert self._give_way is not None
            self._give_way()
            self._ends_s = now_s + TURN_S
