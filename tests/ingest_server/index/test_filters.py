"""The table of filters: what each text becomes, and what a wrong one is told."""

from contextlib import suppress
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_server.index.filters import MOMENT_US_MAX, PARAMETERS, FilterError, Filters, read_filters
from tests.ingest_server.index.moments import NOW_US, us

_MOMENT_EXPECTED = (
    "expected a date (2026-09-13), a time (2026-09-13T02:11:09Z, in UTC where it names no zone), how long ago "
    "(30m, 2h, 7d) or milliseconds since the epoch"
)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("route", "openrouter", Filters(route="openrouter")),
        ("provider", "anthropic", Filters(provider="anthropic")),
        ("model", "gpt-4o mini", Filters(model="gpt-4o mini")),
        ("status", "404", Filters(status=range(404, 405))),
        ("status", "4xx", Filters(status=range(400, 500))),
        ("error", "none", Filters(error="none")),
        ("session", "s", Filters(session="s")),
        ("key", "alice", Filters(key="alice")),
        ("method", "post", Filters(method="POST")),
        ("path", "/v1/*", Filters(path="/v1/*")),
        ("since", "2026-09-13", Filters(since_us=us(2026, 9, 13))),
        ("since", "20260913T021109", Filters(since_us=us(2026, 9, 13, 2, 11, 9))),
        ("since", "2026-09-13T02:11:09.123456Z", Filters(since_us=us(2026, 9, 13, 2, 11, 9, 123456))),
        ("since", "2026-09-13t02:11:09z", Filters(since_us=us(2026, 9, 13, 2, 11, 9))),
        ("since", "2026-09-13 02:11", Filters(since_us=us(2026, 9, 13, 2, 11))),
        ("since", "2026-09-13T02:11:09+02:00", Filters(since_us=us(2026, 9, 13, 0, 11, 9))),
        ("since", "2026-09-13T02:11:09 02:00", Filters(since_us=us(2026, 9, 13, 0, 11, 9))),
        ("since", "0001-01-01T00:00:00+23:59", Filters(since_us=0)),
        ("until", "9999-12-31T23:59:59-23:59", Filters(until_us=MOMENT_US_MAX)),
        ("until", "1700000000123", Filters(until_us=1700000000123000)),
        ("until", "90s", Filters(until_us=NOW_US - 90_000_000)),
        ("until", "30m", Filters(until_us=NOW_US - 1800_000_000)),
        ("until", "2h", Filters(until_us=NOW_US - 7200_000_000)),
        ("until", "7d", Filters(until_us=NOW_US - 7 * 86_400_000_000)),
        ("until", "1w", Filters(until_us=NOW_US - 7 * 86_400_000_000)),
        ("since", "999999999w", Filters(since_us=0)),
        ("min_latency_ms", "1.5", Filters(min_latency_ms=1.5)),
        ("max_latency_ms", "1e3", Filters(max_latency_ms=1000.0)),
        ("min_tokens", "10", Filters(min_tokens=10)),
        ("max_tokens", "10.0", Filters(max_tokens=10)),
        ("min_cost_usd", "0.01", Filters(min_cost_usd=0.01)),
        ("max_cost_usd", "0", Filters(max_cost_usd=0.0)),
        ("q", '"dark mode" x*', Filters(q='"dark mode" x*')),
        ("q", "\udcff", Filters(q="?")),
        ("tool", "read_file", Filters(tool="read_file")),
    ],
)
def test_a_text_becomes_a_filter(name: str, text: str, expected: Filters) -> None:
    assert read_filters([(name, text)], NOW_US) == expected


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("modle", "x", "modle: no such parameter; did you mean model?"),
        ("min-tokens", "1", "min-tokens: no such parameter; did you mean min_tokens?"),
        ("limt", "1", "limt: no such parameter; did you mean limit?"),
        ("status", "600", "status=600: expected a status, as 404, or a class of them, as 4xx"),
        ("status", ">=400", "status=>=400: expected a status, as 404, or a class of them, as 4xx"),
        ("status", "404\n", "status=404\n: expected a status, as 404, or a class of them, as 4xx"),
        ("since", "yesterday", f"since=yesterday: {_MOMENT_EXPECTED}"),
        ("until", "2026-13-01", f"until=2026-13-01: {_MOMENT_EXPECTED}"),
        ("until", "", f"until=: {_MOMENT_EXPECTED}"),
        ("route", "", "route=: expected 1 to 1,000 characters"),
        ("q", "x" * 1001, f"q={'x' * 100}: expected 1 to 1,000 characters"),
        ("method", "", "method=: expected an HTTP method, as GET or POST"),
        ("min_tokens", "1.5", "min_tokens=1.5: expected a whole number, 0 or more"),
        ("min_tokens", "1e300", "min_tokens=1e300: expected a whole number, 0 or more"),
        ("max_tokens", "-1", "max_tokens=-1: expected a whole number, 0 or more"),
        ("min_cost_usd", "nan", "min_cost_usd=nan: expected a number, 0 or more"),
        ("min_cost_usd", "1e999", "min_cost_usd=1e999: expected a number, 0 or more"),
        ("min_latency_ms", "٣", "min_latency_ms=٣: expected a number, 0 or more"),
        ("min_latency_ms", "1_0", "min_latency_ms=1_0: expected a number, 0 or more"),
    ],
)
def test_a_wrong_one_is_told_what_is_expected(name: str, text: str, problem: str) -> None:
    with pytest.raises(FilterError) as raised:
        read_filters([(name, text)], NOW_US, besides=("limit", "cursor"))
    assert str(raised.value) == problem


def test_an_unknown_name_that_resembles_none_is_told_all() -> None:
    names = ", ".join(parameter.name for parameter in PARAMETERS)
    with pytest.raises(FilterError) as raised:
        read_filters([("zzz", "x")], NOW_US)
    assert str(raised.value) == f"zzz: no such parameter; there are {names}"


def test_a_filter_that_is_given_twice_is_refused() -> None:
    with pytest.raises(FilterError) as raised:
        read_filters([("route", "a"), ("route", "b")], NOW_US)
    assert str(raised.value) == "route: given twice; expected once"


def test_parameters_that_the_caller_reads_itself_are_passed_over() -> None:
    values = [("limit", "5"), ("route", "a"), ("cursor", "x")]
    assert read_filters(values, NOW_US, besides=("limit", "cursor")) == Filters(route="a")


def test_each_field_has_a_parameter_whose_example_is_read() -> None:
    assert [parameter.field or parameter.name for parameter in PARAMETERS] == [each.name for each in fields(Filters)]
    for parameter in PARAMETERS:
        assert read_filters([(parameter.name, parameter.example)], NOW_US) != Filters()


@given(st.sampled_from([parameter.name for parameter in PARAMETERS]), st.text())
def test_any_text_becomes_a_filter_or_a_filter_error(name: str, text: str) -> None:
    with suppress(FilterError):
        assert read_filters([(name, text)], NOW_US) != Filters()
