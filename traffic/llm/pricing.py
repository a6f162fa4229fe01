"""What a call costs: what the provider reported itself, else the configuration's prices, else those of genai-prices.

    {"gpt-4o": {"input": 2.5, "output": 10, "cached_input": 1.25, "cache_write": 2.5}}     USD per million tokens

Prices are looked for by the model as served, then as asked, and hold at the time of the call. A model without a price
costs None, never 0, and so does a call whose tokens nobody reported. Called by decode.py.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from traffic.llm.built_in_prices import built_in_rates
from traffic.llm.call import Cost, Usage
from traffic.llm.providers import NAME_CHARACTERS_MAX
from traffic.llm.rates import Rate, Rates

PRICE_NAMES: Final = ("input", "output", "cached_input", "cache_write")

ModelPrices = Mapping[str, Mapping[str, float]]  # by model, then by PRICE_NAMES


class Consumed(NamedTuple):
    """What there is to pay for."""

    usage: Usage
    provider: str | None
    models: tuple[str | None, ...]  # as served, as asked
    started_at: str  # ISO 8601


class Prices:
    def __init__(self, configured: ModelPrices) -> None:
        self._configured = {model: _rates(prices) for model, prices in configured.items()}

    def cost(self, consumed: Consumed) -> Cost | None:
        usage = consumed.usage
        if usage.input_tokens is None and usage.output_tokens is None:
            return None
        models = dict.fromkeys(model for model in consumed.models if model and len(model) <= NAME_CHARACTERS_MAX)
        for model in models:
            rates = self._configured.get(model)
            if rates is not None:
                return Cost(rates.cost_usd(usage), f"prices: {model}")
        if consumed.provider is None:
            return None
        at = datetime.fromisoformat(consumed.started_at)
        for model in models:
            found = built_in_rates(consumed.provider, model, at)
            if found is not None:
                return Cost(found.rates.cost_usd(usage), f"genai-prices: {found.name}")
        return None


def _rates(prices: Mapping[str, float]) -> Rates:
    """What has no price of its own costs as input does."""
    given, said = Rate(prices.get("input", 0.0)), Rate(prices.get("output", 0.0))
    cached = Rate(prices.get("cached_input", given.usd))
    written = Rate(prices.get("cache_write", given.usd))
    return Rates(given, said, cached, written, written, reasoning=said)
