"""Figures of many exchanges, by model, route, key, provider, hour or day. Called by queries.py.

Whole hours come from the sums that the writer keeps; the parts of an hour at both ends, and what filters choose that
the sums do not tell apart, are counted row by row, with the same code.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from ingest_server.index import rollup
from ingest_server.index.filters import Filters
from ingest_server.index.plan import KEY_MAX, Keys, Plan, keys_of
from ingest_server.index.rollup import MEASURED_COLUMNS, Figures, Measured
from ingest_server.index.row import KEYS_PER_US, started_at

By = Literal["model", "route", "key", "provider", "hour", "day"]
BY: Final[tuple[By, ...]] = get_args(By)

_HOUR: Final = 3600 * 1_000_000 * KEYS_PER_US  # in keys
_COLUMNS: Final = ", ".join(f"e.{name}" for name in MEASURED_COLUMNS.split(", "))
_SUMMED: Final = ("route", "key", "provider")


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds, within 3 %; None: of no exchange."""

    p50: float | None
    p90: float | None
    p99: float | None


class StatsRow(msgspec.Struct, frozen=True):
    value: str | None  # a model's, route's, ... name; 2026-09-13T02:00:00Z or 2026-09-13; None: those without
    count: int
    errors: int
    calls: int  # to an LLM
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: float | None  # of those whose cost is known; None: of none
    latency_ms: Percentiles
    ttft_ms: Percentiles


class Stats(msgspec.Struct, frozen=True):
    by: By
    rows: list[StatsRow]  # hours and days by time, else the most exchanges first
    total: StatsRow


class _Sums(NamedTuple):
    """Which of the writer's sums: the columns `by` and `value`; None: all values."""

    by: str
    value: str | None


def stats(database: sqlite3.Connection, by: By, filters: Filters) -> Stats:
    groups: dict[str, Figures] = defaultdict(Figures)
    keys = keys_of(filters)
    sums = _sums(database, by, filters)
    first, last = -(-keys.low // _HOUR), keys.high // _HOUR
    if sums is None or first >= last:
        _count_rows(database, by, filters, keys, groups)
    else:
        _add_sums(database, by, sums, range(first, last), groups)
        for edge in (Keys(keys.low, first * _HOUR), Keys(last * _HOUR, keys.high)):
            if edge.low < edge.high < KEY_MAX:
                _count_rows(database, by, filters, edge, groups)
    return _shown(by, groups)


def _sums(database: sqlite3.Connection, by: By, filters: Filters) -> _Sums | None:
    """None: there are none that tell what is asked for."""
    chosen = replace(filters, since_us=None, until_us=None)
    is_by_time = by in ("hour", "day")
    if chosen == Filters():
        return _Sums("all", "") if is_by_time else _Sums(by, None)
    for name in _SUMMED:
        value = getattr(chosen, name)
        if value is not None and chosen == Filters(**{name: value}) and (is_by_time or by == name):
            return _Sums(name, value)
    if (
        chosen == Filters(model=chosen.model)
        and (is_by_time or by == "model")
        and _is_only_asked_for(database, chosen.model)
    ):
        return _Sums("model", chosen.model)
    return None


def _is_only_asked_for(database: sqlite3.Connection, model: str | None) -> bool:
    """Whether no exchange was served by it that had asked for another: the sums are by the model that was asked for."""
    sql = (
        "SELECT 1 FROM exchanges INDEXED BY by_served WHERE response_model = ? AND response_model IS NOT model LIMIT 1"
    )
    return database.execute(sql, (model,)).fetchone() is None


def _add_sums(database: sqlite3.Connection, by: By, sums: _Sums, hours: range, groups: dict[str, Figures]) -> None:
    only, values = ("", ()) if sums.value is None else (" AND value = ?", (sums.value,))
    sql = f"SELECT hour, value, figures FROM hours WHERE by = ? AND hour >= ? AND hour < ?{only}"
    for hour, value, figures in database.execute(sql, (sums.by, hours.start, hours.stop, *values)):
        groups[_group(by, hour, value)].merge(rollup.decode(figures))


def _count_rows(database: sqlite3.Connection, by: By, filters: Filters, keys: Keys, groups: dict[str, Figures]) -> None:
    value = "''" if by in ("hour", "day") else f"coalesce(e.{by}, '')"
    rows = Plan(database, filters, keys).select(f"e.at, {value}, {_COLUMNS}")
    for at, name, *measured in database.execute(rows.sql, rows.values):
        groups[_group(by, at // _HOUR, name)].add(Measured(*measured))


def _group(by: By, hour: int, value: str) -> str:
    if by == "hour":
        return started_at(hour * _HOUR)[:19] + "Z"
    return started_at(hour * _HOUR)[:10] if by == "day" else value


def _shown(by: By, groups: dict[str, Figures]) -> Stats:
    total = Figures()
    for figures in groups.values():
        total.merge(figures)
    there = ((name, figures) for name, figures in groups.items() if figures.count)
    is_by_time = by in ("hour", "day")
    ordered = sorted(there, key=lambda pair: (0 if is_by_time else -pair[1].count, pair[0]))
    return Stats(by, list(_rows(ordered)), _row(None, total))


def _rows(groups: list[tuple[str, Figures]]) -> Iterator[StatsRow]:
    return (_row(name or None, figures) for name, figures in groups)


def _row(value: str | None, figures: Figures) -> StatsRow:
    return StatsRow(
        value=value,
        count=figures.count,
        errors=figures.errors,
        calls=figures.calls,
        input_tokens=figures.input_tokens,
        output_tokens=figures.output_tokens,
        cached_input_tokens=figures.cached_input_tokens,
        cache_write_tokens=figures.cache_write_tokens,
        reasoning_tokens=figures.reasoning_tokens,
        cost_usd=figures.cost_usd,
        latency_ms=_percentiles(figures.latency),
        ttft_ms=_percentiles(figures.ttft),
    )


def _percentiles(histogram: rollup.Histogram) -> Percentiles:
    return Percentiles(*(rollup.percentile(histogram, share) for share in (0.5, 0.9, 0.99)))
