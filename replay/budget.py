"""Keeps the costs of a replay below a limit, by what the recordings cost and by what the answers turn out to cost.

What is under way counts as expected. Where answers cost more than their recordings did, what is still to come is
expected to cost more by the same factor. Pure; called by running.py.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Budget:
    """US dollars. What is `expected` of a sending is what its recording cost."""

    limit: float
    spent: float = 0.0
    _under_way: float = 0.0  # expected
    _known: float = 0.0  # what answers cost that told it
    _expected_of_known: float = 0.0

    def allows(self, expected: float) -> bool:
        return self.spent + self._factor * (self._under_way + expected) <= self.limit

    def begin(self, expected: float) -> None:
        self._under_way += expected

    def end(self, expected: float, cost: float | None) -> None:
        """`cost` None: the answer does not tell."""
        self._under_way = max(0.0, self._under_way - expected)
        self.spent += self._factor * expected if cost is None else cost
        if cost is not None:
            self._known += cost
            self._expected_of_known += expected

    @property
    def _factor(self) -> float:
        return max(1.0, self._known / self._expected_of_known) if self._expected_of_known else 1.0
