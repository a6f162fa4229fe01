"""`recorder stats`: figures of many exchanges, by model, route, key, provider, hour or day, with a bar for each."""

from typing import Any

import click
import msgspec
from rich.console import Console

from commands.bars import bar
from commands.columns import Column, Rows, stdout_console, terminal_width
from commands.command_group import examples
from commands.figures import cost, duration, full_count, short_count
from commands.filter_options import filter_options, given
from commands.source import Source, source_options
from ingest_server.index.stats import BY, Stats, StatsRow

BAR_CHARACTERS = 16


@click.command(
    "stats",
    epilog=examples(
        "recorder stats --since 7d",
        "recorder stats --by day --model gpt-4o",
        "recorder stats --by hour --route openai --json",
    ),
)
@click.option("--by", type=click.Choice(BY), multiple=True, help="What to group by. Default: model, then day.")
@filter_options()
@click.option("--json", "as_json", is_flag=True, help="Print what the API answers, a JSON object per line.")
@source_options
def stats_command(source: Source, by: tuple[str, ...], *, as_json: bool, **options: Any) -> None:
    """Sum up exchanges: how many, tokens, costs, and how long they took.

    Percentiles are right within 3 %. Days and hours are UTC.
    """
    values = given(options)
    console = stdout_console()
    with source.open() as api:
        found = [api.stats(each, values) for each in by or ("model", "day")]
        name = api.name
    if as_json:
        for stats in found:
            click.echo(msgspec.json.encode(stats))
    elif not found[0].rows:
        click.echo(f"no exchange {'passes these filters' if values else 'is recorded'} in {name}", err=True)
    else:
        for place, stats in enumerate(found):
            if place:
                console.print()
            show(stats, console)


def show(stats: Stats, console: Console) -> None:
    total = msgspec.structs.replace(stats.total, value="all")
    shown = [*stats.rows, *([total] if len(stats.rows) > 1 else [])]
    rows = Rows(_columns(stats), shown, terminal_width(console))
    console.print(rows.title())
    for row in shown:
        console.print(rows.row(row))


def _columns(stats: Stats) -> list[Column]:
    greatest = max((row.count for row in stats.rows), default=0)
    all_of_them = stats.total.count

    def share(row: StatsRow) -> str:
        return " " if row.value == "all" and row.count == all_of_them else bar(row.count, greatest, BAR_CHARACTERS)

    return [
        Column(stats.by, lambda it: _moment(it.value) or f"(no {stats.by})", width_max=32),
        Column("exchanges", lambda it: full_count(it.count), lambda it: str(it.count), is_number=True),
        Column(
            "errors",
            lambda it: full_count(it.errors) if it.errors else "",
            lambda it: str(it.errors),
            is_number=True,
            style=lambda _: "red",
            gives_way=3,
        ),
        Column("in", lambda it: short_count(it.input_tokens), lambda it: str(it.input_tokens), is_number=True),
        Column(
            "cached",
            lambda it: short_count(it.cached_input_tokens),
            lambda it: str(it.cached_input_tokens),
            is_number=True,
            gives_way=7,
        ),
        Column("out", lambda it: short_count(it.output_tokens), lambda it: str(it.output_tokens), is_number=True),
        Column("cost", lambda it: cost(it.cost_usd), is_number=True, style=lambda _: "bold"),
        Column("p50", lambda it: duration(it.latency_ms.p50), is_number=True, gives_way=2),
        Column("p99", lambda it: duration(it.latency_ms.p99), is_number=True, gives_way=4),
        Column("first p50", lambda it: duration(it.ttft_ms.p50), is_number=True, gives_way=5),
        Column("first p99", lambda it: duration(it.ttft_ms.p99), is_number=True, gives_way=6),
        Column("", share, style=lambda _: "cyan"),
    ]


def _moment(value: str | None) -> str:
    """Of an hour without its zone and minutes' seconds; anything else as it is."""
    text = value or ""
    return text.removesuffix(":00Z").replace("T", " ") if text.endswith(":00:00Z") else text
