"""What is said at the end of a replay of several requests: how many were sent, what came back, how long it took.
Pure; called by replay_run.py.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from commands.figures import cost, duration
from recorder.console import size
from replay.budget import Budget
from replay.tally import Tally, percentiles

_PERCENTS = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    total: int  # to be sent
    begun: int
    took_s: float
    has_times: bool  # there was a schedule to keep
    stopped_by: str  # why not all were sent; empty: they were


def summary(tally: Tally, ending: Ending, budget: Budget | None) -> Iterator[str]:
    took = f"{duration(ending.took_s * 1000)}, {tally.ended / ending.took_s:,.1f}/s" if ending.took_s else "no time"
    yield f"sent {ending.begun:,} of {ending.total:,} in {took}; {size(tally.received_bytes)} came back"
    if ending.stopped_by:
        yield f"{ending.stopped_by}: {_were(ending.total - ending.begun)} not sent"
    if ending.begun > tally.ended:
        yield f"{_were(ending.begun - tally.ended)} given up before the answer had ended"
    if tally.statuses:
        counts = (f"{status}: {count:,}" for status, count in sorted(tally.statuses.items()))
        yield _row("answers", "  ".join(counts))
    for name, count in tally.errors.most_common():
        yield _row("no answer", f"{name}: {count:,}, the first: {tally.first_errors[name]}")
    yield from _times("took", tally.took_ms)
    yield from _times("first byte", tally.first_byte_ms)
    if ending.has_times:
        yield from _times("late", tally.late_ms)
    if budget is not None:
        yield _row("cost", f"{cost(budget.spent)} of at most {cost(budget.limit)}")


def _were(count: int) -> str:
    return f"{count:,} {'was' if count == 1 else 'were'}"


def _times(name: str, values: "array[float]") -> Iterator[str]:
    if values:
        found = zip(_PERCENTS, percentiles(values, *_PERCENTS), strict=True)
        shown = "  ".join(f"p{percent} {duration(value)}" for percent, value in found)
        yield _row(name, f"{shown}  max {duration(max(values))}")


def _row(name: str, text: str) -> str:
    return f"{name:<11} {text}"
