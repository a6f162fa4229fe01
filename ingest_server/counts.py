"""One journal's counts: what became of each exchange that the recorder numbered, so that none is missing unseen.

Numbers begin at 1 and leave none out. Each is recorded (`complete` or `incomplete`), open, or dropped, which a gap
record tells of; a number that is none of these is unexplained, and that must not be. Kept in the journal's state file
as of `stored`, so that what is applied again after a crash is counted once. The journal alone calls it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from traffic.capture.status import Dropped


class Outcome(NamedTuple):
    """What to count at one position of the journal."""

    complete: int = 0
    incomplete: int = 0
    reason: str = ""  # of what was dropped
    exchanges: int = 0
    cut: int = 0
    bytes: int = 0


COMPLETE = Outcome(complete=1)


class Counts(msgspec.Struct):
    highest: int = 0  # number seen
    complete: int = 0
    incomplete: int = 0
    dropped: dict[str, Dropped] = {}
    recorder: str = ""  # its name; not told: ""

    def add(self, outcome: Outcome) -> None:
        self.complete += outcome.complete
        self.incomplete += outcome.incomplete
        if outcome.reason:
            dropped = self.dropped.setdefault(outcome.reason, Dropped())
            dropped.exchanges += outcome.exchanges
            dropped.cut += outcome.cut
            dropped.bytes += outcome.bytes

    def unexplained(self, open_numbers: Iterable[int]) -> int:
        """Open ones beyond the highest are of a part of the journal that is yet to be applied again."""
        known = sum(number <= self.highest for number in open_numbers)
        lost = sum(dropped.exchanges for dropped in self.dropped.values())
        return max(0, self.highest - self.complete - self.incomplete - known - lost)


class Counter:
    """`now` is as of everything taken; `keep` brings what is kept up to a position that is stored."""

    def __init__(self, kept: Counts) -> None:
        self._kept = kept
        self._pending: list[tuple[int, int, Outcome]] = []  # position, highest number then, what to count
        self.now = msgspec.convert(msgspec.to_builtins(kept), Counts)

    def see(self, number: int) -> None:
        self.now.highest = max(self.now.highest, number)

    def add(self, number: int, position: int, outcome: Outcome) -> None:
        """`number` is seen as well: of the exchange that ended, or the last one that a gap tells of."""
        self.see(number)
        self.now.add(outcome)
        self._pending.append((position, self.now.highest, outcome))

    def keep(self, stored: int) -> Counts:
        """The counts as of `stored`; an exchange open there is seen when it ends or a later one begins."""
        kept, pending = self._kept, self._pending
        count = 0
        for position, highest, outcome in pending:
            if position > stored:
                break
            kept.highest = highest
            kept.add(outcome)
            count += 1
        del pending[:count]
        return kept
