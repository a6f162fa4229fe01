"""`recorder status`: the loss ledger of an ingest server as a table, and what is wrong in words.

Texts in it come from recorders: they are escaped, and never read as markup.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands.ask import ask, health
from commands.base_urls import server_url
from commands.command_group import examples
from commands.config_file import Configuration
from commands.config_option import config_option, load_or_exit
from commands.plain_text import plain
from ingest_server.ledger import RecorderFigures, Report, Totals
from recorder.console import size
from traffic.capture.status import Dropped

_COLUMNS = ("recorder", "state", "recorded", "in flight", "waiting", "dropped", "missing", "last contact")
_STYLES = {"running": "green", "silent": "bold red", "stopped": "dim"}
_PIPED_WIDTH = 200  # of a table that nobody's terminal cuts


@click.command("status", epilog=examples("recorder status", "recorder status --server http://logs.lan:8080 --json"))
@config_option
@click.option("--server", metavar="URL", envvar="RECORDER_SERVER", show_envvar=True, help="The ingest server to ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what /v1/ledger answers.")
def status_command(config_path: Path | None, server: str | None, *, as_json: bool) -> None:
    """Show what is recorded, waiting and lost, per recorder.

    Asks the ingest server that logging.server_url names, and the recorder of the same configuration for what it could
    not tell there. A key, where the ingest server wants one, comes from RECORDER_KEY. Exits 0 where all is well, 1
    where something is not.
    """
    configuration = load_or_exit(config_path, quiet=True)
    url = server or configuration.recorder.capture.server_url
    report = _report(url, configuration)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(report), indent=2))
    else:
        show(report, Console(file=sys.stdout, width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False))
    problem = _local_problem(configuration) if server is None else None
    if problem is not None:
        click.echo(problem, err=True)
    raise SystemExit(0 if report.is_fine and problem is None else 1)


def _report(url: str, configuration: Configuration) -> Report:
    try:
        status, body = ask(url, "/v1/ledger", configuration.recorder.capture.server_ca, os.environ.get("RECORDER_KEY"))
    except OSError as error:
        click.echo(f"Error: the ingest server at {url} does not answer: {error.strerror or error}", err=True)
        click.echo(_what_the_recorder_says(configuration), err=True)
        raise SystemExit(1) from None
    if status == 401:
        click.echo(f"Error: the ingest server at {url} wants a key: set RECORDER_KEY to one of ingest.keys", err=True)
        raise SystemExit(1)
    try:
        return msgspec.json.decode(body, type=Report)
    except msgspec.DecodeError:
        click.echo(f"Error: what answers at {url} ({status}) is no ingest server that keeps a ledger", err=True)
        raise SystemExit(1) from None


def _ask_the_recorder(configuration: Configuration) -> tuple[str, dict[str, object]]:
    recorder = configuration.recorder
    url = server_url(recorder, recorder.port)
    return url, health(url, recorder.tls.cert if recorder.tls is not None else None)


def _local_problem(configuration: Configuration) -> str | None:
    """What the ingest server cannot know: one that takes nothing of the recorder hears nothing of it either."""
    url, found = _ask_the_recorder(configuration)
    if found.get("service") != "recorder" or not found.get("problem"):
        return None
    return f"The recorder at {url} says: {plain(str(found['problem']))}"


def _what_the_recorder_says(configuration: Configuration) -> str:
    url, found = _ask_the_recorder(configuration)
    if found.get("service") != "recorder":
        return f"The recorder at {url} does not answer either. `recorder up` starts both."
    waiting = found.get("journal_bytes")
    waits = size(waiting) if isinstance(waiting, int) else "?"
    return (
        f"The recorder at {url} does: recorded {found.get('recorded')}, in flight {found.get('in_flight')}, "
        f"lost {found.get('lost')}; {waits} wait in its journal. `recorder ingest` starts the ingest server."
    )


def show(report: Report, console: Console) -> None:
    if not report.recorders:
        console.print("no recorder has sent anything yet")
        return
    table = Table(*_COLUMNS, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in table.columns:
        column.overflow = "fold"
    for column in table.columns[2:]:
        column.justify = "right"
    for recorder in report.recorders:
        table.add_row(
            Text(plain(recorder.name)),
            Text(recorder.state, style=_STYLES.get(recorder.state, "")),
            *_figures(recorder),
            _ago(recorder),
        )
    if len(report.recorders) > 1:
        table.add_row("all", "", *_figures(report.totals), "", style="bold")
    console.print(table)
    for recorder in report.recorders:
        for problem in recorder.problems:
            console.print(Text(f"{plain(recorder.name)}: {plain(problem)}", style="red"), soft_wrap=True)


def _figures(figures: RecorderFigures | Totals) -> list[Text]:
    recorded = figures.complete + figures.incomplete
    incomplete = f" ({figures.incomplete:,} incomplete)" if figures.incomplete else ""
    waiting = size(figures.waiting_bytes + figures.queue_bytes)
    if figures.oldest_waiting_s is not None:
        waiting += f" ({_duration(figures.oldest_waiting_s)})"
    dropped = _count(figures.dropped.values())
    return [
        Text(f"{recorded:,}{incomplete}"),
        Text(f"{max(figures.in_flight, figures.open):,}"),
        Text(waiting),
        Text(f"{dropped:,}", style="red" if dropped else ""),
        Text(f"{figures.unexplained:,}", style="red" if figures.unexplained else ""),
    ]


def _count(dropped: Iterable[Dropped]) -> int:
    """Exchanges of which something is missing."""
    return sum(each.exchanges + each.cut for each in dropped)


def _ago(recorder: RecorderFigures) -> str:
    return "-" if recorder.last_contact_s is None else f"{_duration(recorder.last_contact_s)} ago"


def _duration(seconds: float) -> str:
    for count, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * count:
            return f"{seconds / count:.0f} {unit}"
    return f"{seconds:.0f} s"
