"""Figures of many exchanges in a few hundred bytes, that add up: sums, and histograms for percentiles.

All of them are integers, so that what was added can be taken away again to the last digit, in any order. The writer
keeps them per hour in the table `hours`; the queries add these up, and count rows one by one with the same code.
"""

import math
from typing import Final, NamedTuple

import msgspec

from ingest_server.index.row import Row

# Neighbours differ by 6 %, so that a bucket's geometric middle is within 3 % of whatever is in it.
_RATIO: Final = 1.06
_LOG_RATIO: Final = math.log(_RATIO)
_MS_MIN: Final = 1e-3
_MS_MAX: Final = 1e10

# No exchange counts for more than that: the sums stay within 64 bits, whatever upstreams claim.
_TOKENS_MAX: Final = 10**11
_NANO_USD_MAX: Final = 10**12

Histogram = dict[int, int]  # how many were in each bucket


class Measured(NamedTuple):
    """What is counted of one exchange: columns of a row."""

    failed: bool
    dialect: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    duration_ms: float | None
    ttft_ms: float | None


MEASURED_COLUMNS = ", ".join(Measured._fields)


def measured(row: Row) -> Measured:
    return Measured(
        row.failed,
        row.dialect,
        row.input_tokens,
        row.output_tokens,
        row.cached_input_tokens,
        row.cache_write_tokens,
        row.reasoning_tokens,
        row.cost_usd,
        row.duration_ms,
        row.ttft_ms,
    )


class Figures(msgspec.Struct, array_like=True):
    """Append new fields at the end, with defaults."""

    count: int = 0
    errors: int = 0
    calls: int = 0  # to an LLM
    priced: int = 0  # calls whose cost is known
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int = 0
    latency: Histogram = {}
    ttft: Histogram = {}

    @property
    def cost_usd(self) -> float | None:
        """None: of no call."""
        return self.cost_nano_usd / 1e9 if self.priced else None

    def add(self, one: Measured, times: int = 1) -> None:
        """`times` of -1 takes it away."""
        self.count += times
        if one.failed:
            self.errors += times
        if one.duration_ms is not None:
            _count(self.latency, bucket(one.duration_ms), times)
        if one.dialect is None:
            return
        self.calls += times
        self.input_tokens += times * tokens(one.input_tokens)
        self.output_tokens += times * tokens(one.output_tokens)
        self.cached_input_tokens += times * tokens(one.cached_input_tokens)
        self.cache_write_tokens += times * tokens(one.cache_write_tokens)
        self.reasoning_tokens += times * tokens(one.reasoning_tokens)
        if one.cost_usd is not None:
            self.priced += times
            self.cost_nano_usd += times * nano_usd(one.cost_usd)
        if one.ttft_ms is not None:
            _count(self.ttft, bucket(one.ttft_ms), times)

    def merge(self, other: "Figures") -> None:
        self.count += other.count
        self.errors += other.errors
        self.calls += other.calls
        self.priced += other.priced
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cached_input_tokens += other.cached_input_tokens
        self.cache_write_tokens += other.cache_write_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.cost_nano_usd += other.cost_nano_usd
        for place, times in other.latency.items():
            _count(self.latency, place, times)
        for place, times in other.ttft.items():
            _count(self.ttft, place, times)


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Figures).decode


def tokens(count: int | None) -> int:
    return min(count or 0, _TOKENS_MAX)


def nano_usd(usd: float | None) -> int:
    return round(min(max(usd or 0.0, 0.0) * 1e9, _NANO_USD_MAX))


def bucket(duration_ms: float) -> int:
    return math.floor(math.log(min(max(duration_ms, _MS_MIN), _MS_MAX)) / _LOG_RATIO)


def percentile(histogram: Histogram, share: float) -> float | None:
    """What `share` (0.95) of the values are at most, in ms; None: there are none."""
    wanted = max(1, math.ceil(share * sum(histogram.values())))
    for place in sorted(histogram):
        wanted -= histogram[place]
        if wanted <= 0:
            return float(f"{_RATIO ** (place + 0.5):.6g}")
    return None


def _count(histogram: Histogram, place: int, times: int) -> None:
    total = histogram.get(place, 0) + times
    if total:
        histogram[place] = total
    else:
        del histogram[place]
