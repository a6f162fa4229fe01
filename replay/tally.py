"""What came of many replayed requests, in numbers: how many, which statuses and errors, how long, how late, how dear.

Takes 24 bytes an exchange, whatever it held. Pure; called by the commands that replay many.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from replay.answer import Reply


@dataclass(slots=True)
class Tally:
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)  # by their names
    first_errors: dict[str, str] = field(default_factory=dict)  # the details of the first of each name
    received_bytes: int = 0
    took_ms: "array[float]" = field(default_factory=lambda: array("d"))  # whole answers'
    first_byte_ms: "array[float]" = field(default_factory=lambda: array("d"))
    late_ms: "array[float]" = field(default_factory=lambda: array("d"))
    cost_usd: float = 0.0
    cost_unknown: int = 0

    def add(self, reply: Reply, late_ms: float) -> None:
        self.late_ms.append(late_ms)
        self.received_bytes += reply.size_bytes
        durations = reply.durations_ms
        if reply.error is not None:
            self.errors[reply.error.name] += 1
            self.first_errors.setdefault(reply.error.name, reply.error.detail)
        elif reply.status is not None:
            self.statuses[reply.status] += 1
            assert durations.total is not None
            self.took_ms.append(durations.total)
        if durations.first_byte is not None:
            self.first_byte_ms.append(durations.first_byte)

    @property
    def ended(self) -> int:
        return self.statuses.total() + self.errors.total()


def percentiles(values: Sequence[float], *percents: float) -> list[float]:
    """By nearest rank: the smallest value that so many percent of all do not exceed. `values` is not empty."""
    ordered = sorted(values)
    return [ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] for percent in percents]
