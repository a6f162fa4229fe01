"""How fast an answer came, from the times at which its pieces did. Called by decode.py.

A piece is what one event added: a token or a few. Pieces that came with one read of the network came at the same time,
so that gaps of 0 are common where an upstream, or what lies between, sends several at once.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from traffic.llm.call import Chunk, Timing


def timing_of(chunks: Sequence[Chunk], output_tokens: int | None) -> Timing:
    times = [chunk.at_ms for chunk in chunks if chunk.at_ms is not None]
    if not times:
        return Timing()
    taken_ms = times[-1] - times[0]
    tokens_per_s = round(output_tokens / taken_ms * 1_000, 3) if output_tokens is not None and taken_ms > 0 else None
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    if not gaps:
        return Timing(times[0], tokens_per_s)
    return Timing(times[0], tokens_per_s, _rank(gaps, 0.5), _rank(gaps, 0.99), round(gaps[-1], 3))


def _rank(rising: Sequence[float], share: float) -> float:
    """The least value that so large a share of them does not exceed."""
    return round(rising[math.ceil(share * len(rising)) - 1], 3)
