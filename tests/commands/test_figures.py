"""Figures as people read them: few characters, never a false zero."""

from datetime import UTC, datetime

import pytest

from commands.bars import bar
from commands.figures import cost, counted, duration, full_count, moment, short_count


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "-"), (0.04, "0.0ms"), (9.96, "10ms"), (310, "310ms"), (999.6, "1.00s"), (1240, "1.24s"),
        (9_996, "10.0s"), (62_500, "62.5s"), (700_000, "12min"), (12_300_000, "3.4h"),
    ],
)  # fmt: skip
def test_durations(ms: float | None, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"), (0, "0"), (999, "999"), (1000, "1.0k"), (9_960, "10k"), (34_567, "35k"), (999_600, "1.0M"),
        (5e9, "5.0G"), (5e12, "5.0T"),
    ],
)  # fmt: skip
def test_numbers_of_tokens(number: float | None, text: str) -> None:
    assert short_count(number) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "-"), (0, "$0"), (1e-10, "<$1e-8"), (4.2e-7, "$0.00000042"), (0.00042, "$0.00042"), (0.012, "$0.012"),
        (0.5, "$0.50"), (0.996, "$1.00"), (12_345.6, "$12,345.60"),
    ],
)  # fmt: skip
def test_costs(usd: float | None, text: str) -> None:
    assert cost(usd) == text


def test_exact_numbers_have_separators_and_what_is_counted_its_plural() -> None:
    assert (full_count(1234), full_count(None)) == ("1,234", "-")
    assert (counted(1, "exchange"), counted(2000, "exchange")) == ("1 exchange", "2,000 exchanges")


def test_a_moment_has_its_day_where_it_is_not_recent() -> None:
    now = datetime(2026, 9, 13, 8, 0, tzinfo=UTC)
    assert moment("2026-09-13T02:11:09.123456Z", now) == "02:11:09"
    assert moment("2026-09-12T02:11:09.123456Z", now) == "09-12 02:11:09"
    assert moment("2025-09-12T02:11:09.123456Z", now) == "2025-09-12 02:11"


def test_a_bar_is_as_long_as_its_value_is_great_and_shows_the_least_of_something() -> None:
    assert [bar(value, 100, 4) for value in (0, 0.1, 12.5, 50, 99.9, 100, 1000)] == [
        "", "▏", "▌", "██", "████", "████", "████",
    ]  # fmt: skip
    assert bar(0, 0, 4) == ""
