"""`recorder tail`: what happens, as it happens: exchanges that start and end, and what was said in them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.text import Text

from commands.columns import stdout_console
from commands.command_group import examples
from commands.exchange_columns import fault, outcome_style, said, tokens_of
from commands.figures import cost, duration, short_count
from commands.live_events import CALL, CONNECTED, DISCONNECTED, Event
from commands.plain_text import plain
from commands.source import Source, source_options
from ingest_server.index.summary import CallSummary, ExchangeSummary
from recorder.console import size
from traffic.capture.names import short_id


@click.command("tail", epilog=examples("recorder tail", "recorder tail --server http://logs.lan:8080 --json"))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line: the event's name and its fields.")
@source_options
def tail_command(source: Source, *, as_json: bool) -> None:
    """Show exchanges as they start, end, and are understood. Ctrl-C ends it.

    A connection that is lost is made again. Times are UTC.
    """
    with source.open() as api:
        console = stdout_console()
        for event in api.live():
            if event.name == DISCONNECTED:
                click.echo(f"{plain(event.fields['problem'])}: trying again", err=True)
            elif event.name == CONNECTED:
                click.echo(f"listening to {api.name}", err=True)
            elif as_json:
                click.echo(msgspec.json.encode({"event": event.name, **event.fields}))
            else:
                _print(event, console)


def _print(event: Event, console: Console) -> None:
    for line in lines_of(event):
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line)


def lines_of(event: Event, now: datetime | None = None) -> Iterator[Text]:
    """At most one; none for an event of another version's."""
    fields = event.fields
    if event.name == "lost":
        yield Text(f"{fields.get('events')} events came faster than they were read, and are not shown", "yellow")
        return
    start = Text(f"{now or datetime.now(UTC):%H:%M:%S}  ", "dim") + Text(short_id(plain(str(fields.get("id")))), "cyan")
    if event.name == "started":
        what = f"{fields.get('method') or ''} {fields.get('url') or ''}".strip()
        yield start + Text("  ▶ ", "blue") + Text(plain(what) or "handed in by another program")
    elif event.name == "finished":
        yield start + _finished(fields)
    elif event.name == CALL:
        summary = msgspec.convert(fields, ExchangeSummary)
        if summary.call is not None:
            yield start + _call(summary, summary.call)


def _finished(fields: dict[str, Any]) -> Text:
    took = (fields.get("durations_ms") or {}).get("total")
    status, error = fields.get("status"), fields.get("error")
    facts = [str(status or "-"), duration(took), size(fields.get("response_bytes") or 0), error or ""]
    style = "red" if error or (status or 0) >= 500 else "yellow" if (status or 0) >= 400 else "green"
    return Text("  ■ ", style) + Text(plain("  ".join(fact for fact in facts if fact)), style)


def _call(summary: ExchangeSummary, call: CallSummary) -> Text:
    tokens = [(tokens_of(summary, "in"), "in"), (tokens_of(summary, "out"), "out")]
    facts = [
        ", ".join(f"{short_count(count)} {which}" for count, which in tokens if count is not None),
        cost(call.cost_usd) if call.cost_usd is not None else "",
        f"first token {duration(call.ttft_ms)}" if call.ttft_ms is not None else "",
        f"{call.tokens_per_s:.0f} tokens/s" if call.tokens_per_s is not None else "",
        call.finish_reason or "",
        fault(summary),
    ]
    text = Text("  ● ", outcome_style(summary)) + Text(plain(call.model or call.dialect), "bold") + Text("  ")
    text += Text(plain("  ".join(fact for fact in facts if fact)))
    return text + Text(plain(f"  {said(summary)}").replace("\n", " "), "dim")
