"""When each request of a replay is due: pure arithmetic. Called by running.py.

    asap        all at once; how many are under way at a time decides
    rate        R a second, evenly
    recorded    as far apart as the recordings began, divided by the speed

Each pass of `repeat` begins as long after the last start of the pass before as its starts are apart on average.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    rate_per_s: float | None = None
    speed: float | None = None  # of the recorded schedule; None beside no rate: as soon as possible
    repeat: int = 1

    @property
    def has_times(self) -> bool:
        """Whether requests are due at moments of their own, however late earlier answers come."""
        return self.rate_per_s is not None or self.speed is not None

    def due_s(self, starts_ns: Sequence[int]) -> Iterator[tuple[int, float]]:
        """For each sending, in order, which of `starts_ns` it is of, and when it is due: seconds since the begin.
        `starts_ns` of a recorded schedule rise.
        """
        count = len(starts_ns)
        for place in range(count * self.repeat):
            turn, number = divmod(place, count)
            if self.rate_per_s is not None:
                yield number, place / self.rate_per_s
            elif self.speed is not None:
                yield number, (starts_ns[number] - starts_ns[0] + turn * _period_ns(starts_ns)) / 1e9 / self.speed
            else:
                yield number, 0.0


def _period_ns(starts_ns: Sequence[int]) -> float:
    gaps = len(starts_ns) - 1
    span = starts_ns[-1] - starts_ns[0]
    return span + span / gaps if gaps else 0.0
