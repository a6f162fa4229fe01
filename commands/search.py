"""`recorder search`: exchanges in which words were said, each with the words around them."""

import re
from collections.abc import Iterator
from typing import Any

import click
import msgspec
from rich.text import Text

from commands.columns import stdout_console
from commands.command_group import examples
from commands.conversation import Line, print_lines
from commands.exchange_columns import outcome, outcome_style, said
from commands.figures import cost, duration
from commands.filter_options import checked, filter_options, given
from commands.pages import newest
from commands.plain_text import plain
from commands.source import Source, source_options
from ingest_server.index.summary import ExchangeSummary
from traffic.capture.names import short_id

_HIT = re.compile("«([^»]*)»")


@click.command(
    "search",
    epilog=examples(
        "recorder search tailwind",
        "recorder search '\"dark mode\" tail*' --since 7d",
        "recorder search timeout --model gpt-4o --json",
    ),
)
@click.argument("text", callback=lambda _context, _argument, text: checked("q", text))
@filter_options(without=("q",))
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line, as the API answers them.")
@source_options
def search_command(source: Source, text: str, limit: int, *, as_json: bool, **options: Any) -> None:
    """Find the exchanges in which all words of TEXT were said: in prompts, answers, tool calls and their results.

    "some words" stand in a row, begin* is the beginning of a word. An exchange that continues another is found by what
    is new in it.
    """
    values = [("q", text), *given(options)]
    with source.open() as api:
        found = list(newest(api, values, limit))
        name = api.name
    console = stdout_console()
    for summary in found:
        if as_json:
            click.echo(msgspec.json.encode(summary))
        else:
            print_lines(_lines(summary, is_coloured=console.is_terminal and not console.no_color), console)
    if not found:
        others = " and passes these filters" if len(values) > 1 else ""
        click.echo(f"no exchange in {name} has all of these words{others}", err=True)


def _lines(summary: ExchangeSummary, *, is_coloured: bool) -> Iterator[Line]:
    """Two, and an empty one."""
    call = summary.call
    facts = [
        (summary.call.model or "") if summary.call is not None else said(summary),
        duration(summary.duration_ms),
        cost(call.cost_usd) if call is not None and call.cost_usd is not None else "",
    ]
    title = Text(short_id(summary.id), "cyan") + Text(f"  {summary.started_at[:19]}Z  ".replace("T", " "), "dim")
    title += Text(plain("  ".join(fact for fact in facts if fact)), "bold") + Text("  ")
    yield Line(title + Text(plain(outcome(summary)), outcome_style(summary)))
    yield Line(highlighted(summary.snippet or said(summary), is_coloured=is_coloured), 2)
    yield Line(Text())


def highlighted(snippet: str, *, is_coloured: bool) -> Text:
    """Its «hits» in colour, or as they are."""
    line = plain(" ".join(snippet.split()))
    if not is_coloured:
        return Text(line)
    pieces = _HIT.split(line)  # every second one is a hit
    return Text.assemble(*((piece, "bold yellow" if place % 2 else "") for place, piece in enumerate(pieces)))
