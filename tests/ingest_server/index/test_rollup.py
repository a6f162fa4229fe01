"""Figures add up: exactly, in any order, and within 3 % where they are percentiles."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_server.index.rollup import Figures, Measured, decode, encode, percentile

_tokens = st.none() | st.integers(0, 2**53)
_ms = st.none() | st.floats(0, 1e12)
measured = st.builds(
    Measured,
    failed=st.booleans(),
    dialect=st.sampled_from([None, "openai.chat"]),
    input_tokens=_tokens,
    output_tokens=_tokens,
    cached_input_tokens=_tokens,
    cache_write_tokens=_tokens,
    reasoning_tokens=_tokens,
    cost_usd=st.none() | st.floats(0, 1e300),
    duration_ms=_ms,
    ttft_ms=_ms,
)
EMPTY = Measured(False, None, None, None, None, None, None, None, None, None)


def _figures(exchanges: list[Measured]) -> Figures:
    figures = Figures()
    for each in exchanges:
        figures.add(each)
    return figures


@given(st.lists(measured), st.lists(measured))
def test_what_is_added_and_taken_away_again_leaves_no_trace(stays: list[Measured], goes: list[Measured]) -> None:
    figures = _figures([*goes, *stays])
    for each in goes:
        figures.add(each, -1)
    assert figures == _figures(stays)


@given(st.lists(measured), st.lists(measured))
def test_merged_figures_are_those_of_all_exchanges_together(some: list[Measured], others: list[Measured]) -> None:
    figures = _figures(some)
    figures.merge(_figures(others))
    assert figures == _figures(some + others)


@given(st.lists(measured))
def test_figures_are_the_same_after_they_were_stored(exchanges: list[Measured]) -> None:
    figures = _figures(exchanges)
    assert decode(encode(figures)) == figures


@given(st.lists(st.floats(0.01, 1e7), min_size=1), st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_percentile_is_within_three_percent_of_the_exact_one(values: list[float], share: float) -> None:
    figures = _figures([EMPTY._replace(duration_ms=value) for value in values])
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    assert percentile(figures.latency, share) == pytest.approx(exact, rel=0.03)


def test_of_nothing_there_is_no_percentile_and_no_cost() -> None:
    assert percentile(Figures().latency, 0.5) is None
    assert Figures().cost_usd is None


def test_a_call_counts_with_its_tokens_and_its_cost() -> None:
    call = Measured(True, "openai.chat", 1200, 30, 1000, 7, 20, 0.00125, 812.0, 96.0)
    figures = _figures([call, EMPTY])
    assert (figures.count, figures.errors, figures.calls, figures.priced) == (2, 1, 1, 1)
    assert (figures.input_tokens, figures.output_tokens, figures.cost_usd) == (1200, 30, 0.00125)
    assert (figures.cached_input_tokens, figures.cache_write_tokens, figures.reasoning_tokens) == (1000, 7, 20)
    assert (sum(figures.latency.values()), sum(figures.ttft.values())) == (1, 1)


def test_plain_http_counts_without_what_only_calls_have() -> None:
    figures = _figures([EMPTY._replace(cost_usd=1.0, input_tokens=5, ttft_ms=3.0)])
    assert figures == Figures(count=1)


def test_an_absurd_claim_of_an_upstream_counts_for_what_fits() -> None:
    figures = _figures([Measured(False, "openai.chat", 2**53, None, None, None, None, 1e300, None, None)] * 1000)
    assert decode(encode(figures)) == figures
    assert (figures.input_tokens, figures.cost_usd) == (10**14, 10**6)
