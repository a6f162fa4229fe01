"""The section "Replay" of RESULTS.md: how late requests are that shall be sent as recorded. Called by the report."""

from bench.case_replay import RATE_PER_S
from bench.results import Results

METHOD = f"""\
- Replay: recordings that began at random distances, {RATE_PER_S} a second on average, are sent to a bare upstream by
  `recorder replay --schedule recorded`, in a process of its own. How late each arrives counts against the one that was
  the most punctual, by the upstream's clock; connections that are opened count as well.
"""


def late_p95_ms(results: Results) -> float | None:
    return results.median("replay", "recorder", "late_p95_ms")


def section(results: Results) -> list[str]:
    names = ("late_p50_ms", "late_p95_ms", "late_p99_ms", "late_max_ms")
    values = [results.median("replay", "recorder", name) for name in names]
    shown = [f"{value:.2f}" for value in values if value is not None]
    if not shown:
        return []
    sent = results.median("replay", "recorder", "sent") or 0.0
    per_s = results.median("replay", "recorder", "per_s") or 0.0
    return [
        f"## Replay by the recorded schedule: {sent:,.0f} requests, {per_s:,.0f} a second",
        "| late by ms: p50 | p95 | p99 | max |",
        "|---|---|---|---|",
        f"| {' | '.join(shown)} |",
    ]
