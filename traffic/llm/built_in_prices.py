"""The prices that come with genai-prices, which is loaded at the first call that needs one: it takes 0.3 s and 90 MB.

What was found for a provider's model is kept, so that a call costs a microsecond or two. Called by pricing.py.
"""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from traffic.llm.rates import Rate, Rates

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices


class BuiltIn(NamedTuple):
    name: str  # PROVIDER/MODEL, as genai-prices names them
    rates: Rates


class _Listed:
    """A model of a provider, with its rates, which depend on the time."""

    def __init__(self, provider: str, model: "ModelInfo") -> None:
        self._name = f"{provider}/{model.id}"
        self._model = model
        self._rates: dict[int, BuiltIn | None] = {}  # by the identity of genai-prices' own, which stay

    def at(self, time: datetime) -> BuiltIn | None:
        prices = self._model.get_prices(time)
        if id(prices) not in self._rates:
            rates = _rates(prices)
            self._rates[id(prices)] = None if rates is None else BuiltIn(self._name, rates)
        return self._rates[id(prices)]


def built_in_rates(provider: str, model: str, at: datetime) -> BuiltIn | None:
    """What the provider's model costs at that time; None: not known."""
    listed = _find(provider, model)
    return None if listed is None else listed.at(at)


@lru_cache(4096)
def _find(provider: str, model: str) -> _Listed | None:
    """Under the model's whole name, else without what stands before a slash: openai/gpt-4o, gpt-4o."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 see above

    snapshot = get_snapshot()
    while model:
        try:
            found, info = snapshot.find_provider_model(model, None, provider, None)
        except LookupError:
            model = model.partition("/")[2]
        else:
            return _Listed(found.id, info)
    return None


def _rates(prices: "ModelPrice") -> Rates | None:
    """None: it is not sold by the token."""
    if prices.input_mtok is None and prices.output_mtok is None:
        return None
    given = _rate(prices.input_mtok, Rate(0.0))
    said = _rate(prices.output_mtok, Rate(0.0))
    written = _rate(prices.cache_write_mtok, given)
    return Rates(
        given,
        said,
        _rate(prices.cache_read_mtok, given),
        written,
        _rate(prices.cache_write_1h_mtok, written),
        _rate(prices.output_reasoning_mtok, said),
        _rate(prices.requests_kcount, Rate(0.0)).usd / 1_000,
    )


def _rate(price: "Decimal | TieredPrices | None", otherwise: Rate) -> Rate:
    if price is None:
        return otherwise
    if isinstance(price, Decimal):
        return Rate(float(price))
    return Rate(float(price.base), tuple((tier.start, float(tier.price)) for tier in price.tiers))
