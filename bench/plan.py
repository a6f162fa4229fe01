"""How long and how often things are measured, and what a measurement hands back. Read by all of bench."""

from dataclasses import dataclass

Figures = dict[str, float]
"""Figures of one measurement by name, units last. What a peer has no figure for is left out.

`lost` counts exchanges without a complete record though the client saw their answer, or without any record though
the upstream answered them; `damaged` counts files that differ from what was sent.
"""

CONNECTIONS = 64
KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int = 3
    json_s: float = 8.0
    sse_s: float = 8.0
    body_bytes: int = GIB
    linear_bytes: int = 64 * MIB  # of each kind
    indexed: int = 20_000  # exchanges whose files are brought into an index
    stored: int = 1_000_000  # exchanges in the index that is asked
    replay_s: float = 20.0
    play_s: float = 8.0
    starts: int = 5


QUICK = Plan(
    rounds=1,
    json_s=2.0,
    sse_s=3.0,
    body_bytes=128 * MIB,
    linear_bytes=16 * MIB,
    indexed=4_000,
    stored=50_000,
    replay_s=3.0,
    play_s=2.0,
    starts=3,
)
