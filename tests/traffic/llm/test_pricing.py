"""What a call costs: by whose word, at which prices, and nothing where nobody knows."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from genai_prices import calc_price
from genai_prices import types as genai
from genai_prices.data_snapshot import get_snapshot

from traffic.llm.built_in_prices import built_in_rates
from traffic.llm.call import Cost, Usage
from traffic.llm.pricing import Consumed, Prices

AT = "2026-09-13T02:11:09.123456Z"
TIME = datetime(2026, 9, 13, 2, 11, 9, 123456, tzinfo=UTC)
USAGE = Usage(input_tokens=1000, output_tokens=100, cached_input_tokens=200, cache_write_tokens=50)
CONFIGURED = Prices({"mine": {"input": 1, "output": 2, "cached_input": 0.5, "cache_write": 4}, "half": {"input": 3}})


def cost(provider: str | None, *models: str | None, usage: Usage = USAGE, at: str = AT) -> Cost | None:
    found = CONFIGURED.cost(Consumed(usage, provider, models, at))
    return found and Cost(round(found.usd, 12), found.source)


def built_in(provider: str, model: str, usage: Usage, at: datetime = TIME) -> float:
    usage_there = genai.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
    )
    name = model.removeprefix(f"{provider}/")
    return float(calc_price(usage_there, name, provider_id=provider, genai_request_timestamp=at).total_price)


@pytest.mark.parametrize(
    ("models", "usage", "usd", "source"),
    [
        (("mine",), USAGE, (750 + 200 * 0.5 + 50 * 4 + 100 * 2) / 1e6, "prices: mine"),
        (("other", "mine"), Usage(input_tokens=10), 10 / 1e6, "prices: mine"),
        (("half", "mine"), USAGE, 3000 / 1e6, "prices: half"),
        (("mine", "gpt-4o"), Usage(output_tokens=10), 20 / 1e6, "prices: mine"),
        (("mine",), Usage(input_tokens=10, cache_write_tokens=9, cache_write_1h_tokens=99), 37 / 1e6, "prices: mine"),
        (("mine",), Usage(input_tokens=10, cached_input_tokens=99, cache_write_tokens=9), 5 / 1e6, "prices: mine"),
    ],
)
def test_the_configurations_prices_go_first_by_the_served_model_then_the_asked(
    models: tuple[str, ...], usage: Usage, usd: float, source: str
) -> None:
    assert cost("openai", *models, usage=usage) == Cost(round(usd, 12), source)


@pytest.mark.parametrize(
    ("provider", "models", "name"),
    [
        ("openai", ("gpt-4o-2024-08-06", "gpt-4o"), "openai/gpt-4o"),
        ("openai", ("my-file.gguf", "gpt-4o"), "openai/gpt-4o"),
        ("openai", (None, "openai/gpt-4o"), "openai/gpt-4o"),
        ("openrouter", ("openai/gpt-4o",), "openrouter/openai/gpt-4o"),
        ("azure", ("gpt-4o-2024-08-06", "my-deployment"), "azure/gpt-4o"),
        ("anthropic", ("claude-3-5-haiku-20241022",), "anthropic/claude-3-5-haiku-latest"),
        ("google", ("gemini-2.5-flash",), "google/gemini-2.5-flash"),
    ],
)
def test_else_the_prices_of_genai_prices_hold(provider: str, models: tuple[str | None, ...], name: str) -> None:
    assert cost(provider, *models) == Cost(round(built_in(provider, name, USAGE), 12), f"genai-prices: {name}")


@pytest.mark.parametrize(
    ("provider", "models", "usage"),
    [
        ("openai", ("no-such-model",), USAGE),
        ("no-such-provider", ("gpt-4o",), USAGE),
        (None, ("gpt-4o",), USAGE),
        ("openai", (None, ""), USAGE),
        ("openai", ("whisper-1",), USAGE),  # sold by the hour
        ("openai", ("gpt-4o",), Usage()),
        ("openai", ("gpt-4o",), Usage(reasoning_tokens=3)),
        ("openai", ("gpt-4o" * 100_000,), USAGE),
    ],
)
def test_what_nobody_knows_costs_none_and_not_nothing(
    provider: str | None, models: tuple[str | None, ...], usage: Usage
) -> None:
    assert cost(provider, *models, usage=usage) is None


def test_embeddings_have_input_only() -> None:
    usage = Usage(input_tokens=1_000_000)
    assert cost("openai", "text-embedding-3-small", usage=usage) == Cost(
        0.02, "genai-prices: openai/text-embedding-3-small"
    )


def test_the_price_is_that_of_the_exchanges_date() -> None:
    usage = Usage(input_tokens=1_000_000)
    earlier, later = (
        cost("openai", "o3", usage=usage, at=f"{day}T00:00:00.000000Z") for day in ("2025-06-01", AT[:10])
    )
    assert (earlier, later) == (Cost(10.0, "genai-prices: openai/o3"), Cost(2.0, "genai-prices: openai/o3"))


USAGES = [
    Usage(input_tokens=1_000, output_tokens=100),
    Usage(input_tokens=1_000, output_tokens=100, cached_input_tokens=200, cache_write_tokens=50),
    Usage(input_tokens=1_000, output_tokens=100, cache_write_tokens=50, cache_write_1h_tokens=30),
    Usage(input_tokens=150_000, output_tokens=100, cached_input_tokens=150_000),
    Usage(input_tokens=900_001, output_tokens=1_000_000, cached_input_tokens=1, reasoning_tokens=77),
]


@pytest.mark.parametrize("usage", USAGES)
def test_every_model_of_genai_prices_costs_what_genai_prices_says(usage: Usage) -> None:
    """Its own calculation takes fifty times as long."""
    compared = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            found = built_in_rates(provider.id, model.id, TIME)
            if found is not None:
                assert found.rates.cost_usd(usage) == pytest.approx(built_in(provider.id, found.name, usage)), found
                compared += 1
    assert compared > 1_500


def test_the_prices_are_loaded_at_the_first_cost_and_not_before() -> None:
    script = (
        "import sys\n"
        "import traffic.llm.decode\n"
        "from traffic.llm.call import Usage\n"
        "from traffic.llm.pricing import Consumed, Prices\n"
        "cost = Prices({'mine': {'input': 1}}).cost\n"
        f"cost(Consumed(Usage(input_tokens=1), 'openai', ('mine',), {AT!r}))\n"
        f"cost(Consumed(Usage(), 'openai', ('gpt-4o',), {AT!r}))\n"
        "print('genai_prices' in sys.modules)\n"
        f"cost(Consumed(Usage(input_tokens=1), 'openai', ('gpt-4o',), {AT!r}))\n"
        "print('genai_prices' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
