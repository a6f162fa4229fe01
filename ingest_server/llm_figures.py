"""What calls to LLMs add up to since the server's start: the `llm_proxy_*` metrics.

The indexer counts, here it is summed up. Labels are bounded: of providers and models the first NAMES_MAX count under
their own names, the rest as "other". What a provider's health and latency are made of is forgotten after WINDOW_S.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from ingest_server.index.call_sums import DURATION_BOUNDS, OTHER, CallSums, Histogram

if TYPE_CHECKING:
    from prometheus_client.core import HistogramMetricFamily, Metric

NAMES_MAX = 100
WINDOW_S, SLOT_S = 300.0, 10.0

_BY = ["provider", "model"]


class _Slot:
    """What ended within SLOT_S at one provider."""

    __slots__ = ("calls", "duration_s", "failed")

    def __init__(self) -> None:
        self.calls = self.failed = 0
        self.duration_s = 0.0

    def add(self, calls: int, failed: int, duration_s: float) -> None:
        self.calls += calls
        self.failed += failed
        self.duration_s += duration_s


class _Names:
    """The names that have a place of their own."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def bounded(self, name: str) -> str:
        if name not in self._known:
            if len(self._known) >= NAMES_MAX:
                return OTHER
            self._known.add(name)
        return name


class LlmFigures:
    def __init__(self) -> None:
        self._totals: dict[tuple[str, str], CallSums] = {}
        self._providers, self._models = _Names(), _Names()
        self._recent: dict[tuple[int, str], _Slot] = {}  # by time, in units of SLOT_S, and provider; the oldest first

    def add(self, sums: list[CallSums], now_s: float) -> None:
        for each in sums:
            provider, model = self._providers.bounded(each.provider), self._models.bounded(each.model)
            total = self._totals.get((provider, model))
            if total is None:
                total = self._totals[provider, model] = CallSums(provider, model)
            total.merge(each)
            slot = self._recent.setdefault((int(now_s // SLOT_S), provider), _Slot())
            slot.add(sum(each.requests.values()), each.failed, each.durations.sum_s)
        self._forget(now_s)

    def collect(self, open_exchanges: int, now_s: float) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

        requests = CounterMetricFamily("llm_proxy_requests", "Calls that ended", labels=[*_BY, "status"])
        tokens = CounterMetricFamily("llm_proxy_tokens", "Tokens that providers reported", labels=[*_BY, "type"])
        cost = CounterMetricFamily("llm_proxy_cost_usd", "Cost of calls of which it is known", labels=_BY)
        durations = _histogram("llm_proxy_request_duration_seconds", "Duration of calls")
        first_tokens = _histogram("llm_proxy_time_to_first_token_seconds", "Until a stream's first content")
        for name, total in self._totals.items():
            for status, count in total.requests.items():
                requests.add_metric([*name, status], count)
            tokens.add_metric([*name, "prompt"], total.prompt_tokens)
            tokens.add_metric([*name, "completion"], total.completion_tokens)
            tokens.add_metric([*name, "total"], total.prompt_tokens + total.completion_tokens)
            cost.add_metric(name, total.cost_usd)
            durations.add_metric(name, _buckets(total.durations), total.durations.sum_s)
            first_tokens.add_metric(name, _buckets(total.first_tokens), total.first_tokens.sum_s)
        yield from (requests, durations, first_tokens, tokens, cost)
        yield GaugeMetricFamily("llm_proxy_active_requests", "Exchanges running", value=open_exchanges)
        yield from self._collect_providers(now_s)

    def _collect_providers(self, now_s: float) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        self._forget(now_s)
        sums: dict[str, _Slot] = {}
        for (_, provider), slot in self._recent.items():
            sums.setdefault(provider, _Slot()).add(slot.calls, slot.failed, slot.duration_s)
        health = GaugeMetricFamily(
            "llm_proxy_provider_health",
            "Share of calls not failed by the provider, 0 to 1, of 5 minutes",
            labels=_BY[:1],
        )
        latency = GaugeMetricFamily(
            "llm_proxy_provider_latency_seconds", "Mean duration of calls, of 5 minutes", labels=_BY[:1]
        )
        for provider, total in sums.items():
            health.add_metric([provider], 1 - total.failed / total.calls)
            latency.add_metric([provider], total.duration_s / total.calls)
        yield from (health, latency)

    def _forget(self, now_s: float) -> None:
        for key in [key for key in self._recent if (key[0] + 1) * SLOT_S < now_s - WINDOW_S]:
            del self._recent[key]


def _histogram(name: str, text: str) -> "HistogramMetricFamily":
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415

    return HistogramMetricFamily(name, text, labels=_BY)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*map(str, DURATION_BOUNDS), "+Inf"]
    return list(zip(bounds, accumulate(map(float, histogram.counts)), strict=True))
