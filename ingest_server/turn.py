"""The writer's turns on a processor that it shares with the recorder.

Where both share one processor, the system's scheduler lets the writer finish its slice (about 3 ms on Linux), low
priority or not (background.py), before the recorder forwards the next token, unless the writer offers the processor
itself: with 1000 streams on one core that is the difference between 5 and 2 ms for the slowest hundredth of the events.
Where nobody waits, an offer costs less than a microsecond; where others want the whole processor, each costs
milliseconds, so that a batch that takes long goes on without. Called by the writer and the store's journals.
"""

import os
import time
from collections.abc import Callable

TURN_S = 0.0001
OFFERS_S = 0.1  # from a batch's begin on
_SCHED_YIELD: Callable[[], None] | None = getattr(os, "sched_yield", None)  # Windows has none


class Turn:
    __slots__ = ("_clock", "_ends_s", "_give_way", "_last_s")

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        give_way: Callable[[], None] | None = _SCHED_YIELD,
    ) -> None:
        self._clock = clock
        self._give_way = give_way
        self._ends_s = 0.0
        self._last_s = 0.0  # no offers from then on

    def begin(self, *, offers: bool) -> None:
        """A batch begins."""
        now_s = self._clock()
        self._ends_s = now_s + TURN_S
        self._last_s = now_s + OFFERS_S if offers else now_s

    def offer(self) -> None:
        """Let others run if this turn has been long enough; to be called between small pieces of work."""
        now_s = self._clock()
        if self._ends_s <= now_s < self._last_s and self._give_way is not None:
            self._give_way()
            self._ends_s = now_s + TURN_S
