"""`recorder sessions`: conversations and agents' runs, and one of them as the tree of its exchanges."""

from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from commands.api_client import ApiClient, Values
from commands.columns import Column, Rows, stdout_console, terminal_width
from commands.command_group import examples
from commands.exchange_columns import exchange_columns, said
from commands.figures import cost, counted, full_count, moment, short_count
from commands.filter_options import filter_options, given
from commands.plain_text import plain
from commands.run_tree import Branch, branches
from commands.source import Source, source_options
from ingest_server.index.session_pages import SessionSummary, SessionTree
from traffic.capture.names import is_uuid, short_id


@click.command(
    "sessions",
    epilog=examples(
        "recorder sessions --since 24h",
        "recorder sessions 092d0424             one of them, as a tree",
        "recorder sessions my-agent-7 --json",
    ),
)
@click.argument("name", metavar="[ID]", required=False)
@filter_options(without=("session",))
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON as the API answers it: a session per line, or the tree."
)
@source_options
def sessions_command(source: Source, name: str | None, limit: int, *, as_json: bool, **options: Any) -> None:
    """List conversations and agents' runs, the one that went on last first; ID shows one as a tree.

    ID is a session's name, or its beginning. Filters choose sessions of which one exchange at least passes them.
    """
    values = given(options)
    if name is not None and values:
        raise click.UsageError("filters choose from the list; a session that is named is shown whole")
    with source.open() as api:
        if name is None:
            _list(api, values, limit, as_json=as_json)
        else:
            _show(api.session(name), as_json=as_json)


def _list(api: ApiClient, values: Values, limit: int, *, as_json: bool) -> None:
    sessions = api.sessions(values, limit).sessions
    if as_json:
        for session in sessions:
            click.echo(msgspec.json.encode(session))
    elif sessions:
        console = stdout_console()
        rows = Rows(_columns(datetime.now(UTC)), sessions, terminal_width(console))
        console.print(rows.title())
        for session in sessions:
            console.print(rows.row(session))
    if not sessions:
        click.echo(f"no session {'passes these filters' if values else 'is recorded'} in {api.name}", err=True)


def _show(tree: SessionTree, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(tree))
        return
    console, session = stdout_console(), tree.session
    figures = [
        counted(session.exchanges, "exchange"),
        counted(session.errors, "error") if session.errors else "",
        f"{session.input_tokens:,} in + {session.output_tokens:,} out tokens",
        cost(session.cost_usd) if session.cost_usd is not None else "",
        ", ".join(session.models),
    ]
    console.print(plain(session.session), style="bold cyan")
    console.print(plain(" · ".join(figure for figure in figures if figure)), style="dim")
    shown = list(branches(node.exchange for node in tree.exchanges))
    columns = exchange_columns(datetime.now(UTC), lambda branch: branch.summary)
    rows = Rows([*columns[:-1], Column("what", step_of, width_max=1_000)], shown, terminal_width(console))
    console.print(rows.title())
    for branch in shown:
        console.print(rows.row(branch))
    if tree.next is not None:
        click.echo(f"only its newest {len(shown):,} exchanges; `recorder list --session` has the others", err=True)


def step_of(branch: Branch) -> str:
    """What is new in it: a prompt, unless an agent goes on with what its tools said; and the tools that are called."""
    call, prompt = branch.summary.call, said(branch.summary)
    if call is None:
        return branch.guides + prompt
    is_new = branch.parent is None or prompt != said(branch.parent)
    tools = f"→ {', '.join(call.tool_calls)}" if call.tool_calls else ""
    ends = f"({call.finish_reason or 'no answer'})" if not is_new and not tools else ""
    return branch.guides + "  ".join(part for part in (prompt if is_new else "", tools, ends) if part)


def _name(session: SessionSummary) -> str:
    """One that nobody named has the id of its first exchange."""
    return short_id(session.session) if is_uuid(session.session) else session.session


def _columns(now: datetime) -> list[Column]:
    def models(session: SessionSummary) -> str:
        return ", ".join(session.models)

    return [
        Column("last (UTC)", lambda it: moment(it.last_at, now), lambda it: it.last_at, style=lambda _: "dim"),
        Column("session", _name, lambda it: it.session, width_max=24, style=lambda _: "cyan"),
        Column("exchanges", lambda it: full_count(it.exchanges), lambda it: str(it.exchanges), is_number=True),
        Column(
            "errors",
            lambda it: full_count(it.errors) if it.errors else "",
            lambda it: str(it.errors),
            is_number=True,
            style=lambda _: "red",
            gives_way=2,
        ),
        Column("models", models, lambda it: models(it).replace(" ", ""), width_max=26, gives_way=4),
        Column(
            "in", lambda it: short_count(it.input_tokens), lambda it: str(it.input_tokens), is_number=True, gives_way=3
        ),
        Column(
            "out",
            lambda it: short_count(it.output_tokens),
            lambda it: str(it.output_tokens),
            is_number=True,
            gives_way=3,
        ),
        Column("cost", lambda it: cost(it.cost_usd), is_number=True, gives_way=1),
        Column("first prompt", lambda it: it.preview, width_max=1_000),
    ]
