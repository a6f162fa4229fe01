"""`recorder list`: what is recorded, a line each; with `--follow` also what comes."""

from typing import Any

import click

from commands.columns import stdout_console
from commands.command_group import examples
from commands.exchange_lines import ExchangeLines
from commands.filter_options import filter_options, given
from commands.follow import Follower
from commands.pages import newest
from commands.source import Source, source_options


@click.command(
    "list",
    epilog=examples(
        "recorder list --since 2h",
        "recorder list --model gpt-4o --status 4xx",
        "recorder list --route openai --follow",
        "recorder list --error any -n 1000 --json",
    ),
)
@filter_options()
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with those that come; the newest is last then.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line, as the API answers them.")
@source_options
def list_command(source: Source, limit: int, *, follows: bool, as_json: bool, **options: Any) -> None:
    """List exchanges, the newest first.

    Times are UTC, as in the names of the files. On a terminal columns that do not fit are left out; elsewhere all of
    them are there.
    """
    values = given(options)
    if follows and "until" in dict(values):
        raise click.UsageError("--follow shows what comes, --until what is past")
    with source.open() as api:
        lines = ExchangeLines(stdout_console(), as_json=as_json, more_come=follows)
        if follows:
            for summaries in Follower(api, values).follow(limit):
                lines.print(summaries)
            return
        found = list(newest(api, values, limit))
        lines.print(found)
    if not found:
        click.echo(f"no exchange {'passes these filters' if values else 'is recorded'} in {api.name}", err=True)
