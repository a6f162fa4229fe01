"""`recorder show`: an exchange, or files of recordings, as people read them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.text import Text

from commands import recording_file
from commands.api_client import ApiClient
from commands.columns import stdout_console
from commands.command_group import examples
from commands.conversation import Line, print_lines
from commands.plain_text import plain, plain_bytes
from commands.recording_text import note, render
from commands.selection import is_path
from commands.shown_exchange import ShownExchange, heading, incomplete, lines_of_call, lines_of_events
from commands.source import Source, source_options
from traffic.capture.recording import read_recording


@click.command(
    "show",
    epilog=examples(
        "recorder show last",
        "recorder show 092d",
        "recorder show last~2 --events",
        "recorder show 092d0424 --raw > exchange.http",
        "recorder show logs/*_092d0424_*",
    ),
)
@click.argument("things", metavar="ID|FILE...", nargs=-1, required=True)
@click.option("--raw", "view", flag_value="raw", help="The request and the response as they are stored, byte for byte.")
@click.option("--headers", "view", flag_value="headers", help="The heads of the request and the response.")
@click.option("--events", "view", flag_value="events", help="The events of a streamed answer, and when each arrived.")
@click.option("--json", "view", flag_value="json", help="All that is known of it, as one JSON object.")
@source_options
def show_command(source: Source, things: tuple[str, ...], view: str | None) -> None:
    """Print exchanges readably.

    ID is an exchange's, or its first digits (four or more), `last` for the newest, `last~2` for two before it. A call
    to an LLM is shown as the conversation that it is, anything else as its request and its response.

    FILE is a _request.bin, a _response.bin or a _metadata.json. Chunk framing and compression are taken off, JSON is
    indented, server-sent events come one per line, and control characters are escaped. What is cut is shown as far as
    it goes.
    """
    are_files = [is_path(thing) for thing in things]
    if view is not None and any(are_files):
        raise click.UsageError(f"--{view} is for an ID, not for a FILE")
    if all(are_files):
        _show_files([Path(thing) for thing in things])
    elif any(are_files):
        raise click.UsageError("give IDs or FILEs, not both")
    else:
        with source.open() as api:
            for place, thing in enumerate(things):
                _separate(place, view)
                _VIEWERS[view](api, thing)


def _show_files(files: list[Path]) -> None:
    failed = False
    for place, file in enumerate(files):
        try:
            lines = list(recording_file.lines_of(file))
        except OSError as error:
            hint = "" if file.suffix or len(file.parts) > 1 else "; an ID has 4 to 32 hex digits, or is last or last~2"
            click.echo(f"Error: {plain(str(file))}: {error.strerror}{hint}", err=True)
            failed = True
            continue
        if len(files) > 1:
            click.echo(("\n" if place else "") + click.style(f"==> {plain(str(file))} <==", bold=True))
        for line in lines:
            click.echo(line)
    if failed:
        raise SystemExit(1)


def _separate(place: int, view: str | None) -> None:
    if place and view not in ("raw", "json"):
        click.echo("\n" + click.style("─" * 20, dim=True) + "\n")


def _show_readably(api: ApiClient, reference: str) -> None:
    shown = api.exchange(reference)
    if shown.call is not None:
        print_lines(lines_of_call(shown, shown.call), stdout_console())
        return
    print_lines(heading(shown), stdout_console())
    for side in ("request", "response"):
        click.echo("")
        for line in render(read_recording(b"".join(api.file(shown.id, side)), shown.method)):
            click.echo(line)
    print_lines(incomplete(shown), stdout_console())


def _show_raw(api: ApiClient, reference: str) -> None:
    exchange_id = api.exchange(reference).id
    for side in ("request", "response"):
        for piece in api.file(exchange_id, side):
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _show_headers(api: ApiClient, reference: str) -> None:
    shown = api.exchange(reference)
    print_lines(heading(shown), stdout_console())
    for side in ("request", "response"):
        recording = read_recording(b"".join(api.file(shown.id, side)), shown.method)
        first, _, rest = plain_bytes(recording.head_bytes.removesuffix(b"\r\n\r\n")).partition("\n")
        click.echo("\n" + click.style(first, bold=True) + ("\n" + rest if rest else ""))
        if recording.trailers:
            click.echo(note("trailers") + "\n" + plain_bytes(recording.trailers))


def _show_events(api: ApiClient, reference: str) -> None:
    shown = api.exchange(reference)
    console = stdout_console()
    print_lines(heading(shown), console)
    print_lines(_events(api, shown), console)


def _events(api: ApiClient, shown: ShownExchange) -> Iterator[Line]:
    yield Line(Text())
    after_ms: float | None = 0.0
    count = 0
    for page in api.events(shown.id):
        if page.framing is None:
            yield Line(Text("its answer is no stream of events", "dim"))
        yield from lines_of_events(page.events, after_ms)
        count += len(page.events)
        after_ms = page.events[-1].at_ms if page.events else after_ms
        for problem in page.problems:
            yield Line(Text(plain(problem), "yellow"))
    yield from incomplete(shown)


def _show_json(api: ApiClient, reference: str) -> None:
    click.echo(api.exchange_json(reference))


_VIEWERS: dict[str | None, Callable[[ApiClient, str], None]] = {
    None: _show_readably,
    "raw": _show_raw,
    "headers": _show_headers,
    "events": _show_events,
    "json": _show_json,
}
