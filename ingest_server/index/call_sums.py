"""What calls add up to for `/metrics`: the indexer counts, the ingest server sums up.

The indexer sends what has been added since the last time, per provider and model, so that the server's share does not
grow with the traffic.
"""

from bisect import bisect_left
from typing import Final

import msgspec

from ingest_server.index.outcome import outcome
from ingest_server.index.summary import ExchangeSummary

# Upper bounds in seconds; what is beyond the last one counts in a place of its own.
DURATION_BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
NAME_CHARACTERS_MAX: Final = 100
OTHER: Final = "other"
UNKNOWN: Final = "unknown"
_OF_THE_PROVIDER: Final = frozenset(  # names of errors, see docs/format.md
    ("upstream_refused", "upstream_unreachable", "upstream_reset", "upstream_timeout", "dns_failure", "tls_failure",
     "bad_response")
)  # fmt: skip


class Histogram(msgspec.Struct):
    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(DURATION_BOUNDS) + 1))
    sum_s: float = 0.0

    def add(self, duration_s: float) -> None:
        self.counts[bisect_left(DURATION_BOUNDS, duration_s)] += 1
        self.sum_s += duration_s

    def merge(self, other: "Histogram") -> None:
        self.counts = [mine + more for mine, more in zip(self.counts, other.counts, strict=True)]
        self.sum_s += other.sum_s


class CallSums(msgspec.Struct):
    """Of one provider and model."""

    provider: str
    model: str
    requests: dict[str, int] = {}  # by HTTP status, see outcome.py
    failed: int = 0  # of those, by the provider's fault: 5xx, or no whole answer
    durations: Histogram = msgspec.field(default_factory=Histogram)
    first_tokens: Histogram = msgspec.field(default_factory=Histogram)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0

    def add(self, exchange: ExchangeSummary, status: int) -> None:
        call = exchange.call
        assert call is not None
        self.requests[str(status)] = self.requests.get(str(status), 0) + 1
        self.failed += status >= 500 if exchange.error is None else exchange.error in _OF_THE_PROVIDER
        if exchange.duration_ms is not None:
            self.durations.add(exchange.duration_ms / 1000)
        if call.ttft_ms is not None:
            self.first_tokens.add(call.ttft_ms / 1000)
        self.prompt_tokens += call.usage.input_tokens or 0
        self.completion_tokens += call.usage.output_tokens or 0
        self.cost_usd += call.cost_usd or 0.0

    def merge(self, other: "CallSums") -> None:
        for status, count in other.requests.items():
            self.requests[status] = self.requests.get(status, 0) + count
        self.failed += other.failed
        self.durations.merge(other.durations)
        self.first_tokens.merge(other.first_tokens)
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.cost_usd += other.cost_usd


class CallCounter:
    """Adds calls up until they are taken."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str], CallSums] = {}

    def add(self, exchange: ExchangeSummary) -> None:
        call = exchange.call
        if call is None:
            return
        name = _short(call.provider), _short(call.model or call.response_model)
        sums = self._by_name.get(name)
        if sums is None:
            sums = self._by_name[name] = CallSums(*name)
        sums.add(exchange, outcome(exchange.status, exchange.error, call.error))

    def take(self) -> list[CallSums]:
        taken, self._by_name = list(self._by_name.values()), {}
        return taken


def _short(name: str | None) -> str:
    return name[:NAME_CHARACTERS_MAX] if name else UNKNOWN
