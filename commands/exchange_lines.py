"""Prints exchanges, a line each: columns, or JSON for programs. Called by the commands that list them."""

from collections.abc import Sequence

import click
import msgspec
from rich.console import Console

from commands.columns import Rows, terminal_width
from commands.exchange_columns import exchange_rows
from ingest_server.index.summary import ExchangeSummary


class ExchangeLines:
    """The first that are printed set the widths of the columns."""

    def __init__(self, console: Console, *, as_json: bool, more_come: bool = False) -> None:
        self._console = console
        self._as_json = as_json
        self._more_come = more_come
        self._rows: Rows | None = None

    def print(self, summaries: Sequence[ExchangeSummary]) -> None:
        if self._as_json:
            for summary in summaries:
                click.echo(msgspec.json.encode(summary))
            return
        if self._rows is None and (summaries or self._more_come):
            self._rows = exchange_rows(summaries, terminal_width(self._console), more_come=self._more_come)
            self._console.print(self._rows.title())
        for summary in summaries:
            assert self._rows is not None
            self._console.print(self._rows.row(summary))
