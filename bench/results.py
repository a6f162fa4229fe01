"""The figures of all measurements of a run. Filled by the rounds, read by the targets and the report."""

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median

from bench.plan import Figures


@dataclass(slots=True)
class Results:
    """All figures by case and peer, in the order of the rounds, and what failed."""

    samples: dict[tuple[str, str], list[Figures]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)

    def values(self, case: str, peer: str, figure: str) -> list[float]:
        return [sample[figure] for sample in self.samples.get((case, peer), ()) if figure in sample]

    def median(self, case: str, peer: str, figure: str) -> float | None:
        values = self.values(case, peer, figure)
        return median(values) if values else None

    def total(self, case: str, peer: str, figure: str) -> int:
        return int(sum(self.values(case, peer, figure)))

    def anything_lost(self) -> bool:
        return any(
            sample.get("lost") or sample.get("damaged") for samples in self.samples.values() for sample in samples
        )
