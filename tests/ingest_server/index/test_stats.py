"""Figures by model, time and the rest: the same whether they come from the hours' sums or are counted row by row."""

import sqlite3
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_server.index import rollup
from ingest_server.index.filters import Filters
from ingest_server.index.queries import Queries
from ingest_server.index.rollup import Figures, measured
from ingest_server.index.row import KEYS_PER_US, started_at
from ingest_server.index.schema import open_index
from ingest_server.index.stats import BY, By, Percentiles, Stats, StatsRow
from tests.ingest_server.index.filled import put
from tests.ingest_server.index.kept import Kept, any_filters, kept, many, on_an_index, passes
from tests.ingest_server.index.moments import NOW_US

_STEP_S = 1_733  # between two exchanges: about two an hour


def _spread(exchanges: list[Kept]) -> list[Kept]:
    """The same over hours and days instead of seconds."""
    return [
        each._replace(row=each.row._replace(at=(NOW_US + number * _STEP_S * 1_000_000) * KEYS_PER_US))
        for number, each in enumerate(exchanges)
    ]


def _spread_filters(filters: Filters) -> Filters:
    def spread(moment_us: int | None) -> int | None:
        return None if moment_us is None else NOW_US + (moment_us - NOW_US) * _STEP_S

    values = {name: getattr(filters, name) for name in Filters.__slots__}
    return Filters(**(values | {name: spread(values[name]) for name in ("since_us", "until_us")}))


def _group(by: By, one: Kept) -> str | None:
    if by == "hour":
        return started_at(one.row.at)[:14] + "00:00Z"
    return started_at(one.row.at)[:10] if by == "day" else getattr(one.row, by)


@on_an_index
@given(many(), any_filters(), st.sampled_from(BY))
def test_figures_are_those_of_the_exchanges_that_pass(exchanges: list[Kept], filters: Filters, by: By) -> None:
    exchanges, filters = _spread(exchanges), _spread_filters(filters)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite"
        database = open_index(path)
        put(database, exchanges)
        found = Queries(path).stats(by, filters)
        database.close()
    expected: dict[str | None, Figures] = defaultdict(Figures)
    for each in exchanges:
        if passes(filters, each):
            expected[_group(by, each)].add(measured(each.row))
    assert {row.value: row for row in found.rows} == {value: _row(value, each) for value, each in expected.items()}
    assert found.total.count == sum(each.count for each in expected.values())


def _row(value: str | None, figures: Figures) -> StatsRow:
    latency, ttft = (
        Percentiles(*(rollup.percentile(histogram, share) for share in (0.5, 0.9, 0.99)))
        for histogram in (figures.latency, figures.ttft)
    )
    return StatsRow(
        value,
        figures.count,
        figures.errors,
        figures.calls,
        figures.input_tokens,
        figures.output_tokens,
        figures.cached_input_tokens,
        figures.cache_write_tokens,
        figures.reasoning_tokens,
        figures.cost_usd,
        latency,
        ttft,
    )


def test_hours_come_by_time_and_models_by_how_many(index: sqlite3.Connection, queries: Queries) -> None:
    put(index, [kept(number * 3_600, model=model) for number, model in enumerate(["b", "a", "a", None])])
    by_hour, by_model = queries.stats("hour", Filters()), queries.stats("model", Filters())
    assert [(row.value, row.count) for row in by_hour.rows] == [
        ("2026-09-21T14:00:00Z", 1),
        ("2026-09-21T15:00:00Z", 1),
        ("2026-09-21T16:00:00Z", 1),
        ("2026-09-21T17:00:00Z", 1),
    ]
    assert [(row.value, row.count) for row in by_model.rows] == [("a", 2), (None, 1), ("b", 1)]
    assert [(row.value, row.count) for row in queries.stats("day", Filters()).rows] == [("2026-09-21", 4)]


def test_percentiles_are_within_three_per_cent(index: sqlite3.Connection, queries: Queries) -> None:
    put(index, [kept(number, duration_ms=float(number), ttft_ms=number / 10) for number in range(1, 1_001)])
    row = queries.stats("day", Filters()).rows[0]
    assert [row.latency_ms.p50, row.latency_ms.p90, row.latency_ms.p99] == pytest.approx([500, 900, 990], rel=0.03)
    assert [row.ttft_ms.p50, row.ttft_ms.p90, row.ttft_ms.p99] == pytest.approx([50, 90, 99], rel=0.03)


def test_of_no_exchange_there_are_no_rows(queries: Queries) -> None:
    assert queries.stats("model", Filters()) == Stats("model", [], _row(None, Figures()))


@pytest.mark.parametrize(
    ("by", "filters", "is_summed"),
    [
        ("model", Filters(), True),
        ("day", Filters(since_us=NOW_US - 3_600_000_000), True),
        ("hour", Filters(route="local"), True),
        ("route", Filters(route="local"), True),
        ("day", Filters(model="asked"), True),
        ("day", Filters(model="served"), False),
        ("model", Filters(route="local"), False),
        ("day", Filters(route="local", key="alice"), False),
        ("day", Filters(q="dark"), False),
    ],
)
def test_rows_are_counted_only_where_the_sums_do_not_tell(
    index: sqlite3.Connection, queries: Queries, by: By, filters: Filters, is_summed: bool
) -> None:
    """What is added to the sums alone shows where the figures are from."""
    put(index, [kept(1, "dark", route="local", key="alice", model="asked", response_model="served")])
    put(index, [kept(2, "dark", route="local", key="alice", model="served")])
    index.execute("UPDATE hours SET figures = ?", (rollup.encode(Figures(count=1_000)),))
    counted = queries.stats(by, filters).total.count
    assert (counted >= 1_000) is is_summed
