"""What tokens of one model cost at one time. Called by pricing.py and built_in_prices.py.

A price may depend on the size of the whole input: beyond a threshold another one holds, for all tokens.
"""

from typing import NamedTuple

from traffic.llm.call import Usage


class Rate(NamedTuple):
    """USD per million tokens."""

    usd: float
    tiers: tuple[tuple[int, float], ...] = ()  # (more input tokens than these, USD): rising

    def at(self, input_tokens: int) -> float:
        usd = self.usd
        for threshold, price in self.tiers:
            if input_tokens > threshold:
                usd = price
        return usd


class Rates(NamedTuple):
    input: Rate
    output: Rate
    cached_input: Rate
    cache_write: Rate
    cache_write_1h: Rate
    reasoning: Rate
    call_usd: float = 0.0  # whatever its tokens

    def cost_usd(self, usage: Usage) -> float:
        """A part that is larger than its whole, in a report that is wrong, is the whole."""
        input_tokens, output_tokens = usage.input_tokens or 0, usage.output_tokens or 0
        cached = min(usage.cached_input_tokens or 0, input_tokens)
        written = min(usage.cache_write_tokens or 0, input_tokens - cached)
        for_an_hour = min(usage.cache_write_1h_tokens or 0, written)
        reasoning = min(usage.reasoning_tokens or 0, output_tokens)
        tokens = (
            input_tokens - cached - written,
            output_tokens - reasoning,
            cached,
            written - for_an_hour,
            for_an_hour,
            reasoning,
        )
        usd = sum(count * rate.at(input_tokens) for count, rate in zip(tokens, self[:6], strict=True) if count)
        return round(usd / 1_000_000 + self.call_usd, 12)
