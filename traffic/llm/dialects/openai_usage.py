"""What the servers of OpenAI's APIs report of tokens and costs. Called by the dialects openai_*.py.

Cached tokens are inside the prompt's, reasoning inside the completion's. Some servers (xAI) count reasoning beside the
completion: where the total that they report shows that, the output is the sum of both.
"""

from typing import Any, Final, NamedTuple

from traffic.llm.call import Usage
from traffic.llm.shapes import count, mapping


class Names(NamedTuple):
    """Where the figures are; `at` is the usage object's own place."""

    at: str
    input: str
    output: str


CHAT: Final = Names("usage", "prompt", "completion")
RESPONSE: Final = Names("usage", "input", "output")
RESPONSE_EVENT: Final = Names("response.usage", "input", "output")


class _Figure(NamedTuple):
    name: str  # in Usage
    details: str | None  # the object that holds it; None: the usage object itself
    key: str
    source: str


def _figures(names: Names) -> tuple[_Figure, ...]:
    places = (
        ("input_tokens", None, f"{names.input}_tokens"),
        ("output_tokens", None, f"{names.output}_tokens"),
        ("cached_input_tokens", f"{names.input}_tokens_details", "cached_tokens"),
        ("cache_write_tokens", f"{names.input}_tokens_details", "cache_write_tokens"),
        ("reasoning_tokens", f"{names.output}_tokens_details", "reasoning_tokens"),
    )
    return tuple(
        _Figure(name, details, key, ".".join(["reported: " + names.at, *([details] if details else []), key]))
        for name, details, key in places
    )


_FIGURES: Final = {names: _figures(names) for names in (CHAT, RESPONSE, RESPONSE_EVENT)}


def read_usage(usage: Any, names: Names) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    found: dict[str, int] = {}
    sources: dict[str, str] = {}
    for name, details, key, source in _FIGURES[names]:
        place = usage if details is None else usage.get(details)
        figure = count(place.get(key)) if isinstance(place, dict) else None
        if figure is not None:
            found[name] = figure
            sources[name] = source
    reasoning = found.get("reasoning_tokens")
    if reasoning and count(usage.get("total_tokens")) == found.get("input_tokens", 0) + _output(found) + reasoning:
        found["output_tokens"] = _output(found) + reasoning
        sources["output_tokens"] = "derived: " + " + ".join(
            sources[name].removeprefix("reported: ") for name in ("output_tokens", "reasoning_tokens")
        )
    return Usage(**found, sources=sources)


def _output(found: dict[str, int]) -> int:
    return found.get("output_tokens", 0)


def read_timings(timings: Any) -> Usage:
    """llama.cpp tells these also where the client asked for no usage. `prompt_n` is without what its cache held."""
    told = mapping(timings)
    prompt, cached, output = (count(told.get(key)) for key in ("prompt_n", "cache_n", "predicted_n"))
    found: dict[str, int] = {}
    sources: dict[str, str] = {}
    if prompt is not None and cached is not None:
        found |= {"input_tokens": prompt + cached, "cached_input_tokens": cached}
        sources["input_tokens"] = "derived: timings.prompt_n + timings.cache_n"
        sources["cached_input_tokens"] = "reported: timings.cache_n"
    if output is not None:
        found["output_tokens"] = output
        sources["output_tokens"] = "reported: timings.predicted_n"
    return Usage(**found, sources=sources)


def read_cost(usage: Any, names: Names) -> tuple[float, str] | tuple[None, None]:
    """OpenRouter's, in USD: what it charges, and for a key of the client's own also what the upstream does."""
    told = mapping(usage)
    cost = _amount(told.get("cost"))
    if cost is None:
        return None, None
    upstream = _amount(mapping(told.get("cost_details")).get("upstream_inference_cost"))
    if told.get("is_byok") is True and upstream is not None:
        return cost + upstream, f"derived: {names.at}.cost + {names.at}.cost_details.upstream_inference_cost"
    return cost, f"reported: {names.at}.cost"


def _amount(value: Any) -> float | None:
    is_amount = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
    return float(value) if is_amount else None
